#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "proxy/proxy_int.h"

enum {
	ACCEPT_BUDGET = 64,
	ACCEPT_PAUSE_MS = 100,
	SWEEP_MS = 500,
	READ_FIRST = 16 * 1024 - 1,
	KEEP_BUFFERS_MS = 1000,
	LINGER_MAX = 64 * 1024 * 1024, /* bytes thrown away while lingering */
};

void
conn_progress(struct conn *c)
{
	c->since = loop_now(c->p->loop);
}

/* --- sides
 * ------------------------------------------------------------------*/

static void
side_init(struct side *s, int fd)
{
	buf_init(&s->in, SIDE_MAX);
	buf_init(&s->out, OUT_MAX);
	s->io.fd = fd;
}

ssize_t
side_writev(struct side *s, const struct iovec *v, int n)
{
	return s->tls != NULL ? tls_writev(s->tls, v, n)
			      : writev(s->io.fd, v, n);
}

/* Once all is said that there was to say. */
void
side_shut(struct side *s)
{
	s->shut = true;
	s->ending = s->tls != NULL && tls_end(s->tls) == TLS_WANTS_WRITE;
	if (!s->ending)
		(void)shutdown(s->io.fd, SHUT_WR);
}

static ssize_t
side_take(struct side *s, char *to, size_t room)
{
	return s->tls != NULL ? tls_read(s->tls, to, room)
			      : read(s->io.fd, to, room);
}

/* 0 or more bytes, or -1: the connection is broken. */
static int
side_read(struct conn *c, struct side *s)
{
	size_t room = SIDE_MAX - s->in.len;
	char *to;
	ssize_t n;

	if (room == 0 || s->eof)
		return 0;
	/* Most messages are small; who has more gets more room. */
	if (!s->fast && room > READ_FIRST)
		room = READ_FIRST;
	to = buf_room(&s->in, room);
	if (to == NULL)
		return -1;
	n = side_take(s, to, room);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0) {
		s->eof = true;
	} else {
		s->fast = (size_t)n == room;
		buf_added(&s->in, (size_t)n);
		if (s == &c->u)
			table_count(c, 0, (uint64_t)n);
		if (c->state != C_HEAD)
			conn_progress(c);
	}
	return 0;
}

/* A record is decrypted whole: what did not fit at first follows here. */
static int
side_read_all(struct conn *c, struct side *s)
{
	if (side_read(c, s) < 0)
		return -1;
	while (s->tls != NULL && !s->eof && tls_pending(s->tls) > 0) {
		size_t more = tls_pending(s->tls);
		char *to = buf_room(&s->in, more);
		ssize_t n = to != NULL ? tls_read(s->tls, to, more) : -1;

		if (n < 0)
			return -1;
		s->eof = n == 0;
		buf_added(&s->in, (size_t)n);
	}
	return 0;
}

static void
side_close(struct side *s, bool abrupt)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (s->io.fd < 0)
		return;
	loop_io_stop(&s->io);
	if (abrupt)
		(void)setsockopt(
		    s->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	else if (s->tls != NULL && !s->shut)
		(void)tls_end(s->tls); /* if there is room for it */
	tls_free(s->tls);
	s->tls = NULL;
	drop_fd(&s->io.fd);
}

/* --- a route's connections
 * -----------------------------------------------------*/

void
conn_attach(struct conn *c, struct route *r)
{
	if (c->route == r)
		return;
	conn_detach(c);
	c->route = r;
	r->nconns++;
	c->rprev = NULL;
	c->rnext = r->conns;
	if (r->conns != NULL)
		r->conns->rprev = c;
	r->conns = c;
}

static void
leave_route(struct conn *c)
{
	struct route *r = c->route;

	if (r == NULL)
		return;
	r->nconns--;
	if (c->counted)
		r->nrequests--;
	c->counted = c->wants_sock = false;
	if (c->rprev != NULL)
		c->rprev->rnext = c->rnext;
	else
		r->conns = c->rnext;
	if (c->rnext != NULL)
		c->rnext->rprev = c->rprev;
	c->route = NULL;
}

void
conn_detach(struct conn *c)
{
	leave_route(c);
	bulk_end(c);
	/* Said or heard only in part: the server inside shall notice. */
	side_close(&c->u, !c->req.done || (c->resp_head && !c->resp.done));
	c->u.eof = c->u.shut = false;
	c->u.ok = 0;
	c->up_seen = 0;
	buf_reset(&c->u.in);
	buf_reset(&c->u.out);
}

/* --- one connection
 * ---------------------------------------------------------------*/

