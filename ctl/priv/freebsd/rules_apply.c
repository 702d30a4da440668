/*
 * rules_apply.c - a slot's policy: a plan (netpolicy/pf/plan.h), executed.
 */
#include "rules_bsd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

static void
swap(struct np_reach *a, struct np_reach *b)
{
	struct np_reach x = *a;

	*a = *b;
	*b = x;
}

/* --- counters ------------------------------------------------------------- */

/* The last word of "coppice:sb7:denied". */
static const char *
word_of(const char *label)
{
	const char *colon = strrchr(label, ':');

	return colon == NULL ? label : colon + 1;
}

static void
count(const struct pf_found *f, uint64_t *passed, uint64_t *denied)
{
	static const char *const deny[] = { "denied", "not-tcp", "not-udp",
		"spoof", "spoof6" };

	for (size_t i = 0; i < f->rs.filter.n; i++) {
		const char *word = word_of(f->rs.filter.v[i].label);

		if (strcmp(word, "allowed") == 0)
			*passed += f->packets[i];
		for (size_t k = 0; k < countof(deny); k++)
			if (strcmp(word, deny[k]) == 0)
				*denied += f->packets[i];
	}
}

static int
read_counts(struct rules *r, uint32_t slot, uint64_t *passed, uint64_t *denied,
    struct err *e)
{
	char anchor[PF_ANCHOR_NAME];
	struct pf_found f;

	if (!r->k->d.direct || !r->k->slots[slot].loaded)
		return 0;
	if (pf_read_rules(&r->k->d, pf_anchor_name(slot, anchor), &f, e) < 0)
		return -1;
	count(&f, passed, denied);
	pf_found_fini(&f);
	return 0;
}

/* A load makes new rules, that count from 0. */
static void
keep_counts(struct rules *r, uint32_t slot)
{
	struct bsd_slot *b = &r->k->slots[slot];
	struct err e;

	if (read_counts(r, slot, &b->passed, &b->denied, &e) < 0)
		log_warn("rules.counts slot=%u err=\"%s\"", slot, e.msg);
}

int
rules_kernel_state(
    struct rules *r, uint32_t slot, struct rules_state *out, struct err *e)
{
	const struct rules_slot *s = &r->slots[slot];
	const struct bsd_slot *b = &r->k->slots[slot];

	*out = (struct rules_state){
		.slot = slot,
		.gen = s->gen,
		.nok4 = (uint32_t)s->reach.ok4.n,
		.nok6 = (uint32_t)s->reach.ok6.n,
		.passed = b->passed,
		.denied = b->denied,
	};
	return read_counts(r, slot, &out->passed, &out->denied, e);
}

/* --- plans ---------------------------------------------------------------- */

static int
count_revoked(const struct rules_slot *s, const struct rules_want *w,
    uint32_t *n, struct err *e)
{
	struct np_gone gone;

	if (np_revoked(&s->reach, &w->reach, &gone, e) < 0)
		return -1;
	*n = (uint32_t)(gone.gone4.n + gone.gone6.n);
	np_gone_fini(&gone);
	return 0;
}

static bool
loads(const struct pf_plan *p)
{
	return p->steps.n > 0 && p->steps.v[0].kind == PF_ANCHOR_LOAD;
}

/* Nobody knows what it has: it is closed, or the guard tries again. */
static void
give_up(struct rules *r, uint32_t slot)
{
	struct err e;

	np_reach_fini(&r->slots[slot].reach);
	np_reach_init(&r->slots[slot].reach);
	r->slots[slot].gen = 0;
	if (bsd_empty(r, slot, &e) < 0)
		log_error("rules.close slot=%u err=\"%s\"", slot, e.msg);
}

/* Our own change is no surprise to the guard. */
static void
mark(struct rules *r, uint32_t slot, const struct pf_plan *p)
{
	const struct pf_step *first = &p->steps.v[0];

	if (loads(p))
		guard_mark(r->k, slot);
	else if (p->steps.n > 0 && first->kind == PF_TABLE_REPLACE)
		guard_count(r->k, slot, p->undo.v[0].addrs.n, first->addrs.n);
}

static int
run_plan(struct rules *r, uint32_t slot, const struct pf_plan *p, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct pf_applied done;

	if (loads(p))
		keep_counts(r, slot);
	if (pf_apply(&k->d, &k->c, p, &done, e) < 0) {
		if (!done.undone) {
			log_error(
			    "rules.undo slot=%u err=\"%s\"", slot, e->msg);
			give_up(r, slot);
		}
		return -1;
	}
	return 0;
}

