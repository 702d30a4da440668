#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/own.h"
#include "egress/egress_int.h"
#include "io/log.h"

enum { READ_BUDGET = 64 };

/*
 * One query on its way.  Each has a socket of its own, connected to the
 * upstream: the kernel chooses a random port and takes answers from nobody
 * else, and the id is random as well.
 */
struct query {
	struct egress *g;
	struct query *next, *prev;
	struct client *client;
	struct loop_io io;
	int back; /* the socket that it came by */
	struct sockaddr_storage peer, local;
	struct dns_query q;
	uint16_t id; /* the client's */
	size_t upstream;
	unsigned tries;
	struct mono since;
	size_t n;
	uint8_t msg[]; /* with our id */
};

static uint8_t room[DNS_MESSAGE_MAX];

static void
query_free(struct query *q)
{
	struct egress *g = q->g;

	loop_io_stop(&q->io);
	drop_fd(&q->io.fd);
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		g->queries = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	g->nqueries--;
	q->client->queries--;
	free(q);
}

static void
answer_error(struct query *q, enum dns_rcode rcode)
{
	uint8_t out[DNS_ERROR_MAX];
	size_t n;

	dns_set_id(q->msg, q->id);
	n = dns_error(q->msg, q->n, &q->q, rcode, out);
	(void)pktinfo_send(q->back, out, n, &q->peer, &q->local);
}

/* Sends to an upstream.  -1: this one cannot even be sent to. */
static int
try_upstream(struct query *q)
{
	struct upstream *u = &q->g->up[q->upstream];
	uint16_t id;

	loop_io_stop(&q->io);
	drop_fd(&q->io.fd);
	q->io.fd = socket(
	    u->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (q->io.fd < 0 ||
	    getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id))
		return -1;
	dns_set_id(q->msg, id);
	if (connect(q->io.fd, (struct sockaddr *)&u->addr, u->len) < 0 ||
	    send(q->io.fd, q->msg, q->n, 0) < 0)
		return -1;
	q->since = loop_now(q->g->loop);
	loop_io_set(q->g->loop, &q->io, LOOP_READ);
	return 0;
}

/* The next upstream that takes it; without any, the client learns so. */
static void
next_try(struct query *q)
{
	while (q->tries < TRIES) {
		if (q->tries > 0)
			q->upstream = (q->upstream + 1) % q->g->nup;
		q->tries++;
		if (try_upstream(q) == 0)
			return;
	}
	q->g->failed++;
	answer_error(q, DNS_SERVFAIL);
	query_free(q);
}

static void
on_answer(struct loop_io *w, unsigned events)
{
	struct query *q = container_of(w, struct query, io);
	ssize_t n = recv(w->fd, room, sizeof(room), 0);

	(void)events;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			next_try(q); /* refused: nobody listens there */
		return;
	}
	/* What does not fit is not for us: go on waiting. */
	if (!dns_answers(q->msg, q->n, &q->q, room, (size_t)n))
		return;
	q->g->best = q->upstream;
	dns_set_id(room, q->id);
	(void)pktinfo_send(q->back, room, (size_t)n, &q->peer, &q->local);
	query_free(q);
}

static void
forward(struct egress *g, int back, struct client *c, const uint8_t *p,
    size_t n, const struct dns_query *dq, const struct sockaddr_storage *peer,
    const struct sockaddr_storage *local)
{
	struct query *q = malloc(sizeof(*q) + n);

	if (q == NULL)
		return;
	*q = (struct query){ .g = g,
		.client = c,
		.back = back,
		.peer = *peer,
		.local = *local,
		.q = *dq,
		.id = dns_id(p),
		.upstream = g->best,
		.n = n };
	memcpy(q->msg, p, n);
	q->io.fd = -1;
	q->io.on_ready = on_answer;
	q->next = g->queries;
	if (g->queries != NULL)
		g->queries->prev = q;
	g->queries = q;
	g->nqueries++;
	c->queries++;
	g->forwarded++;
	next_try(q);
}

/* A few that ask for names which nobody answers leave room for all others. */
static bool
has_room(const struct egress *g, const struct client *c)
{
	if (g->nqueries >= QUERIES_BUSY)
		return g->nqueries < QUERIES_MAX &&
		       c->queries < QUERIES_PER_SLOT_BUSY;
	return c->queries < QUERIES_PER_SLOT;
}

static void
one_query(struct egress *g, int fd, size_t n,
    const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
	struct client *c = client_find(
	    g, (const struct sockaddr *)peer, (const struct sockaddr *)local);
	uint8_t out[DNS_ERROR_MAX];
	struct dns_query q;
	enum dns_rcode rcode;

	/* Over its rate: silence, which costs least and slows it down. */
	if (c == NULL || !client_may_ask(g, c))
		return;
	rcode = dns_query_parse(room, n, &q);
	if (q.ignore)
		return;
	if (rcode == DNS_NOERROR && (g->nup == 0 || !has_room(g, c)))
		rcode = DNS_SERVFAIL;
	if (rcode == DNS_NOERROR) {
		forward(g, fd, c, room, n, &q, peer, local);
		return;
	}
	g->refused++;
	n = dns_error(room, n, &q, rcode, out);
	(void)pktinfo_send(fd, out, n, peer, local);
}

static void
on_query(struct loop_io *w, struct egress *g)
{
	for (int i = 0; i < READ_BUDGET; i++) {
		struct sockaddr_storage peer, local;
		ssize_t n =
		    pktinfo_recv(w->fd, room, sizeof(room), &peer, &local);

		if (n < 0)
			return;
		one_query(g, w->fd, (size_t)n, &peer, &local);
	}
}

static void
on_query4(struct loop_io *w, unsigned events)
{
	(void)events;
	on_query(w, container_of(w, struct egress, udp[0]));
}

static void
on_query6(struct loop_io *w, unsigned events)
{
	(void)events;
	on_query(w, container_of(w, struct egress, udp[1]));
}

void
udp_open(struct egress *g, unsigned i, int fd)
{
	if (pktinfo_enable(fd, i == 0 ? AF_INET : AF_INET6) < 0) {
		log_error("dns.pktinfo err=\"%s\"", strerror(errno));
		(void)close(fd);
		return;
	}
	g->udp[i] =
	    (struct loop_io){ .on_ready = i == 0 ? on_query4 : on_query6,
		    .fd = fd };
	loop_io_set(g->loop, &g->udp[i], LOOP_READ);
}

void
udp_sweep(struct egress *g, struct mono now)
{
	struct query *q = g->queries;

	while (q != NULL) {
		struct query *next = q->next;

		if (mono_ms(q->since, now) >= TRY_MS)
			next_try(q);
		q = next;
	}
}

void
udp_close(struct egress *g)
{
	while (g->queries != NULL)
		query_free(g->queries);
}