static void
free_later(void *arg)
{
	struct conn *c = arg;

	buf_fini(&c->c.in);
	buf_fini(&c->c.out);
	buf_fini(&c->u.in);
	buf_fini(&c->u.out);
	buf_fini(&c->again);
	free(c);
}

/* Callers up the stack may still look at it; they find it dead. */
void
conn_kill(struct conn *c, bool abrupt)
{
	struct proxy *p = c->p;

	if (c->dead)
		return;
	c->dead = true;
	access_end(c);
	crowd_busy(c);
	crowd_leave(p, c->peer);
	loop_timer_stop(&c->timer);
	leave_route(c);
	bulk_end(c);
	side_close(&c->u, abrupt);
	side_close(&c->c, abrupt);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		p->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	p->nconns--;
	loop_defer(p->loop, free_later, c);
}

void
conn_cut(struct conn *c)
{
	bool said = c->resp_head || c->state == C_TUNNEL || c->c.out.len > 0;
	char id[TARGET_ID_MAX];

	if (c->state == C_HEAD) { /* only a kept connection inside */
		conn_detach(c);
		return;
	}
	if (c->state == C_WAKE || c->state == C_ROUTE) {
		conn_detach(c);
		request_again(c, 0);
		return;
	}
	if (said) {
		conn_kill(c, true);
		return;
	}
	memcpy(id, c->route->id, sizeof(id));
	c->keep = false;
	answer_not_found(c, id);
}

static void
watch(struct conn *c)
{
	struct loop *l = c->p->loop;
	unsigned want = 0;

	if (c->state == C_TLS)
		return; /* it waits for what handshake() says */
	if (!c->c.eof && c->c.in.len < SIDE_MAX)
		want |= LOOP_READ;
	if (c->c.out.len > 0 || c->u.ok > 0 || c->piped > 0 || c->c.ending)
		want |= LOOP_WRITE;
	if (c->c.io.events != want)
		loop_io_set(l, &c->c.io, want);
	if (c->u.io.fd < 0 || c->state == C_DIAL)
		return;
	want = 0;
	if (!c->u.eof && c->u.in.len < SIDE_MAX && c->piped == 0)
		want |= LOOP_READ;
	if (!c->u.shut && (c->u.out.len > 0 || c->c.ok > 0))
		want |= LOOP_WRITE;
	if (c->u.io.events != want)
		loop_io_set(l, &c->u.io, want);
}

/* What comes now is not wanted; its end is. */
static void
linger_step(struct conn *c)
{
	c->thrown += c->c.in.len;
	buf_reset(&c->c.in);
	if (c->c.eof || c->thrown > LINGER_MAX)
		conn_kill(c, false);
}

