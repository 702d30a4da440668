/*
 * bench_api.c - what one client sees, measured on a kept connection.
 *
 *	bench_api API_PORT WAY_IN_PORT KEY HELLO
 *
 * HELLO is the static program of tests/bench/inside.  Runs where the daemon
 * runs (its network namespace, as root), since it looks into a sandbox's
 * namespace to check verdicts with a packet.  Prints one JSON object a line:
 * name, value (median), unit, n, p99, and wrong where packets were checked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ID_MAX	   40
#define TENANTS	   1000
#define IDLE_COUNT 200
#define BULK_BYTES (192L * 1024 * 1024)

struct conn {
	int fd;
	int port;
	char in[256 * 1024];
	size_t have;
	int status;
	char *body; /* of the last answer, terminated */
	size_t nbody;
};

struct samples {
	double *v;
	size_t n, cap;
};

static const char *key;
static int api_port, way_port;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench_api: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
add(struct samples *s, double v)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 256 : s->cap * 2;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (s->v == NULL)
			die("memory");
	}
	s->v[s->n++] = v;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
report(const char *name, struct samples *s, const char *unit, int wrong)
{
	if (s->n == 0)
		die(name);
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\",\"n\":%zu,"
	       "\"min\":%.4f,\"p99\":%.4f",
	    name, s->v[s->n / 2], unit, s->n, s->v[0], s->v[s->n * 99 / 100]);
	if (wrong >= 0)
		printf(",\"wrong\":%d", wrong);
	puts("}");
	fflush(stdout);
	free(s->v);
	*s = (struct samples){ 0 };
}

/* --- HTTP, just enough of it ----------------------------------------------*/

static void
open_conn(struct conn *c, int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;

	c->port = port;
	c->have = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (void *)&a, sizeof(a)) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
send_all(struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			die("send");
		p += k;
		n -= (size_t)k;
	}
}

static void
more(struct conn *c)
{
	ssize_t n;

	if (c->have >= sizeof(c->in) - 1)
		die("answer too long");
	n = read(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have);
	if (n <= 0)
		die("connection closed");
	c->have += (size_t)n;
	c->in[c->have] = '\0';
}

/* Reads a whole answer; a chunked one is left as chunks. */
static void
answer(struct conn *c)
{
	char *end, *len;
	size_t head;

	c->have = 0;
	c->in[0] = '\0';
	while ((end = strstr(c->in, "\r\n\r\n")) == NULL)
		more(c);
	head = (size_t)(end - c->in) + 4;
	c->status = atoi(c->in + 9);
	len = strcasestr(c->in, "\r\ncontent-length:");
	if (len != NULL && len < end) {
		size_t want = head + (size_t)atol(len + 17);

		while (c->have < want)
			more(c);
	} else if (strcasestr(c->in, "transfer-encoding: chunked") != NULL) {
		while (c->have < head + 5 ||
		       memcmp(c->in + c->have - 5, "0\r\n\r\n", 5) != 0)
			more(c);
	}
	c->body = c->in + head;
	c->nbody = c->have - head;
}

