/*
 * bench_put.c - from a request for another policy to its being in force, each
 * checked by packets, beside `nft -f`; and what a refusal takes.
 *
 *	bench_put API_PORT KEY WHAT...
 *
 * WHAT, in this order: `one` (a tenant alone), `entries` (lists of 1,000 and
 * 10,000), `deny`, or numbers of tenants, growing (under bench_standin).
 *
 * The time of one is from sending the request on a kept connection until its
 * answer is read.  Then two packets leave the sandbox: a datagram of a flow
 * that lives on from one policy to the next, and a SYN.  What they meet must
 * be what the answer promised; how many were not is `wrong`.
 *
 * The peer loads the same change with `nft -f` into the same table (a copy of
 * ours with as many tenants, in a namespace of its own), in turns with us.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/benchclient.h"

enum {
	TENANTS_MAX = 16000,
	ENTRIES_MAX = 10000,
	ECHO_MS = 1000,	 /* an echo that is due is not given up sooner */
	SILENCE_MS = 20, /* an echo takes 0.1 ms */
	PICKS = 40,	 /* tenants, and requests for each */
	EACH = 10,
	NEWEST = 200,
};

static void PRINTF(1, 2) run(const char *fmt, ...)
{
	char cmd[1024];
	int status = 0;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		bc_die(cmd);
}

/* --- lists ----------------------------------------------------------------*/

/*
 * Two variants of a list of n; they share no entry.  The first one's first
 * entry is 1.1.1.1, the other's 8.8.4.4; both answer.
 */
static const char *const first_of[] = { "8.8.4.4", "1.1.1.1" };

static const char *
entry(unsigned i, bool open)
{
	static char text[32];

	if (i == 0)
		return first_of[open];
	(void)snprintf(
	    text, sizeof(text), "11.%u.%u.0/24", i / 128, i % 128 * 2 + open);
	return text;
}

static const char *
policy(unsigned n, bool open)
{
	static char text[ENTRIES_MAX * 24];
	size_t at = 0;

	at += (size_t)sprintf(text, "{\"denyOut\":[\"0.0.0.0/0\"],"
				    "\"allowOut\":[");
	for (unsigned i = 0; i < n; i++)
		at += (size_t)sprintf(
		    text + at, "%s\"%s\"", i > 0 ? "," : "", entry(i, open));
	(void)strcpy(text + at, "]}");
	return text;
}

/* --- the peer -------------------------------------------------------------*/

static const char peer_is[] = "nft -f, the same change to the same table";

struct peer {
	pid_t pid; /* holds the namespace */
	char file[256];
	unsigned slot; /* whose set is changed */
	unsigned gen, last;
	bool open;
	struct samples took;
};

static void
make_namespace(struct peer *p)
{
	int ready[2];
	char c;

	if (pipe2(ready, O_CLOEXEC) < 0)
		bc_die("pipe");
	p->pid = fork();
	if (p->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	(void)close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		bc_die("namespace");
	(void)close(ready[0]);
}

/* A tenant in the middle, its generation, and the highest of all. */
static void
find_slot(struct peer *p, size_t tenants)
{
	FILE *f = fopen(p->file, "r");
	char line[256];
	unsigned slot, gen;
	size_t n = 0;

	if (f == NULL)
		bc_die(p->file);
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *at = strstr(line, "\"cop");

		if (at == NULL ||
		    sscanf(at, "\"cop%u\" : 0x%x", &slot, &gen) != 2)
			continue;
		if (n++ <= tenants / 2) {
			p->slot = slot;
			p->gen = gen;
		}
		if (gen > p->last)
			p->last = gen;
	}
	(void)fclose(f);
	if (n == 0)
		bc_die("no tenant in the table");
}

/* Takes the table as it stands now. */
static void
peer_begin(struct peer *p, size_t tenants)
{
	const char *state = getenv("COP_STATE");

	*p = (struct peer){ .open = false };
	(void)snprintf(p->file, sizeof(p->file), "%s/peer.nft",
	    state != NULL ? state : "/tmp");
	make_namespace(p);
	run("nft -s list table inet coppice >%s && nsenter -t %d -n nft -f %s",
	    p->file, (int)p->pid, p->file);
	find_slot(p, tenants);
}