/* Who took the port for a plain one is told so. */
static void
not_tls(struct conn *c)
{
	static const char answer[] =
	    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n"
	    "Connection: close\r\n\r\n";

	if (tls_was_plain(c->c.tls))
		(void)send(c->c.io.fd, answer, sizeof(answer) - 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	conn_kill(c, false);
}

/* True when it is done. */
static bool
handshake(struct conn *c)
{
	switch (tls_accept(c->c.tls)) {
	case TLS_DONE:
		c->state = C_HEAD;
		c->since = loop_now(c->p->loop);
		crowd_idle(c);
		return true;
	case TLS_WANTS_READ:
		loop_io_set(c->p->loop, &c->c.io, LOOP_READ);
		break;
	case TLS_WANTS_WRITE:
		loop_io_set(c->p->loop, &c->c.io, LOOP_WRITE);
		break;
	case TLS_FAILED:
		not_tls(c);
		break;
	}
	return false;
}

void
conn_advance(struct conn *c)
{
	bool again = true;

	/* Called from below itself: the loop that is running goes on. */
	if (c->dead || c->advancing)
		return;
	c->advancing = true;
	while (again && !c->dead) {
		again = false;
		switch (c->state) {
		case C_TLS:
			again = handshake(c);
			break;
		case C_HEAD:
			again = request_try(c);
			break;
		case C_ROUTE:
		case C_WAKE:
		case C_DIAL:
			break;
		case C_EXCHANGE:
			again = exchange_step(c);
			break;
		case C_TUNNEL:
			tunnel_step(c);
			break;
		case C_LINGER:
			linger_step(c);
			break;
		}
	}
	c->advancing = false;
	if (!c->dead)
		watch(c);
}

static void
on_client(struct loop_io *w, unsigned events)
{
	struct conn *c = container_of(w, struct conn, c.io);

	if (c->c.ending && tls_end(c->c.tls) != TLS_WANTS_WRITE) {
		c->c.ending = false;
		(void)shutdown(c->c.io.fd, SHUT_WR);
	}
	if (c->state != C_TLS && (events & LOOP_READ) &&
	    side_read_all(c, &c->c) < 0) {
		conn_kill(c, true);
		return;
	}
	conn_advance(c);
}

/* u broke.  If the client has no answer yet, it gets one. */
static void
upstream_broken(struct conn *c)
{
	if (c->state == C_EXCHANGE && !c->resp_head) {
		exchange_lost(c);
		conn_advance(c);
	} else if (c->state == C_HEAD) {
		conn_detach(c);
	} else {
		conn_kill(c, true);
	}
}

static void
on_upstream(struct loop_io *w, unsigned events)
{
	struct conn *c = container_of(w, struct conn, u.io);

	if (c->state == C_DIAL) {
		dial_ready(c);
		return;
	}
	/* A large body is the kernel's to move; see bulk(). */
	if ((events & LOOP_READ) && c->pipe[0] < 0 && side_read(c, &c->u) < 0) {
		upstream_broken(c);
		return;
	}
	/* Between requests it has nothing to say but good-bye. */
	if (c->state == C_HEAD && (c->u.eof || c->u.in.len > 0)) {
		conn_detach(c);
		return;
	}
	conn_advance(c);
}

/* A peer that vanished without a word is found within two minutes. */
static void
notice_death(int fd)
{
	int on = 1, idle_s = 60, every_s = 15, times = 4;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

/* A record may come behind what is held. */
static int
begin_tls(struct conn *c)
{
	c->c.tls = tls_new(c->p->tls, c->c.io.fd);
	if (c->c.tls == NULL)
		return -1;
	c->c.in.max += TLS_RECORD_MAX;
	c->state = C_TLS;
	return 0;
}

static struct np_addr
address_of(const struct sockaddr_storage *from)
{
	const struct sockaddr_in *a4 = (const void *)from;
	const struct sockaddr_in6 *a6 = (const void *)from;
	char text[INET6_ADDRSTRLEN] = "";
	struct np_addr a = { 0, NP_V6 };

	if (from->ss_family == AF_INET)
		return (struct np_addr){ ntohl(a4->sin_addr.s_addr), NP_V4 };
	if (from->ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &a6->sin6_addr, text, sizeof(text)) != NULL)
		(void)np_addr_parse(text, &a);
	return a;
}

static void
conn_new(struct proxy *p, int fd, const struct sockaddr_storage *from, bool tls)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (c == NULL) {
		crowd_leave(p, address_of(from));
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	notice_death(fd);
	c->p = p;
	c->peer = address_of(from);
	side_init(&c->c, fd);
	side_init(&c->u, -1);
	buf_init(&c->again, OUT_MAX);
	c->c.io.on_ready = on_client;
	c->u.io.on_ready = on_upstream;
	c->pipe[0] = c->pipe[1] = -1;
	c->state = C_HEAD;
	c->req.done = true;
	c->since = loop_now(p->loop);
	c->next = p->conns;
	if (p->conns != NULL)
		p->conns->prev = c;
	p->conns = c;
	p->nconns++;
	if (tls && begin_tls(c) < 0)
		conn_kill(c, false);
	else if (tls)
		conn_advance(c);
	else
		crowd_idle(c);
	if (!tls)
		watch(c);
}

/* --- the listener
 * -------------------------------------------------------------------*/

static void
on_accept_again(struct loop_timer *w)
{
	struct proxy *p = container_of(w, struct proxy, accept_again);

	loop_io_set(p->loop, &p->listen, LOOP_READ);
	if (p->listen_tls.fd >= 0)
		loop_io_set(p->loop, &p->listen_tls, LOOP_READ);
}

/* Before a handshake there is no way to say why. */
static void
turn_away(
    struct proxy *p, int fd, const struct sockaddr_storage *from, bool tls)
{
	static const char body[] =
	    "{\"message\":\"Too many connections from your address\","
	    "\"code\":429}";
	char text[NP_ADDR_TEXT], answer[512];
	int n = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 429 Too Many Requests\r\n"
	    "Content-Type: application/json; charset=utf-8\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
	    sizeof(body) - 1, body);

	if (!tls)
		(void)send(fd, answer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
	log_warn("way_in.full conns=%zu from=%s", p->nconns,
	    np_addr_text(address_of(from), text));
}

static void
take_clients(struct proxy *p, struct loop_io *w)
{
	for (int i = 0; i < ACCEPT_BUDGET; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t n = sizeof(from);
		int fd = accept4(w->fd, (struct sockaddr *)&from, &n,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && !crowd_enter(p, address_of(&from))) {
			turn_away(p, fd, &from, w == &p->listen_tls);
		} else if (fd >= 0) {
			conn_new(p, fd, &from, w == &p->listen_tls);
		} else if (errno == EMFILE || errno == ENFILE ||
			   errno == ENOBUFS || errno == ENOMEM) {
			log_error("way_in.accept err=\"%s\"", strerror(errno));
			loop_io_stop(&p->listen);
			loop_io_stop(&p->listen_tls);
			loop_timer_start(
			    p->loop, &p->accept_again, ACCEPT_PAUSE_MS);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void
on_listen(struct loop_io *w, unsigned events)
{
	(void)events;
	take_clients(container_of(w, struct proxy, listen), w);
}

static void
on_listen_tls(struct loop_io *w, unsigned events)
{
	(void)events;
	take_clients(container_of(w, struct proxy, listen_tls), w);
}

void
conn_listen(struct proxy *p, struct loop_io *w, int fd)
{
	p->accept_again.on_time = on_accept_again;
	*w = (struct loop_io){
		.on_ready = w == &p->listen ? on_listen : on_listen_tls,
		.fd = fd,
	};
	loop_io_set(p->loop, w, LOOP_READ);
}

/* --- time
 * ------------------------------------------------------------------------------*/

static void
free_buffers(struct conn *c)
{
	if (c->c.in.len == 0 && c->c.in.cap > 0)
		buf_fini(&c->c.in);
	if (c->c.out.len == 0 && c->c.out.cap > 0)
		buf_fini(&c->c.out);
	if (c->u.in.len == 0 && c->u.in.cap > 0)
		buf_fini(&c->u.in);
	if (c->u.out.len == 0 && c->u.out.cap > 0)
		buf_fini(&c->u.out);
	if (c->state == C_HEAD)
		buf_fini(&c->again);
}

static void
sweep_idle(struct conn *c, uint64_t ms, struct mono now)
{
	bool ours = c->port == TARGET_ENVD_PORT || c->route == &c->p->api;
	uint64_t keep = ours ? UP_IDLE_ENVD_MS : UP_IDLE_MS;

	if (c->c.in.len > 0 ? ms > HEAD_TIMEOUT_MS : ms > IDLE_TIMEOUT_MS)
		conn_kill(c, false);
	else if (c->u.io.fd >= 0 && mono_ms(c->up_since, now) > keep)
		conn_detach(c);
}

static void
sweep_one(struct conn *c, struct mono now)
{
	uint64_t ms = mono_ms(c->since, now);
	bool unread = c->c.out.len > 0 || c->u.ok > 0 || c->piped > 0;

	if (ms > KEEP_BUFFERS_MS)
		free_buffers(c);
	switch (c->state) {
	case C_TLS:
		if (ms > TLS_TIMEOUT_MS)
			conn_kill(c, false);
		break;
	case C_HEAD:
		sweep_idle(c, ms, now);
		break;
	case C_ROUTE:
		break;
	case C_WAKE:
		if (mono_ms(c->wake_since, now) > WAKE_TIMEOUT_MS)
			request_again(c, 0);
		break;
	case C_DIAL:
		if (ms > DIAL_TIMEOUT_MS)
			answer_closed_port(c);
		break;
	case C_EXCHANGE:
		if ((unread && ms > STALL_TIMEOUT_MS) ||
		    (!c->req.done && ms > IDLE_TIMEOUT_MS))
			conn_kill(c, true);
		break;
	case C_TUNNEL:
		if (unread && ms > STALL_TIMEOUT_MS)
			conn_kill(c, true);
		break;
	case C_LINGER:
		if (ms > LINGER_MS || mono_ms(c->up_since, now) > LINGER_ALL_MS)
			conn_kill(c, false);
		break;
	}
}

/* One look at all twice a second costs less than a timer for each step. */
static void
on_sweep(struct loop_timer *w)
{
	struct proxy *p = container_of(w, struct proxy, sweep);
	struct mono now = loop_now(p->loop);
	struct conn *c = p->conns;

	while (c != NULL) {
		/* The dead keep their links until this round is over. */
		struct conn *next = c->next;

		if (!c->dead)
			sweep_one(c, now);
		c = next;
	}
	table_report(p);
	loop_timer_start(p->loop, w, SWEEP_MS);
}

void
conn_sweep(struct proxy *p)
{
	p->sweep.on_time = on_sweep;
	loop_timer_start(p->loop, &p->sweep, SWEEP_MS);
}

void
conn_free_all(struct proxy *p)
{
	while (p->conns != NULL)
		conn_kill(p->conns, true);
}