static void
call(struct conn *c, const char *method, const char *path, const char *body)
{
	char out[8192];
	int n = snprintf(out, sizeof(out),
	    "%s %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, key, strlen(body), body);

	send_all(c, out, (size_t)n);
	answer(c);
}

static void
expect(struct conn *c, int status, const char *what)
{
	if (c->status == status)
		return;
	fprintf(stderr, "bench_api: %s: %d %.300s\n", what, c->status, c->body);
	exit(2);
}

/* The value of a string member of a flat JSON object. */
static bool
member(const char *json, const char *name, char *to, size_t cap)
{
	char want[64];
	const char *p, *q;

	snprintf(want, sizeof(want), "\"%s\":", name);
	p = strstr(json, want);
	if (p == NULL || (p = strchr(p + strlen(want), '"')) == NULL ||
	    (q = strchr(p + 1, '"')) == NULL || (size_t)(q - p) > cap)
		return false;
	memcpy(to, p + 1, (size_t)(q - p - 1));
	to[q - p - 1] = '\0';
	return true;
}

/* --- sandboxes ------------------------------------------------------------*/

struct box {
	char id[ID_MAX], token[128];
};

static void
create(struct conn *c, struct box *b, const char *more_fields)
{
	char body[1024];

	snprintf(body, sizeof(body),
	    "{\"templateID\":\"base\",\"timeout\":3000,\"secure\":true%s}",
	    more_fields);
	call(c, "POST", "/v2/sandboxes", body);
	expect(c, 201, "create");
	if (!member(c->body, "sandboxID", b->id, sizeof(b->id)))
		die("sandboxID");
	if (!member(c->body, "envdAccessToken", b->token, sizeof(b->token)))
		b->token[0] = '\0';
}

static void
kill_box(struct conn *c, const struct box *b)
{
	char path[128];

	snprintf(path, sizeof(path), "/sandboxes/%.*s", ID_MAX, b->id);
	call(c, "DELETE", path, "");
	expect(c, 204, "kill");
}

/* Sends a Start; the caller reads what comes. */
static void
start(struct conn *w, const struct box *b, const char *process)
{
	char json[1024], out[4096];
	int n, m;

	m = snprintf(
	    json, sizeof(json), "{\"process\":%s,\"stdin\":false}", process);
	n = snprintf(out, sizeof(out),
	    "POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\n"
	    "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: 49983\r\n"
	    "X-Access-Token: %s\r\nAuthorization: Basic dXNlcjo=\r\n"
	    "Content-Type: application/connect+json\r\n"
	    "Connect-Protocol-Version: 1\r\nKeepalive-Ping-Interval: 50\r\n"
	    "Content-Length: %d\r\n\r\n",
	    b->id, b->token, m + 5);
	out[n++] = 0;
	out[n++] = 0;
	out[n++] = 0;
	out[n++] = (char)(m >> 8);
	out[n++] = (char)m;
	memcpy(out + n, json, (size_t)m);
	send_all(w, out, (size_t)n + (size_t)m);
}

/* Envelopes hold NUL bytes, so this is no strstr. */
static bool
seen(const struct conn *w, const char *what)
{
	return memmem(w->in, w->have, what, strlen(what)) != NULL;
}

static void
until(struct conn *w, const char *what)
{
	while (!seen(w, what))
		more(w);
}

static void
finish(struct conn *w)
{
	while (w->have < 5 || memcmp(w->in + w->have - 5, "0\r\n\r\n", 5) != 0)
		more(w);
}

static const char bash[] = "{\"cmd\":\"/bin/bash\",\"args\":[\"-l\",\"-c\","
			   "\"echo hi\"]}";

static void
cold_creates(struct conn *c, struct conn *w, int n)
{
	struct samples whole = { 0 }, answered = { 0 };

	for (int i = 0; i < n; i++) {
		struct box b;
		double t0 = now_ms();

		create(c, &b, "");
		add(&answered, now_ms() - t0);
		w->have = 0;
		start(w, &b, bash);
		until(w, "\"stdout\"");
		add(&whole, now_ms() - t0);
		finish(w);
		kill_box(c, &b);
	}
	report("create_cold_ms", &whole, "ms", -1);
	report("create_cold_answer_ms", &answered, "ms", -1);
}

static void
upload(struct conn *w, const struct box *b, const char *path, const char *data,
    size_t n)
{
	char head[1024];
	int k = snprintf(head, sizeof(head),
	    "POST /files?path=%s&username=user HTTP/1.1\r\nHost: localhost\r\n"
	    "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: 49983\r\n"
	    "X-Access-Token: %s\r\nContent-Type: application/octet-stream\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    path, b->id, b->token, n);

	send_all(w, head, (size_t)k);
	send_all(w, data, n);
	answer(w);
	expect(w, 200, "upload");
}

static void
put_hello(struct conn *w, const struct box *b, const char *file)
{
	static char program[65536];
	FILE *f = fopen(file, "r");
	size_t n;

	if (f == NULL)
		die(file);
	n = fread(program, 1, sizeof(program), f);
	fclose(f);
	upload(w, b, "/tmp/hello", program, n);
	w->have = 0;
	start(
	    w, b, "{\"cmd\":\"/bin/chmod\",\"args\":[\"755\",\"/tmp/hello\"]}");
	finish(w);
}

static void
round_trips(struct conn *w, const struct box *b, int n)
{
	struct samples rtt = { 0 };

	for (int i = 0; i < n; i++) {
		double t0 = now_ms();

		w->have = 0;
		start(w, b, "{\"cmd\":\"/tmp/hello\"}");
		finish(w);
		add(&rtt, now_ms() - t0);
		if (!seen(w, "aGVsbG8K")) {
			fprintf(stderr, "bench_api: no hello: %.*s\n",
			    (int)w->have, w->in);
			exit(2);
		}
	}
	report("exec_rtt_ms", &rtt, "ms", -1);
}

/* --- policy, checked by packets -------------------------------------------*/

/* A UDP socket inside the sandbox's namespace, aimed at 1.1.1.1:7. */
static int
socket_inside(const struct box *b)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7) };
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;
	glob_t g;

	inet_pton(AF_INET, "1.1.1.1", &a.sin_addr);
	if (glob("/proc/[0-9]*/root/run/e2b/.E2B_SANDBOX_ID", 0, NULL, &g) != 0)
		die("no sandbox in /proc");
	for (size_t i = 0; i < g.gl_pathc && fd < 0; i++) {
		char id[ID_MAX] = "", ns[64];
		FILE *f = fopen(g.gl_pathv[i], "r");
		int pid = atoi(g.gl_pathv[i] + 6), nfd;

		if (f == NULL)
			continue;
		if (fgets(id, sizeof(id), f) == NULL)
			id[0] = '\0';
		fclose(f);
		id[strcspn(id, "\n")] = '\0';
		if (strcmp(id, b->id) != 0)
			continue;
		snprintf(ns, sizeof(ns), "/proc/%d/ns/net", pid);
		nfd = open(ns, O_RDONLY | O_CLOEXEC);
		if (nfd < 0 || setns(nfd, CLONE_NEWNET) < 0)
			die("setns");
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (setns(home, CLONE_NEWNET) < 0)
			die("setns back");
		close(nfd);
	}
	globfree(&g);
	close(home);
	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0)
		die("socket inside");
	return fd;
}

