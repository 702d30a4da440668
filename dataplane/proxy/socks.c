#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "proxy/proxy_int.h"
#include "proxy/sock_msg.h"

/* One request for sockets under way; answers may find the sandbox gone. */
struct ask {
	struct ask *next;
	uint32_t seq, slot, incarnation, n;
	enum np_family family;
	char id[TARGET_ID_MAX];
};

static unsigned
index_of(enum np_family f)
{
	return f == NP_V6;
}

/* 0, or -1: the channel is away and comes back with socks_open(). */
static int
ask(struct proxy *p, struct route *r, enum np_family f, uint32_t n)
{
	struct {
		struct sock_hdr h;
		struct sock_ask b;
	} m = {
		.h = { .type = SOCK_MSG_TYPE, .len = sizeof(m.b) },
		.b = { r->slot, r->incarnation, n, (uint32_t)f },
	};
	struct ask *a = calloc(1, sizeof(*a)), **at = &p->asks;
	struct err e;

	if (a == NULL)
		return -1;
	if (++p->seq == 0)
		p->seq = 1;
	m.h.seq = p->seq;
	if (seqpkt_post(&p->sock_ch, &m, sizeof(m), NULL, 0, &e) < 0) {
		free(a);
		return -1;
	}
	*a = (struct ask){ .seq = m.h.seq,
		.slot = r->slot,
		.incarnation = r->incarnation,
		.n = n,
		.family = f };
	memcpy(a->id, r->id, sizeof(a->id));
	while (*at != NULL)
		at = &(*at)->next;
	*at = a;
	r->nasked[index_of(f)] += n;
	return 0;
}

static unsigned
waiting(const struct route *r, enum np_family f)
{
	unsigned n = 0;

	for (const struct conn *c = r->conns; c != NULL; c = c->rnext)
		n += c->wants_sock && dial_family(c) == f;
	return n;
}

/* As many as are waited for, and for IPv4 a few more. */
static void
ask_enough(struct proxy *p, struct route *r, enum np_family f)
{
	unsigned want = waiting(r, f) + (f == NP_V4 ? SOCKS_KEEP : 0);
	unsigned have = r->nasked[index_of(f)] + (f == NP_V4 ? r->nready : 0);

	while (have < want) {
		unsigned n = want - have;

		n = n > SOCK_MSG_N_MAX ? SOCK_MSG_N_MAX : n;
		if (ask(p, r, f, n) < 0)
			return;
		have += n;
	}
}

void
socks_prepare(struct proxy *p, struct route *r)
{
	ask_enough(p, r, NP_V4);
}

int
socks_take(struct conn *c, enum np_family f)
{
	struct route *r = c->route;
	int fd = -1;

	if (f == NP_V4 && r->nready > 0)
		fd = r->ready[--r->nready];
	else
		c->wants_sock = true;
	ask_enough(c->p, r, f);
	return fd;
}

void
socks_drop(struct route *r)
{
	while (r->nready > 0)
		(void)close(r->ready[--r->nready]);
	r->nasked[0] = r->nasked[1] = 0;
}

/* The one that waits longest is the last of the list. */
static struct conn *
next_waiting(struct route *r, enum np_family f)
{
	struct conn *found = NULL;

	for (struct conn *c = r->conns; c != NULL; c = c->rnext)
		if (c->wants_sock && dial_family(c) == f)
			found = c;
	return found;
}

static void
give(struct route *r, enum np_family f, int fd)
{
	struct conn *c = next_waiting(r, f);

	if (c != NULL) {
		c->wants_sock = false;
		dial_socket(c, fd);
	} else if (f == NP_V4 && r->nready < SOCKS_KEEP) {
		r->ready[r->nready++] = fd;
	} else {
		(void)close(fd);
	}
}

/* The sandbox of that ask, unless it is gone or another lives there by now. */
static struct route *
route_of(struct proxy *p, const struct ask *a)
{
	struct route *r = table_find(p, a->id);

	/* Slots made together share a number: both are needed. */
	return r != NULL && r->slot == a->slot &&
		       r->incarnation == a->incarnation
		   ? r
		   : NULL;
}

/* Whatever is called here may end the sandbox: look it up each time. */
static void
refuse_all(struct proxy *p, const struct ask *a)
{
	struct route *r;

	while ((r = route_of(p, a)) != NULL) {
		struct conn *c = next_waiting(r, a->family);

		if (c == NULL)
			return;
		c->wants_sock = false;
		dial_failed(c);
	}
}

static void
answered(struct proxy *p, const struct ask *a, const struct sock_reply *reply,
    const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		struct route *r = route_of(p, a);

		if (r == NULL)
			(void)close(fds[i]);
		else
			give(r, a->family, fds[i]);
	}
	if (reply->rc < 0) {
		log_warn(
		    "sock.refused id=%s err=\"%.200s\"", a->id, reply->err.msg);
		refuse_all(p, a);
	}
}

static struct ask *
take_ask(struct proxy *p, uint32_t seq)
{
	for (struct ask **at = &p->asks; *at != NULL; at = &(*at)->next)
		if ((*at)->seq == seq) {
			struct ask *a = *at;

			*at = a->next;
			return a;
		}
	return NULL;
}

static void
on_msg(
    struct seqpkt *ch, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct proxy *p = container_of(ch, struct proxy, sock_ch);
	const char *body = (const char *)msg + sizeof(struct sock_hdr);
	struct sock_reply reply;
	autofree struct ask *a = NULL;
	struct route *r;

	if (len >= sizeof(struct sock_hdr) + sizeof(reply)) {
		memcpy(&reply, body, sizeof(reply));
		reply.err.msg[sizeof(reply.err.msg) - 1] = '\0';
		a = take_ask(p, reply.seq);
	}
	if (a == NULL) {
		log_error("sock.unexpected len=%zu", len);
		for (size_t i = 0; i < nfds; i++)
			(void)close(fds[i]);
		return;
	}
	r = route_of(p, a);
	if (r != NULL && r->nasked[index_of(a->family)] >= a->n)
		r->nasked[index_of(a->family)] -= a->n;
	answered(p, a, &reply, fds, nfds);
}

static void
on_close(struct seqpkt *ch)
{
	(void)ch;
	log_warn("sock.closed: no new connections until privd is back");
}

/* What the old privd was asked for will not come: ask the new one. */
void
socks_open(struct proxy *p, int fd)
{
	if (p->sock_ch.io.fd >= 0)
		seqpkt_close(&p->sock_ch);
	p->sock_ch.on_msg = on_msg;
	p->sock_ch.on_close = on_close;
	seqpkt_open(p->loop, &p->sock_ch, fd);
	while (p->asks != NULL) {
		struct ask *a = p->asks;

		p->asks = a->next;
		free(a);
	}
	for (size_t i = 0; i < ROUTE_BUCKETS; i++)
		for (struct route *r = p->routes[i]; r != NULL; r = r->next) {
			r->nasked[0] = r->nasked[1] = 0;
			if (waiting(r, NP_V6) > 0)
				ask_enough(p, r, NP_V6);
			if (r->state == ROUTE_RUNNING)
				ask_enough(p, r, NP_V4);
		}
}