static void
peer_write(struct peer *p, unsigned n)
{
	FILE *f = fopen(p->file, "w");

	if (f == NULL)
		bc_die(p->file);
	fprintf(f,
	    "flush set inet coppice sb%u_ok4\n"
	    "add element inet coppice sb%u_ok4 { ",
	    p->slot, p->slot);
	for (unsigned i = 0; i < n; i++)
		fprintf(f, "%s%s comment \"/network/allowOut/%u\"",
		    i > 0 ? ", " : "", entry(i, p->open), i);
	fprintf(f,
	    " }\ndelete element inet coppice live { 0x%x }\n"
	    "add element inet coppice live { 0x%x }\n"
	    "delete element inet coppice gen { \"cop%u\" }\n"
	    "add element inet coppice gen { \"cop%u\" : 0x%x }\n",
	    p->gen, p->last + 1, p->slot, p->slot, p->last + 1);
	if (fclose(f) != 0)
		bc_die(p->file);
	p->gen = ++p->last;
	p->open = !p->open;
}

/* One change; the file is there before the clock starts. */
static void
peer_change(struct peer *p, unsigned n)
{
	char path[64];
	int status = 0;
	double t0;
	pid_t pid;

	peer_write(p, n);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)p->pid);
	t0 = bc_now_ms();
	pid = vfork();
	if (pid == 0) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && setns(fd, CLONE_NEWNET) == 0)
			execlp("nft", "nft", "-f", p->file, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		bc_die("nft -f");
	samples_add(&p->took, bc_now_ms() - t0);
}

static void
peer_end(struct peer *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	(void)unlink(p->file);
}

/* --- verdicts -------------------------------------------------------------*/

static struct sockaddr_in
to(const char *address, unsigned port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
	};

	(void)inet_pton(AF_INET, address, &a.sin_addr);
	return a;
}

/* A flow of datagrams that lives as long as the measurement. */
static int
flow_to(const struct box_place *at, const char *address)
{
	struct sockaddr_in a = to(address, 7);
	int fd = box_socket(at, SOCK_DGRAM);

	if (connect(fd, (void *)&a, sizeof(a)) < 0)
		bc_die(address);
	return fd;
}

/*
 * The kernel tells a sender of few refusals a second.  Waiting for one that
 * does not come would let caches and CPUs go cold between two requests.  (Ours
 * is a world's own namespace.)
 */
static void
tell_all_refusals(void)
{
	static const char *const names[] = { "ratelimit", "msgs_burst",
		"msgs_per_sec" };

	for (int i = 0; i < 3; i++) {
		char path[64];
		FILE *f;

		(void)snprintf(
		    path, sizeof(path), "/proc/sys/net/ipv4/icmp_%s", names[i]);
		f = fopen(path, "w");
		if (f == NULL)
			continue; /* then it is silence */
		(void)fputs(i == 0 ? "0" : "1000000", f);
		(void)fclose(f);
	}
}

/* Does a datagram come back?  Silence is a refusal too. */
static bool
echoes(int fd, bool due)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	socklen_t n = sizeof(int);
	int err;
	char c = 'x';

	while (recv(fd, &c, 1, MSG_DONTWAIT) >= 0)
		;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	if (send(fd, &c, 1, 0) < 0)
		return false;
	if (poll(&p, 1, due ? ECHO_MS : SILENCE_MS) <= 0)
		return false;
	return recv(fd, &c, 1, MSG_DONTWAIT) == 1;
}

/* Says what connect() says: 0 or an errno.  *us: how long that took. */
static int
knock(
    const struct box_place *at, const char *address, unsigned port, double *us)
{
	const struct linger drop = { 1, 0 };
	struct sockaddr_in a = to(address, port);
	int fd = box_socket(at, SOCK_STREAM), rc;
	const struct timeval limit = { 2, 0 };
	double t0;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	t0 = bc_now_ms();
	rc = connect(fd, (void *)&a, sizeof(a)) < 0 ? errno : 0;
	*us = (bc_now_ms() - t0) * 1e3;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
	(void)close(fd);
	return rc;
}