/*
 * 1 if the packet came back, 0 if not.  The kernel tells of few refusals a
 * second (icmp_ratelimit), so silence is one too; an echo takes 0.1 ms here.
 */
static int
verdict(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c = 'x';
	int err;
	socklen_t n = sizeof(err);

	while (recv(fd, &c, 1, MSG_DONTWAIT) >= 0)
		;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	if (send(fd, &c, 1, 0) < 0)
		return 0;
	if (poll(&p, 1, 30) <= 0)
		return 0;
	return recv(fd, &c, 1, MSG_DONTWAIT) == 1 ? 1 : 0;
}

static void
put_policy(struct conn *c, const struct box *b, bool open)
{
	char path[128];

	snprintf(path, sizeof(path), "/sandboxes/%.*s/network", ID_MAX, b->id);
	call(c, "PUT", path,
	    open ? "{\"allowOut\":[\"1.1.1.1\",\"9.9.9.0/24\"],"
		   "\"denyOut\":[\"0.0.0.0/0\"]}"
		 : "{\"allowOut\":[\"8.8.4.4\",\"9.9.9.0/24\"],"
		   "\"denyOut\":[\"0.0.0.0/0\"]}");
	expect(c, 204, "PUT network");
}

static void
puts_of(
    struct conn *c, const struct box *b, int n, struct samples *s, int *wrong)
{
	int fd = socket_inside(b);

	put_policy(c, b, true);
	if (verdict(fd) != 1) {
		fprintf(stderr, "bench_api: 1.1.1.1 does not echo\n");
		exit(2);
	}
	for (int i = 0; i < n; i++) {
		bool open = i % 2 == 1;
		double t0 = now_ms();

		put_policy(c, b, open);
		add(s, now_ms() - t0);
		*wrong += verdict(fd) != (open ? 1 : 0);
	}
	close(fd);
}

/* --- bulk and memory ------------------------------------------------------*/

