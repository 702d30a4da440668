/* Which processes there are, and which have just ended. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envd/proc_int.h"
#include "base/own.h"

struct proc *
proc_by_pid(struct procs *ps, pid_t pid)
{
	for (struct proc *p = ps->first; p != NULL; p = p->next)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct proc *
proc_by_tag(struct procs *ps, const char *tag)
{
	for (struct proc *p = ps->first; p != NULL; p = p->next)
		if (p->tag != NULL && strcmp(p->tag, tag) == 0)
			return p;
	return NULL;
}

void
proc_add(struct procs *ps, struct proc *p)
{
	ended_drop(ps, p->pid, NULL);
	if (p->tag != NULL)
		ended_drop(ps, 0, p->tag);
	p->all = ps;
	p->prev = NULL;
	p->next = ps->first;
	if (ps->first != NULL)
		ps->first->prev = p;
	ps->first = p;
	ps->n++;
}

/* --- ended ----------------------------------------------------------------*/

static void
drop_first(struct procs *ps)
{
	struct ended *x = ps->ended;

	ps->ended = x->next;
	if (ps->ended == NULL)
		ps->ended_end = &ps->ended;
	ps->nended--;
	free(x->tag);
	free(x);
}

static bool
is_it(const struct ended *x, pid_t pid, const char *tag)
{
	if (tag == NULL)
		return x->pid == pid;
	return x->tag != NULL && strcmp(x->tag, tag) == 0;
}

const struct ended *
ended_find(const struct procs *ps, pid_t pid, const char *tag)
{
	const struct ended *found = NULL;

	for (const struct ended *x = ps->ended; x != NULL; x = x->next)
		if (is_it(x, pid, tag))
			found = x;
	return found;
}

void
ended_drop(struct procs *ps, pid_t pid, const char *tag)
{
	struct ended **at = &ps->ended;

	while (*at != NULL) {
		struct ended *x = *at;

		if (!is_it(x, pid, tag)) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		ps->nended--;
		free(x->tag);
		free(x);
	}
	ps->ended_end = at;
}

static void
on_forget(struct loop_timer *t)
{
	struct procs *ps = container_of(t, struct procs, forget);
	struct mono now = mono_now();

	while (ps->ended != NULL && ps->ended->until.ns <= now.ns)
		drop_first(ps);
	if (ps->ended != NULL)
		loop_timer_start(
		    ps->d->loop, t, mono_ms(now, ps->ended->until) + 1);
}

static void
keep(struct proc *p, const char *event)
{
	struct procs *ps = p->all;
	size_t size = strlen(event) + 1;
	struct ended *x = malloc(sizeof(*x) + size);

	if (x == NULL)
		return; /* it is only a courtesy */
	if (ps->nended == PROC_ENDED_MAX)
		drop_first(ps);
	x->next = NULL;
	x->pid = p->pid;
	x->tag = take(&p->tag);
	x->until = mono_after_ms(mono_now(), PROC_ENDED_MS);
	memcpy(x->event, event, size);
	*ps->ended_end = x;
	ps->ended_end = &x->next;
	ps->nended++;
	if (!ps->forget.active)
		loop_timer_start(ps->d->loop, &ps->forget, PROC_ENDED_MS + 1);
}

void
proc_remove(struct proc *p, const char *event)
{
	struct procs *ps = p->all;

	*(p->prev != NULL ? &p->prev->next : &ps->first) = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	ps->n--;
	keep(p, event);
	loop_timer_stop(&p->kill_at);
	free(p->tag);
	free(p->config);
	free(p);
}

/* --- all of them ----------------------------------------------------------*/

struct procs *
procs_new(struct envd *d, struct err *e)
{
	struct procs *ps = calloc(1, sizeof(*ps));

	if (ps == NULL) {
		err_sys(e, "process table");
		return NULL;
	}
	ps->d = d;
	ps->ended_end = &ps->ended;
	ps->forget.on_time = on_forget;
	return ps;
}

static bool
helper_reaped(struct procs *ps, pid_t pid, int status)
{
	for (struct helper **at = &ps->helpers; *at != NULL;
	     at = &(*at)->next) {
		struct helper *h = *at;

		if (h->pid != pid)
			continue;
		*at = h->next;
		ps->nhelpers--;
		h->done(h->ctx, status);
		free(h);
		return true;
	}
	return false;
}

void
procs_reaped(struct procs *ps, pid_t pid, int status)
{
	struct proc *p = proc_by_pid(ps, pid);

	if (p == NULL) {
		(void)helper_reaped(ps, pid, status);
		return;
	}
	if (p->reaped)
		return;
	p->reaped = true;
	p->status = status;
	/* What it wrote last is in its pipes. */
	proc_drain(p);
	if (p->on_reaped != NULL)
		p->on_reaped(p->reaped_ctx, status);
	proc_maybe_end(p);
}

/* A full copy of ourselves, for what may take long. */
int
proc_helper(struct procs *ps, int (*run)(void *arg), void *arg,
    void (*done)(void *ctx, int status), void *ctx)
{
	struct helper *h;
	pid_t pid;

	if (ps->nhelpers >= PROC_HELPERS_MAX) {
		errno = EAGAIN;
		return -1;
	}
	h = malloc(sizeof(*h));
	if (h == NULL)
		return -1;
	pid = fork();
	if (pid == 0) {
		/* Clients must see when we close their connections. */
		(void)close_range(3, ~0u, 0);
		_exit(run(arg));
	}
	if (pid < 0) {
		free(h);
		return -1;
	}
	ps->nhelpers++;
	*h = (struct helper){ ps->helpers, pid, done, ctx };
	ps->helpers = h;
	return 0;
}
