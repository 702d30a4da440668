#include "tests/lib/benchclient.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const char *bc_key = "";

void
bc_die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
	    strerror(errno));
	exit(2);
}

double
bc_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

double
bc_available_kib(void)
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

/* --- samples --------------------------------------------------------------*/

void
samples_add(struct samples *s, double v)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 256 : s->cap * 2;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (s->v == NULL)
			bc_die("memory");
	}
	s->v[s->n++] = v;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
samples_median(struct samples *s)
{
	if (s->n == 0)
		bc_die("no samples");
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	return s->v[s->n / 2];
}

static void
empty(struct samples *s)
{
	free(s->v);
	*s = (struct samples){ 0 };
}

void
bc_report(const struct bc_row *r)
{
	struct samples *s = r->ours;
	double median = samples_median(s);

	printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\",\"n\":%zu,"
	       "\"min\":%.4f,\"p99\":%.4f",
	    r->name, median, r->unit, s->n, s->v[0], s->v[s->n * 99 / 100]);
	if (r->wrong >= 0)
		printf(",\"wrong\":%d", r->wrong);
	if (r->peer != NULL) {
		double peer = samples_median(r->peer);

		printf(",\"peer\":%.4f,\"ratio\":%.4f,\"peer_n\":%zu,"
		       "\"peer_is\":\"%s\"",
		    peer, median / peer, r->peer->n, r->peer_is);
		empty(r->peer);
	}
	puts("}");
	(void)fflush(stdout);
	empty(s);
}

/* --- HTTP -----------------------------------------------------------------*/

void
conn_open(struct conn *c, int port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;

	c->have = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(c->fd, (void *)&a, sizeof(a)) < 0)
		bc_die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void
conn_send(struct conn *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);

		if (k <= 0)
			bc_die("send");
		p += k;
		n -= (size_t)k;
	}
}

void
conn_more(struct conn *c)
{
	ssize_t n;

	if (c->have >= sizeof(c->in) - 1)
		bc_die("answer too long");
	n = read(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have);
	if (n <= 0)
		bc_die("connection closed");
	c->have += (size_t)n;
	c->in[c->have] = '\0';
}

void
conn_answer(struct conn *c)
{
	char *end, *len;
	size_t head;

	c->have = 0;
	c->in[0] = '\0';
	while ((end = strstr(c->in, "\r\n\r\n")) == NULL)
		conn_more(c);
	head = (size_t)(end - c->in) + 4;
	c->status = atoi(c->in + 9);
	len = strcasestr(c->in, "\r\ncontent-length:");
	if (len != NULL && len < end) {
		size_t want = head + (size_t)atol(len + 17);

		while (c->have < want)
			conn_more(c);
	} else if (strcasestr(c->in, "transfer-encoding: chunked") != NULL) {
		while (c->have < head + 5 ||
		       memcmp(c->in + c->have - 5, "0\r\n\r\n", 5) != 0)
			conn_more(c);
	}
	c->body = c->in + head;
}

void
conn_call(
    struct conn *c, const char *method, const char *path, const char *body)
{
	static char out[1024 * 1024];
	int n = snprintf(out, sizeof(out),
	    "%s %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, bc_key, strlen(body), body);

	if (n < 0 || (size_t)n >= sizeof(out))
		bc_die("request too long");
	conn_send(c, out, (size_t)n);
	conn_answer(c);
}

void
conn_expect(struct conn *c, int status, const char *what)
{
	if (c->status == status)
		return;
	fprintf(stderr, "%s: %s: %d %.300s\n", program_invocation_short_name,
	    what, c->status, c->body);
	exit(2);
}

bool
conn_has(const struct conn *c, const char *what)
{
	return memmem(c->in, c->have, what, strlen(what)) != NULL;
}

void
conn_until(struct conn *c, const char *what)
{
	while (!conn_has(c, what))
		conn_more(c);
}

void
conn_finish(struct conn *c)
{
	while (c->have < 5 || memcmp(c->in + c->have - 5, "0\r\n\r\n", 5) != 0)
		conn_more(c);
}

/* --- sandboxes ------------------------------------------------------------*/

/* The value of a string member of a flat JSON object. */
static bool
member(const char *json, const char *name, char *to, size_t cap)
{
	char want[64];
	const char *p, *q;

	(void)snprintf(want, sizeof(want), "\"%s\":", name);
	p = strstr(json, want);
	if (p == NULL || (p = strchr(p + strlen(want), '"')) == NULL ||
	    (q = strchr(p + 1, '"')) == NULL || (size_t)(q - p) > cap)
		return false;
	memcpy(to, p + 1, (size_t)(q - p - 1));
	to[q - p - 1] = '\0';
	return true;
}

void
box_create_of(
    struct conn *c, struct box *b, const char *template, const char *fields)
{
	char body[1024];