static void
bulk(struct conn *w, const struct box *b)
{
	struct samples up = { 0 }, down = { 0 };
	char *data = calloc(1, BULK_BYTES), head[512];
	double mib = (double)BULK_BYTES / 1048576;

	if (data == NULL)
		die("memory");
	for (int i = 0; i < 5; i++) {
		double t0 = now_ms();
		long left;
		char *end, *len;

		upload(w, b, "/tmp/bulk", data, BULK_BYTES);
		add(&up, mib / (now_ms() - t0) * 1e3);

		t0 = now_ms();
		send_all(w, head,
		    (size_t)snprintf(head, sizeof(head),
			"GET /files?path=/tmp/bulk&username=user HTTP/1.1\r\n"
			"Host: localhost\r\nE2b-Sandbox-Id: %s\r\n"
			"E2b-Sandbox-Port: 49983\r\nX-Access-Token: %s\r\n\r\n",
			b->id, b->token));
		w->have = 0;
		w->in[0] = '\0';
		while ((end = strstr(w->in, "\r\n\r\n")) == NULL)
			more(w);
		len = strcasestr(w->in, "\r\ncontent-length:");
		if (len == NULL || atol(len + 17) != BULK_BYTES)
			die("download length");
		left = BULK_BYTES - (long)(w->have - (size_t)(end + 4 - w->in));
		while (left > 0) {
			ssize_t n = read(w->fd, w->in, sizeof(w->in));

			if (n <= 0)
				die("download");
			left -= n;
		}
		add(&down, mib / (now_ms() - t0) * 1e3);
	}
	free(data);
	report("file_up_mbps", &up, "MiB/s", -1);
	report("file_down_mbps", &down, "MiB/s", -1);
}

static double
available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	double kib = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %lf", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

static void
idle_memory(struct conn *c)
{
	static struct box all[IDLE_COUNT];
	struct samples s = { 0 };
	double before;

	/* The first one pays for what all share. */
	create(c, &all[0], "");
	sleep(2);
	before = available_kib();
	for (int i = 1; i < IDLE_COUNT; i++)
		create(c, &all[i], "");
	sleep(2);
	add(&s, (before - available_kib()) / (IDLE_COUNT - 1));
	s.n = 1;
	report("idle_sandbox_kib", &s, "KiB", -1);
	for (int i = 0; i < IDLE_COUNT; i++)
		kill_box(c, &all[i]);
}

static void
many_tenants(struct conn *c)
{
	static struct box all[TENANTS];
	struct samples s = { 0 }, newest = { 0 };
	int wrong = 0, wrong_newest = 0;
	unsigned pick = 1;

	for (int i = 0; i < TENANTS; i++)
		create(c, &all[i],
		    ",\"network\":{\"allowOut\":[\"1.1.1.1\"],"
		    "\"denyOut\":[\"0.0.0.0/0\"]}");
	for (int i = 0; i < 40; i++) {
		pick = pick * 1103515245u + 12345u;
		puts_of(c, &all[pick / 65536 % TENANTS], 10, &s, &wrong);
	}
	puts_of(c, &all[TENANTS - 1], 200, &newest, &wrong_newest);
	report("put_network_1000_tenants_ms", &s, "ms", wrong);
	report(
	    "put_network_1000_tenants_newest_ms", &newest, "ms", wrong_newest);
	for (int i = 0; i < TENANTS; i++)
		kill_box(c, &all[i]);
}

int
main(int argc, char **argv)
{
	static struct conn c, w;
	struct samples put = { 0 };
	struct box b;
	int wrong = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: bench_api API_PORT WAY_IN_PORT KEY "
				"HELLO [quick]\n");
		return 2;
	}
	api_port = atoi(argv[1]);
	way_port = atoi(argv[2]);
	key = argv[3];
	open_conn(&c, api_port);
	open_conn(&w, way_port);

	/* First, before other figures leave memory to be freed meanwhile. */
	if (argc <= 5)
		idle_memory(&c);
	cold_creates(&c, &w, 100);
	create(&c, &b, "");
	put_hello(&w, &b, argv[4]);
	round_trips(&w, &b, 500);
	puts_of(&c, &b, 400, &put, &wrong);
	report("put_network_ms", &put, "ms", wrong);
	bulk(&w, &b);
	kill_box(&c, &b);
	if (argc <= 5)
		many_tenants(&c);
	return 0;
}
