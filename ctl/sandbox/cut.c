/*
 * cut.c - ends the connected sockets inside a sandbox that its policy denies
 * by now, so that whoever only listens there learns at once.  The rules are
 * in force already: nothing here is needed to keep a packet from passing, and
 * nobody waits for it.
 */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/sandbox/judge.h"
#include "io/log.h"
#include "io/memfile.h"

enum {
	SOCKETS_MAX = 65536,
	ROUND = 256,	 /* sockets judged before others get their turn */
	IN_TURN_MAX = 4, /* looks under way when nobody is in a hurry */
	LULL_MS = 2,	 /* first the answer, and what comes on its heels */
};

/* A look at the sockets of one sandbox. */
struct cut {
	struct cut *next, **prev; /* of the engine's */
	struct engine *en;
	struct sb_ref ref;
	struct spawn_ref slot;
	struct loop_timer round;
	bool in_turn;
	bool judging; /* judges are there */
	struct sb_judge now, soon;
	bool has_soon; /* another policy is on its way into the kernel */
	struct spawn_socket *v;
	uint32_t n, at, ndenied;
};

/* Those that wait for their turn: after privd was away, all sandboxes do. */
struct cut_wait {
	struct cut_wait *next;
	struct sb_ref ref;
};

static void take_turns(struct engine *en);

static void
cut_free(struct cut *c)
{
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	loop_timer_stop(&c->round);
	if (c->judging) {
		judge_fini(&c->now);
		if (c->has_soon)
			judge_fini(&c->soon);
	}
	memfile_unmap(c->v, c->n * sizeof(c->v[0]));
	free(c);
}

/* The tenant that it was begun for, or NULL. */
static struct sandbox *
tenant(const struct cut *c)
{
	struct sandbox *sb = registry_get(c->en, c->ref);

	if (sb == NULL || sb->r.slot.slot != c->slot.slot ||
	    sb->r.slot.incarnation != c->slot.incarnation)
		return NULL;
	return sb;
}

static void
over(struct cut *c)
{
	struct sandbox *sb = registry_get(c->en, c->ref);
	struct engine *en = c->en;
	bool in_turn = c->in_turn;

	if (c->ndenied > 0 && sb != NULL)
		log_info("network.cut sbx=%s sockets=%u of=%u", sb->r.id,
		    c->ndenied, c->n);
	cut_free(c);
	if (sb != NULL) {
		sb->cut_busy = false;
		if (sb->cut_again)
			cut_begin(sb, true);
	}
	if (in_turn)
		take_turns(en);
}

/* --- judging ----------------------------------------------------------------
 */

/*
 * Who is allowed by the policy that is in force, or by one that may be in
 * force by now, is left alone.
 */
static int
get_judges(struct cut *c, struct sandbox *sb, struct err *e)
{
	const struct net_op *op = sb->net_now;

	if (judge_init(&c->now, c->en, &sb->r.net, e) < 0)
		return -1;
	c->judging = true;
	if (op == NULL || op->again)
		return 0;
	if (judge_init(&c->soon, c->en, &op->net, e) < 0)
		return -1;
	c->has_soon = true;
	return 0;
}

static bool
denied(const struct cut *c, const struct spawn_socket *s, struct sandbox *sb)
{
	const struct sb_flow f = { s->to, s->family, s->proto, s->port };

	if (!judge_denies(&c->now, &f))
		return false;
	if (!c->has_soon || judge_denies(&c->soon, &f))
		return true;
	sb->cut_due = true;
	return false;
}

static void
on_cut(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	(void)ctx;
	drop_fd(&r->fd);
	if (r->u.spawn.rc < 0)
		log_warn(
		    "network.cut slot=%u err=\"%s\"", who, r->u.spawn.err.msg);
	else
		log_debug("network.cut slot=%u cut=%u of=%u", who,
		    r->u.spawn.ncut, n);
}

static int
send_cut(const struct cut *c, const struct spawn_socket *v, uint32_t n,
    struct err *e)
{
	const struct spawn_cut m = { c->slot, n };
	const struct chan_ask how = {
		.type = SPAWN_CUT,
		.head = &m,
		.head_len = sizeof(m),
		.tail = v,
		.tail_len = n * sizeof(v[0]),
		.fd = -1,
		.done = on_cut,
		.who = c->slot.slot,
		.n = n,
	};

	return n == 0 ? 0 : chan_ask(&c->en->spawn, &how, e);
}

