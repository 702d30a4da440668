/*
 * liveflows - random policies, one after the other, over connections that are
 * under way: each lives on exactly where np_judge() lets it.
 *
 *	liveflows PRIVD CONF JAIL
 *
 * JAIL is slot 1's.  Whatever address and port it opens a connection to, an
 * echo answers there (differential.sh).  After each policy every connection
 * says something: where the policy passes it, the echo comes; where it does
 * not, no byte does, and TCP is reset.  Then connections are made anew, and
 *open or are refused as judged, within half a second.  POLICIES (40) and FLOWS
 * (24) may be set in the environment, and SEED repeats a run.
 *
 * Prints numbers, and a line for each flow that did not do as it should; ends
 * with 1 if there was any.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/param.h>
#include <sys/jail.h>
#include <sys/socket.h>

#include "lib/rulesclient.h"
#include "unit/test_policy_gen.h"

enum {
	SLOT = 1,
	FLOWS_MAX = 256,
	WRONG_SHOWN = 20,
	ECHO_MS = 4000,	  /* for what must come */
	QUIET_MS = 300,	  /* for what must not */
	REFUSED_MS = 500, /* for a denied connect */
};

struct conn {
	struct np_flow flow;
	int fd; /* -1: none */
	bool dead;
};

struct world {
	struct rc rc;
	struct np_site site;
	struct conn conn[FLOWS_MAX];
	size_t n;
	uint32_t gen;
	int maker; /* makes sockets inside the jail */
	unsigned opened, refused, lived, died, wrong;
	long slowest; /* of the refusals */
};

static struct world w;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "liveflows: %s: %s\n", what, strerror(errno));
	exit(2);
}

static unsigned
setting(const char *name, unsigned otherwise)
{
	const char *s = getenv(name);

	return s == NULL ? otherwise : (unsigned)atoi(s);
}

static long
ms_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- sockets of the jail -------------------------------------------------- */

struct want {
	int family, type;
};

union control {
	struct cmsghdr h;
	char room[CMSG_SPACE(sizeof(int))];
};

static void
hand_over(int to, int fd)
{
	union control c = { 0 };
	char byte = 1;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c.room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	if (sendmsg(to, &m, 0) != 1)
		_exit(1);
	(void)close(fd);
}

static void
start_maker(int jid)
{
	struct want want;
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
		die("socketpair");
	switch (fork()) {
	case -1:
		die("fork");
	case 0:
		(void)close(p[0]);
		if (jail_attach(jid) < 0)
			_exit(1);
		while (read(p[1], &want, sizeof(want)) == sizeof(want))
			hand_over(p[1], socket(want.family, want.type, 0));
		_exit(0);
	default:
		(void)close(p[1]);
	}
	w.maker = p[0];
}

static int
jail_socket(int family, int type)
{
	struct want want = { family, type };
	union control c;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c.room) };
	struct cmsghdr *h;
	int fd;

	if (write(w.maker, &want, sizeof(want)) != sizeof(want) ||
	    recvmsg(w.maker, &m, 0) != 1)
		die("no socket from the jail");
	h = CMSG_FIRSTHDR(&m);
	if (h == NULL || h->cmsg_type != SCM_RIGHTS)
		die("no descriptor from the jail");
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	return fd;
}

/* --- policies ------------------------------------------------------------- */

static void
add_entries(struct rc_policy *to, const struct np_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct np_entry *x = &from->v[i];
		struct rules_entry *v = &to->v[to->nallow + to->ndeny + i];

		*v = (struct rules_entry){ .family = (uint8_t)x->prefix.family,
			.len = x->prefix.len,
			.item = x->item };
		np_addr_bytes(
		    (struct np_addr){ x->prefix.addr, x->prefix.family },
		    v->addr);
	}
}

