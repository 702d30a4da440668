#include "ctl/sandbox/slots.h"

#include <stdlib.h>

#include "base/own.h"
#include "io/log.h"

/* --- lines ----------------------------------------------------------------*/

static void
line_add(struct slots *s, struct slot_line *l, uint32_t slot)
{
	s->v[slot].next = 0;
	if (l->n++ == 0)
		l->first = slot;
	else
		s->v[l->last].next = slot;
	l->last = slot;
}

static uint32_t
line_take(struct slots *s, struct slot_line *l)
{
	uint32_t slot = l->first;

	if (l->n == 0)
		return 0;
	l->first = s->v[slot].next;
	l->n--;
	return slot;
}

/* --- life -----------------------------------------------------------------*/

static void on_retry(struct loop_timer *w);
static void on_lull(struct loop_timer *w);

int
slots_init(struct slots *s, uint32_t max, struct err *e)
{
	s->v = calloc((size_t)max + 1, sizeof(s->v[0]));
	if (s->v == NULL)
		return err_sys(e, "slots");
	s->max = max;
	s->never_used = 1;
	s->retry.on_time = on_retry;
	s->lull.on_time = on_lull;
	return 0;
}

void
slots_fini(struct slots *s)
{
	if (s->v == NULL)
		return;
	loop_timer_stop(&s->retry);
	loop_timer_stop(&s->lull);
	free(s->v);
	s->v = NULL;
}

void
slots_have_rules(struct slots *s, uint32_t n)
{
	s->rules_made = s->rules_asked = n < s->max ? n : s->max;
	s->sweep_upto = s->rules_made;
}

static void
retry_later(struct slots *s)
{
	unsigned n =
	    s->failures > s->kill_failures ? s->failures : s->kill_failures;
	uint64_t ms = (uint64_t)SLOTS_RETRY_MIN_MS << (n < 10 ? n : 10);

	if (!s->retry.active)
		loop_timer_start(s->loop, &s->retry,
		    ms < SLOTS_RETRY_MAX_MS ? ms : SLOTS_RETRY_MAX_MS);
}

/*
 * Numbers below one that was found, and not found themselves, are free: they
 * go to the line of the freed ones.
 */
static void
used_up_to(struct slots *s, uint32_t slot)
{
	for (; s->never_used <= slot; s->never_used++)
		if (s->never_used != slot)
			line_add(s, &s->freed, s->never_used);
}

static void
line_drop(struct slots *s, struct slot_line *l, uint32_t slot)
{
	struct slot_line kept = { 0 };
	uint32_t x;

	while ((x = line_take(s, l)) != 0)
		if (x != slot)
			line_add(s, &kept, x);
	*l = kept;
}

void
slots_adopt(struct slots *s, struct spawn_ref who)
{
	if (who.slot == 0 || who.slot > s->max ||
	    s->v[who.slot].state != SLOT_NONE)
		return;
	if (who.slot < s->never_used)
		line_drop(s, &s->freed, who.slot);
	used_up_to(s, who.slot);
	s->v[who.slot].state = SLOT_TAKEN;
	s->v[who.slot].incarnation = who.incarnation;
	s->ntaken++;
}

/* --- rules: chains and sets, for good
 * ---------------------------------------*/

static uint32_t
batch_of_rules(const struct slots *s)
{
	/* Each batch makes the kernel look at the whole table again, longer
	 * the more there are; small ones then keep others waiting less. */
	uint32_t n = s->rules_asked < 1024   ? 64
		     : s->rules_asked < 4096 ? 16
					     : 8;

	return n < s->max - s->rules_asked ? n : s->max - s->rules_asked;
}

static void
became_ready(struct slots *s, uint32_t slot)
{
	s->v[slot].state = SLOT_READY;
	s->nmaking--;
	s->failures = 0;
	line_add(s, &s->ready, slot);
}

static void
on_rules(void *ctx, uint32_t first, uint32_t n, struct chan_reply *r)
{
	struct slots *s = ctx;

	drop_fd(&r->fd);
	if (r->u.rules.rc < 0) {
		log_error("slots.rules first=%u n=%u err=\"%s\"", first, n,
		    r->u.rules.err.msg);
		s->rules_asked = s->rules_made;
		s->last_error = r->u.rules.err;
		s->failures++;
		retry_later(s);
		return;
	}
	s->rules_made = first + n - 1;
	for (uint32_t i = 1; i <= s->rules_made; i++)
		if (s->v[i].state == SLOT_MAKING && s->v[i].stood)
			became_ready(s, i);
	s->on_ready(s->ctx);
}