/* --- one tenant -----------------------------------------------------------*/

struct tenant {
	struct box_place at;
	int flow[2]; /* to first_of[] */
	bool open;
	unsigned entries;
};

static void
put(struct conn *c, struct tenant *t, bool open)
{
	char path[128];

	(void)snprintf(
	    path, sizeof(path), "/sandboxes/%.*s/network", BC_ID_MAX, t->at.id);
	conn_call(c, "PUT", path, policy(t->entries, open));
	conn_expect(c, 204, "PUT network");
	t->open = open;
}

/* Both addresses: the one that has been opened, the one that was closed. */
static int
wrong(const struct tenant *t)
{
	int n = 0;
	double us;

	for (int i = 0; i < 2; i++) {
		bool due = i == (int)t->open;
		int rc = knock(&t->at, first_of[i], 80, &us);

		n += rc != (due ? 0 : ECONNREFUSED);
		n += echoes(t->flow[i], due) != due;
	}
	return n > 0;
}

static void
begin(struct conn *c, struct tenant *t, const struct box_place *at, unsigned n)
{
	*t = (struct tenant){ .at = *at, .entries = n };
	for (int i = 0; i < 2; i++)
		t->flow[i] = flow_to(at, first_of[i]);
	/* First the whole path with both verdicts, unmeasured. */
	for (int i = 0; i < 2; i++) {
		put(c, t, i == 0);
		if (wrong(t) != 0) {
			fprintf(stderr,
			    "bench_put: %s: a policy is not "
			    "enforced, or nobody answers\n",
			    at->id);
			exit(2);
		}
	}
}

static void
end(struct tenant *t)
{
	for (int i = 0; i < 2; i++)
		(void)close(t->flow[i]);
}

static int
change(struct conn *c, struct tenant *t, struct samples *s)
{
	double t0;
	bool open = !t->open;

	(void)policy(t->entries, open); /* its text is not what we measure */
	t0 = bc_now_ms();
	put(c, t, open);
	samples_add(s, bc_now_ms() - t0);
	return wrong(t);
}

static struct box_place
place_of(const struct box *b)
{
	struct box_place *v, found = { .pid = 0 };
	size_t n = box_places(&v);

	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].id, b->id) == 0)
			found = v[i];
	free(v);
	if (found.pid == 0)
		bc_die("no process of the sandbox");
	return found;
}

/* total requests, and a change by the peer after each `every` of them. */
static void
alone(struct conn *c, const char *name, unsigned entries, int total, int every)
{
	struct samples s = { 0 };
	struct tenant t;
	struct box_place at;
	struct peer p;
	struct box b;
	int bad = 0;

	box_create(c, &b, "");
	at = place_of(&b);
	begin(c, &t, &at, entries);
	peer_begin(&p, 1);
	peer_change(&p, entries); /* unmeasured, as our first two */
	p.took.n = 0;
	for (int i = 1; i <= total; i++) {
		bad += change(c, &t, &s);
		if (i % every == 0)
			peer_change(&p, entries);
	}
	bc_report(&(struct bc_row){ name, "ms", &s, &p.took, peer_is, bad });
	peer_end(&p);
	end(&t);
	box_kill(c, &b);
}

/* --- a refusal ------------------------------------------------------------*/

static void
refusals(struct conn *c)
{
	struct samples denied = { 0 }, closed = { 0 };
	struct box_place at;
	struct box b;
	int bad = 0;

	box_create(c, &b,
	    ",\"network\":{\"allowOut\":[\"1.1.1.1\"],"
	    "\"denyOut\":[\"0.0.0.0/0\"]}");
	at = place_of(&b);
	for (int i = 0; i < 420; i++) {
		double ours, peer;
		int rc = knock(&at, "8.8.8.8", 80, &ours);

		bad += rc != ECONNREFUSED;
		bad += knock(&at, "1.1.1.1", 81, &peer) != ECONNREFUSED;
		if (i < 20)
			continue;
		samples_add(&denied, ours);
		samples_add(&closed, peer);
	}
	bc_report(&(struct bc_row){ "deny_latency_us", "us", &denied, &closed,
	    "connect() to a closed port of an allowed host", bad });
	box_kill(c, &b);
}

