#include "http/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "http/http_int.h"
#include "io/log.h"

/* --- who waits for what ---------------------------------------------------*/

static void
arm(struct http_server *s)
{
	struct mono first = { UINT64_MAX };

	for (unsigned k = 0; k < TIMED_N; k++) {
		const struct http_conn *c = s->timed[k].first;

		if (c != NULL && c->deadline.ns < first.ns)
			first = c->deadline;
	}
	s->armed_for = first;
	if (first.ns != UINT64_MAX)
		loop_timer_start(
		    s->loop, &s->timer, mono_ms(loop_now(s->loop), first) + 1);
}

static void
on_time(struct loop_timer *t)
{
	struct http_server *s = container_of(t, struct http_server, timer);
	struct mono now = mono_now();

	for (unsigned k = 0; k < TIMED_N; k++)
		for (;;) {
			struct http_conn *c = s->timed[k].first;

			if (c == NULL || c->deadline.ns > now.ns)
				break;
			server_time(c, UNTIMED);
			conn_expired(c, (enum timed)k);
		}
	arm(s);
}

static void
untime(struct http_conn *c)
{
	struct conn_list *l;

	if (c->timed == UNTIMED)
		return;
	l = &c->srv->timed[c->timed];
	*(c->tprev != NULL ? &c->tprev->tnext : &l->first) = c->tnext;
	*(c->tnext != NULL ? &c->tnext->tprev : &l->last) = c->tprev;
	c->tprev = c->tnext = NULL;
	c->timed = UNTIMED;
}

/*
 * The timer is not moved when a connection is: it fires for a deadline that
 * may have gone, and then looks for the next one.
 */
void
server_time(struct http_conn *c, enum timed kind)
{
	struct http_server *s = c->srv;
	struct conn_list *l;

	untime(c);
	if (kind == UNTIMED || s->timeout_ms[kind] == 0)
		return;
	l = &s->timed[kind];
	c->timed = kind;
	c->deadline = mono_after_ms(loop_now(s->loop), s->timeout_ms[kind]);
	c->tprev = l->last;
	*(l->last != NULL ? &l->last->tnext : &l->first) = c;
	l->last = c;
	if (!s->timer.active || c->deadline.ns < s->armed_for.ns)
		arm(s);
}

/* --- what is to be done before the loop waits again -----------------------*/

static void
unkick(struct http_conn *c)
{
	struct conn_list *l = &c->srv->kick;

	if (!c->kicked)
		return;
	*(c->kprev != NULL ? &c->kprev->knext : &l->first) = c->knext;
	*(c->knext != NULL ? &c->knext->kprev : &l->last) = c->kprev;
	c->kprev = c->knext = NULL;
	c->kicked = false;
	c->srv->nkicked--;
}

static void
on_deferred(void *arg)
{
	struct http_server *s = arg;

	s->kick_deferred = false;
	if (s->freed) {
		free(s);
		return;
	}
	/* Whom these kick in turn waits for the next round. */
	for (size_t n = s->nkicked; n > 0 && s->kick.first != NULL; n--) {
		struct http_conn *c = s->kick.first;

		unkick(c);
		conn_look(c);
	}
	if (s->kick.first != NULL && !s->kick_deferred) {
		s->kick_deferred = true;
		loop_defer(s->loop, on_deferred, s);
	}
}

void
server_kick(struct http_conn *c)
{
	struct http_server *s = c->srv;

	if (c->kicked || c->dead)
		return;
	c->kicked = true;
	c->kprev = s->kick.last;
	*(s->kick.last != NULL ? &s->kick.last->knext : &s->kick.first) = c;
	s->kick.last = c;
	s->nkicked++;
	if (s->kick_deferred)
		return;
	s->kick_deferred = true;
	loop_defer(s->loop, on_deferred, s);
}

void
server_forget(struct http_conn *c)
{
	struct http_server *s = c->srv;

	untime(c);
	unkick(c);
	*(c->prev != NULL ? &c->prev->next : &s->conns) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	s->nconns--;
}

