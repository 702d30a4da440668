#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
	LINGER_MAX = 1024 * 1024, /* bytes thrown away while lingering */
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
	n = read(s->io.fd, to, room);
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

	if (!c->c.eof && c->c.in.len < SIDE_MAX)
		want |= LOOP_READ;
	if (c->c.out.len > 0 || c->u.ok > 0 || c->piped > 0)
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
	c->piped += c->c.in.len;
	buf_reset(&c->c.in);
	if (c->c.eof || c->piped > LINGER_MAX)
		conn_kill(c, false);
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

	if ((events & LOOP_READ) && side_read(c, &c->c) < 0) {
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

static void
conn_new(struct proxy *p, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int on = 1;

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	notice_death(fd);
	c->p = p;
	side_init(&c->c, fd);
	side_init(&c->u, -1);
	buf_init(&c->again, OUT_MAX);
	c->c.io.on_ready = on_client;
	c->u.io.on_ready = on_upstream;
	c->pipe[0] = c->pipe[1] = -1;
	c->req.done = true;
	c->since = loop_now(p->loop);
	c->next = p->conns;
	if (p->conns != NULL)
		p->conns->prev = c;
	p->conns = c;
	p->nconns++;
	watch(c);
}

/* --- the listener
 * -------------------------------------------------------------------*/

static void
on_accept_again(struct loop_timer *w)
{
	struct proxy *p = container_of(w, struct proxy, accept_again);

	loop_io_set(p->loop, &p->listen, LOOP_READ);
}

static void
on_listen(struct loop_io *w, unsigned events)
{
	struct proxy *p = container_of(w, struct proxy, listen);

	(void)events;
	for (int i = 0; i < ACCEPT_BUDGET; i++) {
		int fd =
		    accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && p->nconns >= p->conns_max) {
			(void)close(fd);
			log_warn("way_in.full conns=%zu", p->nconns);
		} else if (fd >= 0) {
			conn_new(p, fd);
		} else if (errno == EMFILE || errno == ENFILE ||
			   errno == ENOBUFS || errno == ENOMEM) {
			log_error("way_in.accept err=\"%s\"", strerror(errno));
			loop_io_stop(w);
			loop_timer_start(
			    p->loop, &p->accept_again, ACCEPT_PAUSE_MS);
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
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
	uint64_t keep =
	    c->port == TARGET_ENVD_PORT ? UP_IDLE_ENVD_MS : UP_IDLE_MS;

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
		if (ms > LINGER_MS)
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
conn_listen(struct proxy *p, int fd)
{
	p->accept_again.on_time = on_accept_again;
	p->sweep.on_time = on_sweep;
	p->listen = (struct loop_io){ .on_ready = on_listen, .fd = fd };
	loop_io_set(p->loop, &p->listen, LOOP_READ);
	loop_timer_start(p->loop, &p->sweep, SWEEP_MS);
}

void
conn_free_all(struct proxy *p)
{
	while (p->conns != NULL)
		conn_kill(p->conns, true);
}
