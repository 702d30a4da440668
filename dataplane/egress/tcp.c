#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "egress/egress_int.h"
#include "io/log.h"

enum { ACCEPT_BUDGET = 16, WAITING_MAX = 2 + DNS_MESSAGE_MAX };

/*
 * A sandbox's TCP connection and ours to an upstream.  Queries are looked at
 * one by one; answers pass as they are.
 */
struct stream {
	struct egress *g;
	struct stream *next, *prev;
	struct client *client;
	struct loop_io c, u; /* the sandbox; the upstream, fd -1 before */
	struct buf in, to_u, to_c;
	bool connected, eof;
	size_t upstream;
	unsigned tries;
	struct mono since;
};

static void
stream_free(struct stream *s)
{
	struct egress *g = s->g;

	loop_io_stop(&s->c);
	loop_io_stop(&s->u);
	drop_fd(&s->c.fd);
	drop_fd(&s->u.fd);
	buf_fini(&s->in);
	buf_fini(&s->to_u);
	buf_fini(&s->to_c);
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		g->streams = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	g->nstreams--;
	s->client->streams--;
	free(s);
}

static void
watch(struct stream *s)
{
	unsigned c = 0, u = 0;

	if (!s->eof && s->in.len < WAITING_MAX && s->to_u.len == 0 &&
	    s->to_c.len == 0)
		c |= LOOP_READ;
	if (s->to_c.len > 0)
		c |= LOOP_WRITE;
	loop_io_set(s->g->loop, &s->c, c);
	if (s->u.fd < 0)
		return;
	if (!s->connected || s->to_u.len > 0)
		u |= LOOP_WRITE;
	if (s->connected && s->to_c.len == 0)
		u |= LOOP_READ;
	loop_io_set(s->g->loop, &s->u, u);
}