static void
ask_rules(struct slots *s, uint32_t upto)
{
	struct err e;

	while (s->rules_asked < upto) {
		struct rules_slots m = { s->rules_asked + 1,
			batch_of_rules(s) };
		struct chan_ask a = {
			.type = RULES_SLOTS,
			.head = &m,
			.head_len = sizeof(m),
			.fd = -1,
			.done = on_rules,
			.ctx = s,
			.who = m.first,
			.n = m.n,
		};

		if (chan_ask(s->rules, &a, &e) < 0) {
			retry_later(s);
			return;
		}
		s->rules_asked += m.n;
	}
}

/* --- standing up
 * -------------------------------------------------------------*/

static void
on_asked(void *ctx, uint32_t first, uint32_t n, struct chan_reply *r)
{
	struct slots *s = ctx;

	drop_fd(&r->fd);
	if (r->u.spawn.rc == 0)
		return; /* an event comes for each */
	for (uint32_t i = first; i < first + n; i++) {
		struct spawn_slot_ev ev = {
			.ref = { i, s->v[i].incarnation },
			.rc = -1,
			.err = r->u.spawn.err,
		};

		slots_event(s, &ev);
	}
}

static uint32_t
next_number(struct slots *s)
{
	uint32_t rest =
	    s->max / 4 < SLOTS_REST_MIN ? s->max / 4 : SLOTS_REST_MIN;

	if (s->never_used <= s->max && s->freed.n <= rest)
		return s->never_used++;
	return line_take(s, &s->freed);
}

/* Stands up n slots from first; they become freed ones if that fails. */
static int
ask_spawn(struct slots *s, uint32_t first, uint32_t n)
{
	struct spawn_slots m = { first, n, 0 };
	struct chan_ask a = {
		.type = SPAWN_SLOTS,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
		.done = on_asked,
		.ctx = s,
		.who = first,
		.n = n,
	};
	struct err e;

	m.incarnation = s->incarnation(s->ctx, &e);
	if (m.incarnation == 0 || chan_ask(s->spawn, &a, &e) < 0) {
		log_error(
		    "slots.ask first=%u n=%u err=\"%s\"", first, n, e.msg);
		s->last_error = e;
		s->failures++;
		for (uint32_t i = 0; i < n; i++)
			line_add(s, &s->freed, first + i);
		retry_later(s);
		return -1;
	}
	for (uint32_t i = first; i < first + n; i++) {
		s->v[i].state = SLOT_MAKING;
		s->v[i].incarnation = m.incarnation;
		s->v[i].stood = false;
	}
	s->nmaking += n;
	return 0;
}

static void
refill(struct slots *s)
{
	uint32_t carried = 0;

	if (s->retry.active)
		return; /* something failed a moment ago */
	for (;;) {
		uint32_t have = s->ready.n + s->nmaking;
		uint32_t need = s->target + s->wanted, first, n = 1;

		if (have >= need)
			break;
		first = carried != 0 ? carried : next_number(s);
		carried = 0;
		if (first == 0)
			break;
		/* Neighbours go into one request. */
		while (n < SLOTS_BATCH_MAX && have + n < need) {
			carried = next_number(s);
			if (carried != first + n)
				break;
			carried = 0;
			n++;
		}
		ask_rules(s, first + n - 1);
		if (ask_spawn(s, first, n) < 0)
			break;
	}
	if (carried != 0)
		line_add(s, &s->freed, carried);
}

static void
on_lull(struct loop_timer *w)
{
	refill(container_of(w, struct slots, lull));
}

/*
 * Standing up a slot costs more than the create that took one, and would
 * compete with what that sandbox does first.  So with enough left it waits a
 * moment, and then makes up for several at once.
 */
void
slots_want(struct slots *s, uint32_t wanted)
{
	s->wanted = wanted;
	if (wanted == 0 && s->ready.n > s->target / 2) {
		if (!s->lull.active && s->ready.n + s->nmaking < s->target)
			loop_timer_start(s->loop, &s->lull, SLOTS_LULL_MS);
		return;
	}
	refill(s);
}

void
slots_event(struct slots *s, const struct spawn_slot_ev *ev)
{
	struct slot *x;

	if (ev->ref.slot == 0 || ev->ref.slot > s->max)
		return;
	x = &s->v[ev->ref.slot];
	if (x->incarnation != ev->ref.incarnation)
		return;
	if (x->state == SLOT_READY && ev->rc < 0)
		slots_lost(s, ev->ref);
	if (x->state != SLOT_MAKING)
		return;
	if (ev->rc < 0) {
		log_error("slots.failed slot=%u err=\"%s\"", ev->ref.slot,
		    ev->err.msg);
		s->last_error = ev->err;
		s->failures++;
		x->state = SLOT_NONE;
		s->nmaking--;
		line_add(s, &s->freed, ev->ref.slot);
		retry_later(s);
	} else if (ev->ref.slot > s->rules_made) {
		x->stood = true;
		return;
	} else {
		became_ready(s, ev->ref.slot);
	}
	s->on_ready(s->ctx);
}