static void
judge_some(struct loop_timer *w)
{
	struct cut *c = container_of(w, struct cut, round);
	struct spawn_socket out[ROUND];
	uint32_t n = 0, end = c->n - c->at < ROUND ? c->n : c->at + ROUND;
	struct sandbox *sb = tenant(c);
	struct err e;

	if (sb == NULL) {
		over(c);
		return;
	}
	for (; c->at < end; c->at++)
		if (denied(c, &c->v[c->at], sb))
			out[n++] = c->v[c->at];
	c->ndenied += n;
	if (send_cut(c, out, n, &e) < 0) {
		log_warn("network.cut slot=%u err=\"%s\"", c->slot.slot, e.msg);
		c->at = c->n;
	}
	if (c->at < c->n)
		loop_timer_start(c->en->loop, w, 0);
	else
		over(c);
}

/* --- looking ----------------------------------------------------------------
 */

static int
take_sockets(struct cut *c, const struct chan_reply *r, struct err *e)
{
	const struct spawn_reply *a = &r->u.spawn;

	if (a->rc < 0) {
		*e = a->err;
		return -1;
	}
	if (a->nsockets == 0)
		return 0;
	if (a->nsockets > SOCKETS_MAX)
		return err_set(e, ERR_BUG, "%u sockets", a->nsockets);
	c->v = memfile_map(r->fd, a->nsockets * sizeof(c->v[0]), e);
	if (c->v == NULL)
		return -1;
	c->n = a->nsockets;
	return 0;
}

static void
on_sockets(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct cut *c = ctx;
	struct sandbox *sb = tenant(c);
	struct err e;
	int rc = take_sockets(c, r, &e);

	(void)n;
	drop_fd(&r->fd);
	if (rc == 0 && sb != NULL && c->n > 0)
		rc = get_judges(c, sb, &e);
	/* A sandbox that ends needs no more. */
	if (rc < 0 && sb != NULL)
		log_warn("network.sockets slot=%u err=\"%s\"", who, e.msg);
	if (rc == 0 && sb != NULL && c->n > 0)
		judge_some(&c->round);
	else
		over(c);
}

/* Whatever was asked for meanwhile is seen now. */
static void
ask(struct loop_timer *w)
{
	struct cut *c = container_of(w, struct cut, round);
	struct sandbox *sb = tenant(c);
	const struct chan_ask a = {
		.type = SPAWN_SOCKETS,
		.head = &c->slot,
		.head_len = sizeof(c->slot),
		.fd = -1,
		.done = on_sockets,
		.ctx = c,
		.who = c->slot.slot,
	};
	struct err e;

	w->on_time = judge_some;
	if (sb == NULL) {
		over(c);
		return;
	}
	sb->cut_again = sb->cut_due = false;
	if (chan_ask(&c->en->spawn, &a, &e) == 0)
		return;
	log_warn("network.cut sbx=%s err=\"%s\"", sb->r.id, e.msg);
	over(c);
}

static void
look(struct sandbox *sb, bool in_turn)
{
	struct engine *en = sb->en;
	struct cut *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		log_warn("network.cut sbx=%s err=\"no memory\"", sb->r.id);
		return;
	}
	*c = (struct cut){ .next = en->cuts,
		.prev = &en->cuts,
		.en = en,
		.ref = sb->ref,
		.slot = sb->r.slot,
		.in_turn = in_turn,
		.round.on_time = ask };
	if (c->next != NULL)
		c->next->prev = &c->next;
	en->cuts = c;
	loop_timer_start(en->loop, &c->round, in_turn ? 0 : LULL_MS);
	sb->cut_busy = true;
}

/* --- whose turn it is -------------------------------------------------------
 */

static uint32_t
in_turn(const struct engine *en)
{
	uint32_t n = 0;

	for (const struct cut *c = en->cuts; c != NULL; c = c->next)
		n += c->in_turn;
	return n;
}

static void
take_turns(struct engine *en)
{
	while (en->cut_first != NULL && in_turn(en) < IN_TURN_MAX) {
		struct cut_wait *w = en->cut_first;
		struct sandbox *sb = registry_get(en, w->ref);

		en->cut_first = w->next;
		if (en->cut_first == NULL)
			en->cut_last = &en->cut_first;
		free(w);
		if (sb != NULL && sb->r.slot.slot != 0 && !sb->cut_busy)
			look(sb, true);
	}
}

void
cut_begin(struct sandbox *sb, bool now)
{
	struct engine *en = sb->en;
	struct cut_wait *w;

	if (sb->r.slot.slot == 0)
		return;
	if (sb->cut_busy) {
		sb->cut_again = true;
		return;
	}
	if (now) {
		look(sb, false);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		log_warn("network.cut sbx=%s err=\"no memory\"", sb->r.id);
		return;
	}
	w->ref = sb->ref;
	*en->cut_last = w;
	en->cut_last = &w->next;
	take_turns(en);
}

void
cut_fini(struct engine *en)
{
	struct cut_wait *w;

	while (en->cuts != NULL)
		cut_free(en->cuts);
	while ((w = en->cut_first) != NULL) {
		en->cut_first = w->next;
		free(w);
	}
}