/* -1: broken. */
static int
drain(int fd, struct buf *b)
{
	while (b->len > 0) {
		ssize_t n = send(fd, b->data, b->len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		buf_consume(b, (size_t)n);
	}
	return 0;
}

/* Connects to the next upstream.  -1: there is none left. */
static int
dial(struct stream *s)
{
	struct egress *g = s->g;

	loop_io_stop(&s->u);
	drop_fd(&s->u.fd);
	s->connected = false;
	while (g->nup > 0 && s->tries < TRIES) {
		struct upstream *up;

		s->upstream = (g->best + s->tries++) % g->nup;
		up = &g->up[s->upstream];
		s->u.fd = socket(up->addr.ss_family,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (s->u.fd < 0)
			continue;
		if (connect(s->u.fd, (struct sockaddr *)&up->addr, up->len) ==
			0 ||
		    errno == EINPROGRESS)
			return 0;
		drop_fd(&s->u.fd);
	}
	return -1;
}

static int
add_framed(struct buf *b, const uint8_t *p, size_t n)
{
	uint8_t len[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	if (buf_add(b, len, 2) < 0)
		return -1;
	return buf_add(b, p, n);
}

/* One whole query.  -1: the connection ends. */
static int
one_query(struct stream *s, const uint8_t *p, size_t n)
{
	uint8_t out[DNS_ERROR_MAX];
	struct dns_query q;
	enum dns_rcode rcode = dns_query_parse(p, n, &q);

	if (q.ignore || !client_may_ask(s->g, s->client))
		return -1;
	if (rcode == DNS_NOERROR && s->u.fd < 0 && dial(s) < 0)
		rcode = DNS_SERVFAIL;
	if (rcode == DNS_NOERROR) {
		s->g->forwarded++;
		return add_framed(&s->to_u, p, n);
	}
	s->g->refused++;
	n = dns_error(p, n, &q, rcode, out);
	return add_framed(&s->to_c, out, n);
}

static int
take_queries(struct stream *s)
{
	while (s->in.len >= 2 && s->to_c.len == 0 && s->to_u.len == 0) {
		const uint8_t *p = (const uint8_t *)s->in.data;
		size_t n = (size_t)(p[0] << 8 | p[1]);

		if (s->in.len < 2 + n)
			return 0;
		if (one_query(s, p + 2, n) < 0)
			return -1;
		buf_consume(&s->in, 2 + n);
	}
	return 0;
}

static void
advance(struct stream *s)
{
	bool over;

	if (take_queries(s) < 0 || drain(s->c.fd, &s->to_c) < 0 ||
	    (s->connected && drain(s->u.fd, &s->to_u) < 0)) {
		stream_free(s);
		return;
	}
	/* Its last answers may still come: only without any is it over. */
	over = s->eof && s->to_c.len == 0 && s->u.fd < 0;
	if (over)
		stream_free(s);
	else
		watch(s);
}

static int
read_into(int fd, struct buf *b)
{
	size_t room = b->max - b->len < 4096 ? b->max - b->len : 4096;
	char *to = buf_room(b, room);
	ssize_t n;

	if (to == NULL || room == 0)
		return -1;
	n = recv(fd, to, room, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -1;
	buf_added(b, (size_t)n);
	return n > 0;
}

static void
on_client(struct loop_io *w, unsigned events)
{
	struct stream *s = container_of(w, struct stream, c);
	int rc = 1;

	if (events & LOOP_READ) {
		rc = read_into(w->fd, &s->in);
		s->since = loop_now(s->g->loop);
	}
	if (rc < 0) {
		stream_free(s);
		return;
	}
	s->eof = s->eof || rc == 0;
	advance(s);
}

static void
on_upstream(struct loop_io *w, unsigned events)
{
	struct stream *s = container_of(w, struct stream, u);
	int why = 0;
	socklen_t n = sizeof(why);

	if (!s->connected) {
		if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 &&
		    why == 0) {
			s->connected = true;
			s->g->best = s->upstream;
		} else if (dial(s) < 0) {
			stream_free(s);
			return;
		}
	} else if ((events & LOOP_READ) && read_into(w->fd, &s->to_c) <= 0) {
		stream_free(s);
		return;
	}
	s->since = loop_now(s->g->loop);
	advance(s);
}

static void
stream_new(struct egress *g, int fd)
{
	struct sockaddr_storage peer, local;
	socklen_t np = sizeof(peer), nl = sizeof(local);
	struct client *c = NULL;
	struct stream *s;

	if (getpeername(fd, (struct sockaddr *)&peer, &np) == 0 &&
	    getsockname(fd, (struct sockaddr *)&local, &nl) == 0)
		c = client_find(
		    g, (struct sockaddr *)&peer, (struct sockaddr *)&local);
	s = c == NULL || c->streams >= STREAMS_PER_SLOT ||
		    g->nstreams >= STREAMS_MAX
		? NULL
		: calloc(1, sizeof(*s));
	if (s == NULL) {
		(void)close(fd);
		return;
	}
	s->g = g;
	s->client = c;
	s->c = (struct loop_io){ .on_ready = on_client, .fd = fd };
	s->u = (struct loop_io){ .on_ready = on_upstream, .fd = -1 };
	buf_init(&s->in, WAITING_MAX);
	buf_init(&s->to_u, WAITING_MAX);
	buf_init(&s->to_c, WAITING_MAX);
	s->since = loop_now(g->loop);
	s->next = g->streams;
	if (g->streams != NULL)
		g->streams->prev = s;
	g->streams = s;
	g->nstreams++;
	c->streams++;
	watch(s);
}

static void
on_listen(struct loop_io *w, struct egress *g)
{
	for (int i = 0; i < ACCEPT_BUDGET; i++) {
		int fd =
		    accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		stream_new(g, fd);
	}
}

static void
on_listen4(struct loop_io *w, unsigned events)
{
	(void)events;
	on_listen(w, container_of(w, struct egress, tcp[0]));
}

static void
on_listen6(struct loop_io *w, unsigned events)
{
	(void)events;
	on_listen(w, container_of(w, struct egress, tcp[1]));
}

void
tcp_open(struct egress *g, unsigned i, int fd)
{
	g->tcp[i] =
	    (struct loop_io){ .on_ready = i == 0 ? on_listen4 : on_listen6,
		    .fd = fd };
	loop_io_set(g->loop, &g->tcp[i], LOOP_READ);
}

void
tcp_sweep(struct egress *g, struct mono now)
{
	struct stream *s = g->streams;

	while (s != NULL) {
		struct stream *next = s->next;

		if (mono_ms(s->since, now) >= STREAM_IDLE_MS)
			stream_free(s);
		s = next;
	}
}

void
tcp_close(struct egress *g)
{
	while (g->streams != NULL)
		stream_free(g->streams);
}