int
slots_take(struct slots *s, struct spawn_ref *out)
{
	uint32_t slot = line_take(s, &s->ready);

	if (slot == 0)
		return 1;
	s->v[slot].state = SLOT_TAKEN;
	s->ntaken++;
	*out = (struct spawn_ref){ slot, s->v[slot].incarnation };
	return 0;
}

bool
slots_full(const struct slots *s)
{
	return s->ntaken >= s->max;
}

/* --- clearing
 * -----------------------------------------------------------------*/

static void clear_now(struct slots *s, uint32_t slot);

static void
on_killed(void *ctx, uint32_t slot, uint32_t incarnation, struct chan_reply *r)
{
	struct slots *s = ctx;
	struct spawn_ref who = { slot, incarnation };

	drop_fd(&r->fd);
	/* Not there is gone. */
	if (r->u.spawn.rc < 0 && r->u.spawn.err.kind != ERR_NOTFOUND) {
		log_error(
		    "slots.kill slot=%u err=\"%s\"", slot, r->u.spawn.err.msg);
		line_add(s, &s->again, slot);
		s->kill_failures++;
		retry_later(s);
		return;
	}
	s->kill_failures = 0;
	s->v[slot].state = SLOT_NONE;
	s->nclearing--;
	line_add(s, &s->freed, slot);
	s->on_cleared(s->ctx, who);
	s->on_ready(s->ctx);
}

static void
clear_now(struct slots *s, uint32_t slot)
{
	struct rules_clear shut = { slot };
	struct spawn_ref who = { slot, s->v[slot].incarnation };
	struct chan_ask rules = {
		.type = RULES_CLEAR,
		.head = &shut,
		.head_len = sizeof(shut),
		.fd = -1,
	};
	struct chan_ask kill = {
		.type = SPAWN_KILL,
		.pad = s->v[slot].keep ? SPAWN_KEEP_DISK : 0,
		.head = &who,
		.head_len = sizeof(who),
		.fd = -1,
		.done = on_killed,
		.ctx = s,
		.who = slot,
		.n = who.incarnation,
	};
	struct err e;

	/* Its packets stop before its processes do. */
	if ((slot > s->rules_asked || chan_ask(s->rules, &rules, &e) == 0) &&
	    chan_ask(s->spawn, &kill, &e) == 0)
		return;
	log_error("slots.clear slot=%u err=\"%s\"", slot, e.msg);
	line_add(s, &s->again, slot);
	retry_later(s);
}

void
slots_clear(struct slots *s, struct spawn_ref who, bool keep)
{
	struct slot *x;

	if (who.slot == 0 || who.slot > s->max)
		return;
	x = &s->v[who.slot];
	if (x->state != SLOT_TAKEN || x->incarnation != who.incarnation)
		return;
	x->state = SLOT_CLEARING;
	x->keep = keep;
	s->ntaken--;
	s->nclearing++;
	clear_now(s, who.slot);
}

void
slots_lost(struct slots *s, struct spawn_ref who)
{
	struct slot *x;

	if (who.slot == 0 || who.slot > s->max)
		return;
	x = &s->v[who.slot];
	if (x->state != SLOT_READY || x->incarnation != who.incarnation)
		return;
	log_warn("slots.lost slot=%u", who.slot);
	line_drop(s, &s->ready, who.slot);
	x->state = SLOT_TAKEN;
	s->ntaken++;
	slots_clear(s, who, false);
}

void
slots_sweep(struct slots *s)
{
	struct err e;

	for (int n = 0; n < SLOTS_SWEEP_MAX && s->swept < s->sweep_upto; n++) {
		struct rules_clear shut = { ++s->swept };
		struct chan_ask a = {
			.type = RULES_CLEAR,
			.head = &shut,
			.head_len = sizeof(shut),
			.fd = -1,
		};

		/* Whoever has it was, or will be, given rules of its own. */
		if (s->v[shut.slot].state != SLOT_NONE)
			continue;
		if (chan_ask(s->rules, &a, &e) < 0)
			log_warn("slots.sweep err=\"%s\"", e.msg);
	}
}

static void
on_retry(struct loop_timer *w)
{
	struct slots *s = container_of(w, struct slots, retry);
	struct slot_line again = s->again;
	uint32_t slot;

	s->again = (struct slot_line){ 0 };
	while ((slot = line_take(s, &again)) != 0)
		clear_now(s, slot);
	s->on_ready(s->ctx);
	refill(s);
}
