/*
 * sockets.c - TCP sockets made in a slot's network, and the connections there.
 *
 * UDP is left alone, as on Linux: a socket that was ended stays so for good,
 * and datagrams shall flow again when the policy is loosened.
 */
#include "sub_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/socketvar.h>
#include <netinet/in_pcb.h>
#include <netinet/tcp_fsm.h>
#include <netinet/tcp_var.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/conns.h"
#include "io/seqpkt.h"
#include "link/freebsd/visit.h"
#include "link/link.h"

enum {
	DUMP_FIRST = 64 * 1024,
	DUMP_MOST = 64 * 1024 * 1024,
	/* Of those that Linux numbers: spawn_socket.state is of one kind. */
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT = 2,
	STATE_FIN_WAIT1 = 4,
	STATE_FIN_WAIT2 = 5,
	STATE_CLOSE_WAIT = 8,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,
};

/* --- made inside ------------------------------------------------------------
 */

struct wanted {
	int family, to; /* where they are sent */
	uint32_t n;
};

static int
visit_make(void *arg, struct err *e)
{
	const struct wanted *w = arg;
	int fds[SEQPKT_FDS_MAX];

	/* What a visitor opens is closed when it ends. */
	for (uint32_t i = 0; i < w->n; i++) {
		fds[i] = socket(
		    w->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fds[i] < 0)
			return err_sys(e, "socket inside");
	}
	return seqpkt_send(w->to, "s", 1, fds, w->n, e) == 0 ? 0 : -1;
}

int
sub_sockets(struct substrate *s, const struct sub_unit *u, uint32_t family,
    uint32_t n, int *fds, struct err *e)
{
	struct wanted w = { family == 6 ? AF_INET6 : AF_INET, -1, n };
	int got[SEQPKT_FDS_MAX], pair[2], rc;
	size_t ngot = 0;
	char c;

	(void)s;
	if (n > SEQPKT_FDS_MAX)
		return err_set(e, ERR_BUG, "%u sockets at once", n);
	if (seqpkt_pair(pair, e) < 0)
		return -1;
	w.to = pair[1];
	rc = visit_jail(u->net, pair[1], visit_make, &w, e);
	if (rc == 0 && seqpkt_recv(pair[0], &c, 1, got, &ngot, e) != 1)
		rc = err_set(e, ERR_SYS, "the sockets did not come out");
	own_close(&pair[0]);
	own_close(&pair[1]);
	if (rc == 0 && ngot == n)
		memcpy(fds, got, n * sizeof(got[0]));
	else
		for (size_t i = 0; i < ngot; i++)
			own_close(&got[i]);
	if (rc == 0 && ngot != n)
		rc = err_set(e, ERR_BUG, "%zu sockets for %u", ngot, n);
	return rc;
}

/* --- listing ----------------------------------------------------------------
 */

struct dump {
	char *buf;
	size_t cap, len;
};

static int
visit_dump(void *arg, struct err *e)
{
	struct dump *d = arg;

	d->len = d->cap;
	if (sysctlbyname("net.inet.tcp.pcblist", d->buf, &d->len, NULL, 0) == 0)
		return 0;
	return errno == ENOMEM ? 1 : err_sys(e, "net.inet.tcp.pcblist");
}

static int
dump(const struct sub_unit *u, struct dump *d, struct err *e)
{
	int rc;

	do {
		size_t cap = d->cap == 0 ? DUMP_FIRST : d->cap * 2;
		char *buf = cap > DUMP_MOST ? NULL : realloc(d->buf, cap);

		if (buf == NULL)
			return err_set(e, ERR_LIMIT,
			    "slot %u: too many connections to list",
			    u->ref.slot);
		d->buf = buf;
		d->cap = cap;
		rc = visit_jail(u->net, -1, visit_dump, d, e);
	} while (rc == 1);
	return rc;
}

/* Who listens is no flow; who waits for stray segments has no owner. */
static uint8_t
state_of(int t_state)
{
	static const uint8_t states[] = {
		[TCPS_SYN_SENT] = STATE_SYN_SENT,
		[TCPS_ESTABLISHED] = STATE_ESTABLISHED,
		[TCPS_CLOSE_WAIT] = STATE_CLOSE_WAIT,
		[TCPS_FIN_WAIT_1] = STATE_FIN_WAIT1,
		[TCPS_CLOSING] = STATE_CLOSING,
		[TCPS_LAST_ACK] = STATE_LAST_ACK,
		[TCPS_FIN_WAIT_2] = STATE_FIN_WAIT2,
	};

	return t_state >= 0 && (size_t)t_state < countof(states)
		   ? states[t_state]
		   : 0;
}

/* false: no connection. */
static bool
describe(const struct xtcpcb *x, struct spawn_socket *s)
{
	const struct in_conninfo *c = &x->xt_inp.inp_inc;
	const uint8_t state = state_of(x->t_state);
	const uint64_t gen = x->xt_inp.inp_gencnt;

	memset(s, 0, sizeof(*s));
	if (state == 0)
		return false;
	s->family = (x->xt_inp.inp_vflag & INP_IPV6) != 0 ? 6 : 4;
	s->proto = IPPROTO_TCP;
	s->state = state;
	s->port = ntohs(c->inc_fport);
	s->from_port = ntohs(c->inc_lport);
	if (s->family == 6) {
		memcpy(s->to, &c->inc6_faddr, sizeof(s->to));
		memcpy(s->from, &c->inc6_laddr, sizeof(s->from));
	} else {
		memcpy(s->to, &c->inc_faddr, sizeof(c->inc_faddr));
		memcpy(s->from, &c->inc_laddr, sizeof(c->inc_laddr));
	}
	/* No two are ever of one generation, and no other has its number. */
	s->cookie[0] = (uint32_t)gen;
	s->cookie[1] = (uint32_t)(gen >> 32);
	return true;
}

