#include "io/loop.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

struct deferred {
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	struct ev_loop *ev;
	struct mono now;
	ev_check check;	  /* takes the time after each wait */
	ev_prepare ready; /* runs what was deferred, before each wait */
	ev_idle busy;	  /* keeps the loop from waiting while some is left */
	struct deferred *later;
	size_t nlater, caplater;
};

_Static_assert(sizeof(ev_io) <= sizeof(((struct loop_io *)0)->priv), "io");
_Static_assert(
    sizeof(ev_timer) <= sizeof(((struct loop_timer *)0)->priv), "timer");
_Static_assert(
    sizeof(ev_signal) <= sizeof(((struct loop_signal *)0)->priv), "signal");

static void
on_check(struct ev_loop *ev, ev_check *w, int revents)
{
	struct loop *l = w->data;

	(void)ev;
	(void)revents;
	l->now = mono_now();
}

static void
on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents;
}

static void
on_prepare(struct ev_loop *ev, ev_prepare *w, int revents)
{
	struct loop *l = w->data;
	size_t n = l->nlater;

	(void)revents;
	/* What these defer in turn waits for the next round. */
	for (size_t i = 0; i < n; i++) {
		struct deferred d = l->later[i];

		d.fn(d.arg);
	}
	l->nlater -= n;
	if (l->nlater > 0)
		memmove(l->later, l->later + n, l->nlater * sizeof(*l->later));
	else
		ev_idle_stop(ev, &l->busy);
}

/*
 * libev by itself would not take kqueue, which works on all that we wait for,
 * but select.
 */
static unsigned
backend(void)
{
	return ev_supported_backends() & (EVBACKEND_EPOLL | EVBACKEND_KQUEUE);
}

struct loop *
loop_new(struct err *e)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		err_sys(e, "event loop");
		return NULL;
	}
	l->ev = ev_loop_new(backend()); /* 0: whatever there is */
	if (l->ev == NULL) {
		free(l);
		err_set(e, ERR_SYS, "event loop: libev has no usable backend");
		return NULL;
	}
	l->now = mono_now();
	ev_check_init(&l->check, on_check);
	ev_prepare_init(&l->ready, on_prepare);
	ev_idle_init(&l->busy, on_idle);
	l->check.data = l->ready.data = l;
	ev_set_priority(&l->check, EV_MAXPRI);
	ev_check_start(l->ev, &l->check);
	ev_prepare_start(l->ev, &l->ready);
	/* Neither of these is a reason to go on running. */
	ev_unref(l->ev);
	ev_unref(l->ev);
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	ev_loop_destroy(l->ev);
	free(l->later);
	free(l);
}

void
loop_run(struct loop *l)
{
	ev_run(l->ev, 0);
}

void
loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

struct mono
loop_now(const struct loop *l)
{
	return l->now;
}

static void
on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct loop_io *io = w->data;
	unsigned events = 0;

	(void)ev;
	if (revents & EV_READ)
		events |= LOOP_READ;
	if (revents & EV_WRITE)
		events |= LOOP_WRITE;
	io->on_ready(io, events);
}

void
loop_io_set(struct loop *l, struct loop_io *w, unsigned events)
{
	ev_io *io = (ev_io *)(void *)w->priv;
	int want = 0;

	if (w->events == events && w->loop == l)
		return;
	if (w->events != 0)
		ev_io_stop(l->ev, io);
	w->loop = l;
	w->events = events;
	if (events == 0)
		return;
	if (events & LOOP_READ)
		want |= EV_READ;
	if (events & LOOP_WRITE)
		want |= EV_WRITE;
	ev_io_init(io, on_io, w->fd, want);
	io->data = w;
	ev_io_start(l->ev, io);
}

void
loop_io_stop(struct loop_io *w)
{
	if (w->loop != NULL)
		loop_io_set(w->loop, w, 0);
}

static void
on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct loop_timer *t = w->data;

	(void)ev;
	(void)revents;
	t->active = false;
	t->on_time(t);
}

void
loop_timer_start(struct loop *l, struct loop_timer *w, uint64_t ms)
{
	ev_timer *t = (ev_timer *)(void *)w->priv;

	loop_timer_stop(w);
	w->loop = l;
	w->active = true;
	/* libev counts from its own idea of now, which a callback made old. */
	ev_now_update(l->ev);
	ev_timer_init(t, on_timer, (double)ms / 1000.0, 0.);
	t->data = w;
	ev_timer_start(l->ev, t);
}

void
loop_timer_stop(struct loop_timer *w)
{
	if (!w->active)
		return;
	ev_timer_stop(w->loop->ev, (ev_timer *)(void *)w->priv);
	w->active = false;
}

static void
on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct loop_signal *s = w->data;

	(void)ev;
	(void)revents;
	s->on_signal(s, w->signum);
}

void
loop_signal_start(struct loop *l, struct loop_signal *w, int signo)
{
	ev_signal *s = (ev_signal *)(void *)w->priv;

	w->loop = l;
	ev_signal_init(s, on_signal, signo);
	s->data = w;
	ev_signal_start(l->ev, s);
}

void
loop_signal_stop(struct loop_signal *w)
{
	if (w->loop == NULL)
		return;
	ev_signal_stop(w->loop->ev, (ev_signal *)(void *)w->priv);
	w->loop = NULL;
}

void
loop_defer(struct loop *l, void (*fn)(void *arg), void *arg)
{
	if (l->nlater == l->caplater) {
		size_t cap = l->caplater == 0 ? 16 : l->caplater * 2;
		void *p = realloc(l->later, cap * sizeof(*l->later));

		if (p == NULL)
			abort(); /* a lost wake-up would hang its owner */
		l->later = p;
		l->caplater = cap;
	}
	l->later[l->nlater++] = (struct deferred){ fn, arg };
	if (!ev_is_active(&l->busy))
		ev_idle_start(l->ev, &l->busy);
}