	(void)snprintf(body, sizeof(body),
	    "{\"templateID\":\"%s\",\"timeout\":3000,\"secure\":true%s}",
	    template, fields);
	conn_call(c, "POST", "/v2/sandboxes", body);
	conn_expect(c, 201, "create");
	if (!member(c->body, "sandboxID", b->id, sizeof(b->id)))
		bc_die("sandboxID");
	if (!member(c->body, "envdAccessToken", b->token, sizeof(b->token)))
		b->token[0] = '\0';
}

void
box_create(struct conn *c, struct box *b, const char *fields)
{
	box_create_of(c, b, "base", fields);
}

void
box_kill(struct conn *c, const struct box *b)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/sandboxes/%.*s", BC_ID_MAX, b->id);
	conn_call(c, "DELETE", path, "");
	conn_expect(c, 204, "kill");
}

void
box_post(struct conn *w, const struct box *b, int port, const char *path,
    const char *headers, const char *body, size_t n)
{
	static char out[64 * 1024];
	int k = snprintf(out, sizeof(out),
	    "POST %s HTTP/1.1\r\nHost: localhost\r\nE2b-Sandbox-Id: %s\r\n"
	    "E2b-Sandbox-Port: %d\r\nX-Access-Token: %s\r\n%s"
	    "Content-Length: %zu\r\n\r\n",
	    path, b->id, port, b->token, headers, n);

	/* A short body goes with its head. */
	if ((size_t)k + n <= sizeof(out)) {
		memcpy(out + k, body, n);
		conn_send(w, out, (size_t)k + n);
		return;
	}
	conn_send(w, out, (size_t)k);
	conn_send(w, body, n);
}

void
box_start(struct conn *w, const struct box *b, const char *process)
{
	char body[1024];
	int n = snprintf(body + 5, sizeof(body) - 5,
	    "{\"process\":%s,\"stdin\":false}", process);

	memset(body, 0, 3);
	body[3] = (char)(n >> 8);
	body[4] = (char)n;
	box_post(w, b, 49983, "/process.Process/Start",
	    "Authorization: Basic dXNlcjo=\r\n"
	    "Content-Type: application/connect+json\r\n"
	    "Connect-Protocol-Version: 1\r\nKeepalive-Ping-Interval: 50\r\n",
	    body, (size_t)n + 5);
}

void
box_upload(struct conn *w, const struct box *b, const char *path,
    const char *data, size_t n)
{
	char target[512];

	(void)snprintf(
	    target, sizeof(target), "/files?path=%s&username=user", path);
	box_post(w, b, 49983, target,
	    "Content-Type: application/octet-stream\r\n", data, n);
	conn_answer(w);
	conn_expect(w, 200, "upload");
}

void
box_program(
    struct conn *w, const struct box *b, const char *path, const char *file)
{
	static char program[4 * 1024 * 1024];
	FILE *f = fopen(file, "r");
	char chmod[256];
	size_t n;

	if (f == NULL)
		bc_die(file);
	n = fread(program, 1, sizeof(program), f);
	(void)fclose(f);
	box_upload(w, b, path, program, n);
	w->have = 0;
	(void)snprintf(chmod, sizeof(chmod),
	    "{\"cmd\":\"/bin/chmod\",\"args\":[\"755\",\"%s\"]}", path);
	box_start(w, b, chmod);
	conn_finish(w);
}

size_t
box_places(struct box_place **out)
{
	size_t n = 0;
	glob_t g;

	*out = NULL;
	if (glob("/proc/[0-9]*/root/run/e2b/.E2B_SANDBOX_ID", 0, NULL, &g) != 0)
		return 0;
	*out = calloc(g.gl_pathc, sizeof(**out));
	if (*out == NULL)
		bc_die("memory");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct box_place *at = &(*out)[n];
		FILE *f = fopen(g.gl_pathv[i], "r");

		if (f == NULL)
			continue; /* it has ended meanwhile */
		if (fgets(at->id, sizeof(at->id), f) != NULL) {
			at->id[strcspn(at->id, "\n")] = '\0';
			at->pid = atoi(g.gl_pathv[i] + strlen("/proc/"));
			n++;
		}
		(void)fclose(f);
	}
	globfree(&g);
	return n;
}

int
box_socket(const struct box_place *at, int type)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	char path[64];
	int there, fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)at->pid);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		bc_die(path);
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || setns(home, CLONE_NEWNET) < 0)
		bc_die("socket inside");
	(void)close(home);
	(void)close(there);
	return fd;
}