const char *
server_date(struct http_server *s)
{
	struct mono now = loop_now(s->loop);
	struct tm tm;
	time_t t;

	if (s->date[0] != '\0' && mono_ms(s->date_at, now) < 500)
		return s->date;
	t = time(NULL);
	(void)gmtime_r(&t, &tm);
	(void)strftime(
	    s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	s->date_at = now;
	return s->date;
}

/* --- listening ------------------------------------------------------------*/

static void
set_accepting(struct http_server *s, bool on)
{
	s->accepting = on;
	for (struct listener *l = s->listeners; l != NULL; l = l->next)
		loop_io_set(s->loop, &l->io, on ? LOOP_READ : 0);
}

static void
on_accept_again(struct loop_timer *t)
{
	struct http_server *s =
	    container_of(t, struct http_server, accept_timer);

	set_accepting(s, true);
}

/* Without descriptors the listener would be ready for ever. */
static void
pause_accepting(struct http_server *s)
{
	log_warn("http.accept-failed connections=%zu error=\"%s\"", s->nconns,
	    strerror(errno));
	set_accepting(s, false);
	loop_timer_start(s->loop, &s->accept_timer, ACCEPT_PAUSE_MS);
}

/* At the limit, who has asked for nothing yet goes first, the oldest of them.
 */
static bool
make_room(struct http_server *s)
{
	static const enum timed order[] = { TIMED_IDLE, TIMED_HEAD,
		TIMED_LINGER };

	for (size_t i = 0; i < countof(order); i++) {
		struct http_conn *c = s->timed[order[i]].first;

		if (c != NULL && c->busy == 0) {
			conn_close(c);
			return true;
		}
	}
	return false;
}

static bool
is_full(const struct http_server *s)
{
	return s->lim.conns_max != 0 && s->nconns >= s->lim.conns_max;
}

static void
on_acceptable(struct loop_io *w, unsigned events)
{
	struct listener *l = container_of(w, struct listener, io);
	struct http_server *s = l->srv;

	(void)events;
	for (unsigned i = 0; i < ACCEPT_ROUND; i++) {
		int one = 1;
		int fd =
		    accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if ((errno == EMFILE || errno == ENFILE) &&
			    make_room(s))
				continue;
			if (errno != EAGAIN)
				pause_accepting(s);
			return;
		}
		if (is_full(s) && !make_room(s)) {
			(void)close(fd);
			continue;
		}
		/* A local socket has no such option, and needs none. */
		(void)setsockopt(
		    fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		conn_new(s, fd);
	}
}

int
http_server_listen(struct http_server *s, int fd, struct err *e)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		return err_sys(e, "http listener");
	}
	l->srv = s;
	l->io.fd = fd;
	l->io.on_ready = on_acceptable;
	l->next = s->listeners;
	s->listeners = l;
	loop_io_set(s->loop, &l->io, s->accepting ? LOOP_READ : 0);
	return 0;
}

/* --- life -----------------------------------------------------------------*/

struct http_server *
http_server_new(struct loop *l, struct http_handler h, struct http_limits lim,
    struct err *e)
{
	struct http_server *s = malloc(sizeof(*s));

	if (s == NULL) {
		err_sys(e, "http server");
		return NULL;
	}
	/* The scratch space stays untouched, and so unpaged, until used. */
	memset(s, 0, offsetof(struct http_server, parsed));
	s->loop = l;
	s->h = h;
	s->lim = lim;
	s->accepting = true;
	if (s->lim.head_bytes_max == 0)
		s->lim.head_bytes_max = HEAD_BYTES_MAX;
	s->timeout_ms[TIMED_IDLE] = lim.idle_timeout_ms;
	s->timeout_ms[TIMED_HEAD] = lim.head_timeout_ms;
	s->timeout_ms[TIMED_BODY] = lim.body_timeout_ms;
	s->timeout_ms[TIMED_LINGER] = LINGER_MS;
	s->timer.on_time = on_time;
	s->accept_timer.on_time = on_accept_again;
	buf_init(&s->head, EXTRA_BYTES_MAX + 4096);
	return s;
}

size_t
http_server_nconns(const struct http_server *s)
{
	return s->nconns;
}

size_t
http_server_queued(const struct http_server *s)
{
	return s->queued;
}

void
http_server_free(struct http_server *s)
{
	if (s == NULL)
		return;
	while (s->listeners != NULL) {
		struct listener *l = s->listeners;

		s->listeners = l->next;
		loop_io_stop(&l->io);
		(void)close(l->io.fd);
		free(l);
	}
	while (s->conns != NULL)
		conn_close(s->conns);
	loop_timer_stop(&s->timer);
	loop_timer_stop(&s->accept_timer);
	buf_fini(&s->head);
	s->freed = true;
	if (!s->kick_deferred)
		free(s);
}
