/*
 * Who listens to a process.  Each has a queue of its own (the connection's):
 * the process is slowed down only when none of them has room, and one who
 * falls far behind the others is cut off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/proc_int.h"

static size_t
share(const struct procs *ps, size_t all, size_t least, size_t most)
{
	size_t n = all / (ps->nsubs > 0 ? ps->nsubs : 1);

	return n < least ? least : n > most ? most : n;
}

size_t
subs_share(const struct procs *ps)
{
	return share(ps, PROC_SUB_ALL, PROC_SUB_LEAST, PROC_SUB_MOST);
}

static void
unlist(struct sub *s)
{
	struct proc *p = s->p;

	if (p == NULL)
		return;
	*(s->prev != NULL ? &s->prev->next : &p->subs) = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	s->p = NULL;
	/* The others, or nobody, may have room. */
	proc_read_more(p);
}

static void
on_gone(struct rpc *c)
{
	struct sub *s = c->data;

	loop_timer_stop(&s->keepalive);
	c->d->procs->nsubs--;
	unlist(s);
	free(s);
}

static void
on_drain(struct http_req *r)
{
	struct rpc *c = http_req_data(r);
	struct sub *s = c->data;

	s->full = false;
	if (s->p != NULL)
		proc_read_more(s->p);
}

static void
sent(struct sub *s, size_t waiting)
{
	size_t high = subs_share(s->c->d->procs);

	s->last = loop_now(s->c->d->loop);
	if (waiting < high || s->full)
		return;
	s->full = true;
	http_reply_on_drain(s->c->r, high / 4, on_drain);
}

/* Restarted by no event: when it fires, it looks how long ago one was. */
static void
on_keepalive(struct loop_timer *t)
{
	struct sub *s = container_of(t, struct sub, keepalive);
	uint64_t quiet = mono_ms(s->last, mono_now());
	static const char event[] = "{\"event\":{\"keepalive\":{}}}";
	struct loop *l = s->c->d->loop;

	if (quiet >= s->c->keepalive_ms) {
		quiet = 0;
		sent(s, rpc_send(s->c, event, sizeof(event) - 1));
		s->last = mono_now();
	}
	loop_timer_start(l, t, s->c->keepalive_ms - quiet);
}

struct sub *
sub_new(struct proc *p, struct rpc *c)
{
	struct sub *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->c = c;
	s->p = p;
	s->last = mono_now();
	s->next = p->subs;
	if (p->subs != NULL)
		p->subs->prev = s;
	p->subs = s;
	c->data = s;
	c->on_gone = on_gone;
	c->d->procs->nsubs++;
	s->keepalive.on_time = on_keepalive;
	loop_timer_start(c->d->loop, &s->keepalive, c->keepalive_ms);
	/* The others may have stopped it. */
	proc_read_more(p);
	return s;
}

void
subs_data(struct proc *p, const char *kind, const void *b, size_t n)
{
	size_t behind =
	    share(p->all, PROC_BEHIND_ALL, PROC_BEHIND_LEAST, PROC_BEHIND_MOST);
	struct sub *s, *next;

	for (s = p->subs; s != NULL; s = next) {
		size_t waiting;

		next = s->next;
		waiting = rpc_send_data(s->c, kind, b, n);
		sent(s, waiting);
		if (waiting > behind)
			rpc_fail(s->c, RPC_RESOURCE_EXHAUSTED,
			    "too slow for the output of process %d",
			    (int)p->pid);
	}
}

bool
subs_all_full(const struct proc *p)
{
	for (const struct sub *s = p->subs; s != NULL; s = s->next)
		if (!s->full)
			return false;
	return p->subs != NULL;
}

void
sub_start_event(struct rpc *c, pid_t pid)
{
	char event[64];
	int n = snprintf(event, sizeof(event),
	    "{\"event\":{\"start\":{\"pid\":%d}}}", (int)pid);

	(void)rpc_send(c, event, (size_t)n);
}