/* From what is there (NULL: no rules) to `to`. */
static int
change(struct rules *r, uint32_t slot, const struct np_reach *from,
    const struct np_reach *to, bool judge, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct pf_plan p;
	struct pf_slot s;
	int rc;

	bsd_slot_addrs(r->cf, slot, &s);
	if (pf_plan_make(&k->c, &s, from, to, &r->site, &p, e) < 0)
		return -1;
	for (int i = 0; judge && i < 2; i++)
		p.steps.v[p.steps.n++] = (struct pf_step){
			.kind = PF_KILL_BY_JUDGE, .keep = to, .again = i == 1
		};
	rc = run_plan(r, slot, &p, e);
	if (rc == 0) {
		k->slots[slot].loaded = to != NULL;
		mark(r, slot, &p);
	}
	pf_plan_fini(&p);
	return rc;
}

int
bsd_enforce(struct rules *r, uint32_t slot, struct err *e)
{
	struct bsd_slot *b = &r->k->slots[slot];

	if (!b->loaded)
		return bsd_empty(r, slot, e);
	return change(r, slot, NULL, &r->slots[slot].reach, true, e);
}

/* A state may be made while those that there are are killed: twice. */
static int
kill_all(struct rules *r, uint32_t slot, struct err *e)
{
	uint32_t killed = 0;
	struct pf_slot s;

	bsd_slot_addrs(r->cf, slot, &s);
	for (int i = 0; i < 2; i++) {
		const struct np_addr own[] = { s.sb4, s.sb6 };

		if (pf_kill_addrs(
			&r->k->d, own, r->cf->ipv6 ? 2 : 1, &killed, e) < 0)
			return -1;
	}
	return 0;
}

int
bsd_empty(struct rules *r, uint32_t slot, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct bsd_slot *b = &k->slots[slot];
	char anchor[PF_ANCHOR_NAME];

	pf_anchor_name(slot, anchor);
	if (pf_load(&k->d, anchor, "", 0, k->c.freebsd, e) < 0)
		return -1;
	b->loaded = false;
	b->passed = b->denied = 0;
	guard_mark(k, slot);
	return kill_all(r, slot, e);
}

static const struct np_reach *
reach_there(const struct rules *r, uint32_t slot)
{
	return r->k->slots[slot].loaded ? &r->slots[slot].reach : NULL;
}

static bool
is_surprise(const struct err *e)
{
	return e->kind == ERR_SYS &&
	       (e->sys_errno == ESRCH || e->sys_errno == ENOENT);
}

static int
apply(struct rules *r, struct rules_want *w, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];

	if (w->birth && !s->fresh && rules_kernel_clear(r, w->slot, e) < 0)
		return -1;
	if (change(r, w->slot, reach_there(r, w->slot), &w->reach, false, e) ==
	    0)
		return 0;
	if (!is_surprise(e))
		return -1;
	/* Somebody took the table away: all of it again. */
	log_warn("rules.surprise slot=%u err=\"%s\"", w->slot, e->msg);
	return change(r, w->slot, NULL, &w->reach, true, e);
}

int
rules_kernel_apply(
    struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];

	if (count_revoked(s, w, revoked, e) < 0 || apply(r, w, e) < 0)
		return -1;
	s->gen = r->max_gen = w->gen;
	s->fresh = false;
	swap(&s->reach, &w->reach);
	return 0;
}

/* No rules first, so that nothing new comes while states are killed. */
int
rules_kernel_clear(struct rules *r, uint32_t slot, struct err *e)
{
	struct rules_slot *s = &r->slots[slot];

	if (s->gen == 0 && s->fresh && !r->k->slots[slot].loaded)
		return 0;
	if (bsd_empty(r, slot, e) < 0)
		return -1;
	np_reach_fini(&s->reach);
	np_reach_init(&s->reach);
	s->gen = 0;
	s->fresh = true;
	return 0;
}

/* A rule that is loaded is live: nothing can be put there ahead of that. */
int
rules_kernel_prepare(struct rules *r, struct rules_want *w, struct err *e)
{
	(void)r;
	(void)w;
	(void)e;
	return 0;
}