/* --- many tenants ---------------------------------------------------------*/

/* In the order they were made; at.pid is 0 for those without processes. */
static struct crowd {
	struct box box[TENANTS_MAX];
	struct box_place at[TENANTS_MAX];
	size_t n;
} crowd;

static void
grow(struct conn *c, size_t n)
{
	for (; crowd.n < n; crowd.n++)
		box_create(c, &crowd.box[crowd.n],
		    ",\"network\":{\"allowOut\":[\"1.1.1.1\",\"9.9.9.0/24\"],"
		    "\"denyOut\":[\"0.0.0.0/0\"]}");
}

/* Those with processes, in the order they were made; how many. */
static size_t
find_real(size_t *index)
{
	struct box_place *v;
	size_t n = box_places(&v), found = 0;

	for (size_t i = 0; i < crowd.n; i++)
		for (size_t k = 0; k < n; k++)
			if (strcmp(crowd.box[i].id, v[k].id) == 0) {
				crowd.at[i] = v[k];
				index[found++] = i;
			}
	free(v);
	if (found == 0)
		bc_die("no tenant has processes");
	return found;
}

static void
at_random(struct conn *c, const char *name, const size_t *index, size_t real,
    struct peer *p, unsigned every)
{
	struct samples s = { 0 };
	unsigned pick = 1;
	int bad = 0;

	for (unsigned i = 0; i < PICKS; i++) {
		struct tenant t;

		pick = pick * 1103515245u + 12345u;
		begin(c, &t, &crowd.at[index[pick / 65536 % real]], 2);
		for (int k = 0; k < EACH; k++)
			bad += change(c, &t, &s);
		end(&t);
		if (i % every == every - 1)
			peer_change(p, 2);
	}
	bc_report(&(struct bc_row){ name, "ms", &s, &p->took, peer_is, bad });
}

static void
at_newest(struct conn *c, const char *name, const struct box_place *at)
{
	struct samples s = { 0 };
	struct tenant t;
	int bad = 0;

	begin(c, &t, at, 2);
	for (int i = 0; i < NEWEST; i++)
		bad += change(c, &t, &s);
	end(&t);
	bc_report(&(struct bc_row){ name, "ms", &s, NULL, NULL, bad });
}

static void
among(struct conn *c, size_t tenants)
{
	static size_t index[TENANTS_MAX];
	struct peer p;
	char name[64];
	size_t real;

	if (tenants < 1 || tenants > TENANTS_MAX)
		bc_die("number of tenants");
	grow(c, tenants);
	real = find_real(index);
	peer_begin(&p, tenants);
	(void)snprintf(
	    name, sizeof(name), "put_network_%zu_tenants_ms", tenants);
	at_random(c, name, index, real, &p, tenants > 2000 ? 4 : 2);
	peer_end(&p);
	(void)snprintf(
	    name, sizeof(name), "put_network_%zu_tenants_newest_ms", tenants);
	at_newest(c, name, &crowd.at[index[real - 1]]);
}

static void
disperse(struct conn *c)
{
	while (crowd.n > 0)
		box_kill(c, &crowd.box[--crowd.n]);
}

int
main(int argc, char **argv)
{
	static struct conn c;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_put API_PORT KEY "
				"one|entries|deny|TENANTS...\n");
		return 2;
	}
	bc_key = argv[2];
	tell_all_refusals();
	conn_open(&c, atoi(argv[1]));
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "one") == 0) {
			alone(&c, "put_network_ms", 2, 400, 10);
		} else if (strcmp(argv[i], "entries") == 0) {
			alone(&c, "put_network_1000_entries_ms", 1000, 100, 5);
			alone(&c, "put_network_10000_entries_ms", 10000, 50, 5);
		} else if (strcmp(argv[i], "deny") == 0) {
			refusals(&c);
		} else {
			among(&c, strtoul(argv[i], NULL, 10));
		}
	}
	disperse(&c);
	return 0;
}