static void
apply(const struct np_policy *p, bool birth)
{
	static struct rc_policy out;
	struct rules_reply r;

	rc_policy_clear(&out);
	add_entries(&out, &p->allow);
	out.nallow = (uint32_t)p->allow.n;
	add_entries(&out, &p->deny);
	out.ndeny = (uint32_t)p->deny.n;
	out.nports = (uint32_t)p->nports;
	for (size_t i = 0; i < p->nports; i++)
		out.ports[i] = (struct rules_port){ .lo = p->ports[i].lo,
			.hi = p->ports[i].hi,
			.proto = p->ports[i].proto,
			.deny = p->ports[i].deny,
			.item = p->ports[i].item };
	out.deny_all = p->deny_all;
	out.no_internet = p->no_internet;
	r = rc_apply(&w.rc, SLOT, ++w.gen, birth, &out);
	if (r.rc < 0)
		die(r.err.msg);
}

/* --- flows ---------------------------------------------------------------- */

static socklen_t
address(const struct np_flow *f, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;
	uint8_t bytes[16];

	memset(out, 0, sizeof(*out));
	np_addr_bytes(f->to, bytes);
	if (f->to.family == NP_V4) {
		v4->sin_len = sizeof(*v4);
		v4->sin_family = AF_INET;
		v4->sin_port = htons(f->port);
		memcpy(&v4->sin_addr, bytes, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_len = sizeof(*v6);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(f->port);
	memcpy(&v6->sin6_addr, bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

/* Our own net and the host's, where addresses are somebody's, and those that
 * the sandbox's own system does not send without a scope. */
static bool
is_local(struct np_addr a)
{
	static const char *const some[] = { "192.0.2.0/30", "2001:db8:2::/64",
		"10.78.0.0/16", "fd77::/64", "10.0.2.0/24", "fe80::/10" };
	struct np_prefix p;

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (np_prefix_parse(some[i], &p) == 0 && np_prefix_has(&p, a))
			return true;
	return false;
}

static struct np_flow
random_flow(const struct np_ir *ir)
{
	struct np_flow f = { .port = gen_port(),
		.proto = gen_below(3) == 0 ? IPPROTO_UDP : IPPROTO_TCP };

	do
		f.to = gen_to(ir);
	while (is_local(f.to));
	return f;
}

static void
wrong(const struct np_ir *ir, const struct np_flow *f, const char *what)
{
	char addr[NP_ADDR_TEXT], why[NP_ORIGIN_TEXT];

	if (w.wrong++ >= WRONG_SHOWN)
		return;
	np_addr_text(f->to, addr);
	printf("# generation %u: %s %s port %u: %s; by %s\n", w.gen,
	    f->proto == IPPROTO_TCP ? "tcp" : "udp", addr, f->port, what,
	    np_origin_text(np_judge(ir, f)->origin, &w.site, why));
}

static bool
passes(const struct np_ir *ir, const struct np_flow *f)
{
	return np_judge(ir, f)->verdict == NP_PASS;
}

/* 0 when it is open; else why it is not, ETIMEDOUT at the end. */
static int
wait_connected(int fd, long ms)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, (int)ms) <= 0)
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* The echo of a word of its own: 0, an error, or ETIMEDOUT. */
static int
echoes(int fd, uint32_t word, long ms)
{
	long end = ms_now() + ms;
	uint32_t back;

	if (send(fd, &word, sizeof(word), MSG_NOSIGNAL) != sizeof(word))
		return errno;
	while (ms_now() < end) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n;

		if (poll(&p, 1, (int)(end - ms_now())) <= 0)
			continue;
		n = recv(fd, &back, sizeof(back), 0);
		if (n < 0 && errno != EAGAIN)
			return errno;
		if (n == 0)
			return ECONNRESET;
		if (n == sizeof(back) && back == word)
			return 0;
	}
	return ETIMEDOUT;
}

static void
drop_conn(struct conn *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

static void
open_conn(const struct np_ir *ir, struct conn *c)
{
	struct sockaddr_storage a;
	bool tcp = c->flow.proto == IPPROTO_TCP, may = passes(ir, &c->flow);
	socklen_t len = address(&c->flow, &a);
	long t0 = ms_now();
	int error = 0;

	c->fd = jail_socket(a.ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM);
	if (connect(c->fd, (void *)&a, len) < 0)
		error = errno == EINPROGRESS ? wait_connected(c->fd, ECHO_MS)
					     : errno;
	if (error == 0)
		error = echoes(c->fd, w.gen, may || tcp ? ECHO_MS : QUIET_MS);
	t0 = ms_now() - t0;
	w.opened += may;
	w.refused += !may;
	if (may && error != 0)
		wrong(ir, &c->flow, strerror(error));
	else if (!may && error == 0)
		wrong(ir, &c->flow, "opened");
	else if (!may && tcp && t0 > REFUSED_MS)
		wrong(ir, &c->flow, "refused, but late");
	if (!may && tcp && t0 > w.slowest)
		w.slowest = t0;
	if (error != 0)
		drop_conn(c);
}

/* One that was open, under a policy that came after. */
static void
judge_conn(const struct np_ir *ir, struct conn *c)
{
	bool may = passes(ir, &c->flow), tcp = c->flow.proto == IPPROTO_TCP;
	int error = echoes(c->fd, w.gen, may || tcp ? ECHO_MS : QUIET_MS);

	w.lived += may;
	w.died += !may;
	if (may && error != 0)
		wrong(ir, &c->flow, "it was cut");
	if (!may && error == 0)
		wrong(ir, &c->flow, "it lives on");
	if (!may && tcp && error == ETIMEDOUT)
		wrong(ir, &c->flow, "it was cut, and not told");
	if (error != 0)
		drop_conn(c);
}

static void
round_of(const struct np_ir *ir, size_t flows)
{
	for (size_t i = 0; i < w.n; i++)
		if (w.conn[i].fd >= 0)
			judge_conn(ir, &w.conn[i]);
	w.n = flows;
	for (size_t i = 0; i < flows; i++) {
		struct conn *c = &w.conn[i];

		/* What was cut may be asked for again, or something new. */
		if (c->fd >= 0)
			continue;
		if (c->flow.port == 0 || gen_below(3) != 0)
			c->flow = random_flow(ir);
		open_conn(ir, c);
	}
}

int
main(int argc, char **argv)
{
	unsigned policies = setting("POLICIES", 40);
	size_t flows = setting("FLOWS", 24);
	struct err e;

	if (argc != 4 || flows > FLOWS_MAX) {
		fprintf(stderr, "liveflows: see the top of liveflows.c\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	gen_start((uint64_t)time(NULL));
	np_site_init(&w.site);
	if (np_site_builtin(&w.site, &e) < 0)
		die(e.msg);
	start_maker(atoi(argv[3]));
	rc_start(&w.rc, argv[1], argv[2]);
	w.gen = rc_ask(&w.rc, RULES_HELLO, NULL, 0, -1).max_gen;
	if (rc_slots(&w.rc, SLOT, 1).rc < 0)
		die("slots");
	for (size_t i = 0; i < FLOWS_MAX; i++)
		w.conn[i].fd = -1;
	for (unsigned i = 0; i < policies; i++) {
		struct gen_lists l;
		struct gen_made m;

		gen_lists(&l);
		if (gen_make(&l, &w.site, &m, &e) < 0)
			die(e.msg);
		apply(&m.policy, i == 0);
		round_of(&m.ir, flows);
		gen_unmake(&m);
	}
	printf("# seed %llu: %u policies; %u flows opened, %u refused (the"
	       " slowest in %ld ms), %u lived on, %u cut, %u wrong\n",
	    (unsigned long long)gen_seed, policies, w.opened, w.refused,
	    w.slowest, w.lived, w.died, w.wrong);
	(void)rc_clear(&w.rc, SLOT);
	np_site_fini(&w.site);
	(void)rc_stop(&w.rc);
	return w.wrong != 0 || w.lived == 0 || w.died == 0;
}