/* The list begins and ends with a struct xinpgen; each says its length. */
static bool
next(const struct dump *d, size_t *at, struct xtcpcb *out)
{
	ksize_t len;

	if (*at + sizeof(len) > d->len)
		return false;
	memcpy(&len, d->buf + *at, sizeof(len));
	if (len < sizeof(*out) || len > d->len - *at)
		return false;
	memcpy(out, d->buf + *at, sizeof(*out));
	*at += len;
	return true;
}

static size_t
first(const struct dump *d)
{
	ksize_t len = 0;

	if (d->len >= sizeof(len))
		memcpy(&len, d->buf, sizeof(len));
	return len > d->len ? d->len : (size_t)len;
}

static int
collect(const struct dump *d, struct conns *l, struct err *e)
{
	size_t at = first(d);
	struct spawn_socket s;
	struct xtcpcb x;

	while (next(d, &at, &x))
		if (describe(&x, &s) && conns_add(l, &s, e) < 0)
			return -1;
	return 0;
}

int
sub_connected(struct substrate *s, const struct sub_unit *u,
    struct spawn_socket **out, uint32_t *n, struct err *e)
{
	struct dump d = { .buf = NULL };
	struct link_addr own;
	struct conns l;
	int rc;

	link_addr(u->ref.slot, &s->cf.net4, s->ipv6 ? &s->cf.net6 : NULL, &own);
	conns_init(&l, &own);
	rc = dump(u, &d, e);
	if (rc == 0)
		rc = collect(&d, &l, e);
	free(d.buf);
	if (rc < 0) {
		free(l.v);
		return -1;
	}
	*out = l.v;
	*n = l.n;
	return 0;
}

/* --- ending -----------------------------------------------------------------
 */

struct cut {
	struct dump dump;
	const struct spawn_socket *v;
	uint32_t n, ncut;
};

static struct sockaddr_storage
end_of(uint8_t family, const uint8_t *addr, uint16_t port)
{
	struct sockaddr_storage ss;
	struct sockaddr_in in4 = { .sin_len = sizeof(in4),
		.sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_len = sizeof(in6),
		.sin6_family = AF_INET6,
		.sin6_port = htons(port) };

	memset(&ss, 0, sizeof(ss));
	memcpy(&in4.sin_addr, addr, sizeof(in4.sin_addr));
	memcpy(&in6.sin6_addr, addr, sizeof(in6.sin6_addr));
	if (family == 6)
		memcpy(&ss, &in6, sizeof(in6));
	else
		memcpy(&ss, &in4, sizeof(in4));
	return ss;
}

/* 1 if it was ended, 0 if it is gone by now. */
static int
drop(const struct spawn_socket *x, struct err *e)
{
	struct sockaddr_storage ends[2];

	ends[0] = end_of(x->family, x->to, x->port);
	ends[1] = end_of(x->family, x->from, x->from_port);
	if (sysctlbyname("net.inet.tcp.drop", NULL, NULL, ends, sizeof(ends)) ==
	    0)
		return 1;
	return errno == ESRCH ? 0 : err_sys(e, "net.inet.tcp.drop");
}

static bool
is_same(const struct spawn_socket *a, const struct spawn_socket *b)
{
	return a->family == b->family && a->port == b->port &&
	       a->from_port == b->from_port && a->cookie[0] == b->cookie[0] &&
	       a->cookie[1] == b->cookie[1] &&
	       memcmp(a->to, b->to, sizeof(a->to)) == 0;
}

static bool
still_there(const struct dump *d, const struct spawn_socket *x)
{
	size_t at = first(d);
	struct spawn_socket s;
	struct xtcpcb t;

	while (next(d, &at, &t))
		if (describe(&t, &s) && is_same(&s, x))
			return true;
	return false;
}

static int
visit_cut(void *arg, struct err *e)
{
	struct cut *c = arg;
	int rc = visit_dump(&c->dump, e);

	c->ncut = 0;
	for (uint32_t i = 0; rc == 0 && i < c->n; i++) {
		int ended =
		    still_there(&c->dump, &c->v[i]) ? drop(&c->v[i], e) : 0;

		if (ended < 0)
			return -1;
		c->ncut += (uint32_t)ended;
	}
	return rc;
}

int
sub_cut(struct substrate *s, const struct sub_unit *u,
    const struct spawn_socket *v, uint32_t n, uint32_t *ncut, struct err *e)
{
	struct cut c = { .v = v, .n = n };
	int rc;

	(void)s;
	*ncut = 0;
	rc = dump(u, &c.dump, e);
	/* Between the list and its end another may have come: once more. */
	if (rc == 0)
		rc = visit_jail(u->net, -1, visit_cut, &c, e);
	if (rc == 1)
		rc = err_set(e, ERR_BUSY, "slot %u: connections come too fast",
		    u->ref.slot);
	free(c.dump.buf);
	*ncut = c.ncut;
	return rc;
}
