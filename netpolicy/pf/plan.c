/* plan.c - which steps lead from one policy to the next. */
#include "pf/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum { TEXT_MAX = 64 * 1024 * 1024, RANGE_PREFIXES = 254 };

static const enum np_class classes[] = { NP_WHOLE, NP_BUT, NP_ONLY };

/* What is planned: one direction of it. */
struct way {
	const struct pf_conf *c;
	const struct pf_slot *slot;
	const struct np_reach *from, *to;
	const struct np_site *site;
	struct pf_steps *out;
};

static struct pf_step *
add(struct way *w, enum pf_step_kind kind)
{
	struct pf_step *s = &w->out->v[w->out->n++];

	*s = (struct pf_step){ .kind = kind };
	buf_init(&s->text, TEXT_MAX);
	return s;
}

static void
steps_fini(struct pf_steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].addrs.v);
		buf_fini(&s->v[i].text);
	}
	s->n = 0;
}

/* --- the rules ------------------------------------------------------------ */

static int
rules_of(
    const struct way *w, const struct np_reach *r, struct buf *b, struct err *e)
{
	struct pf_slot s = *w->slot;

	s.reach = r;
	return pf_emit_rules(b, w->c, &s, e);
}

static int
same_rules(const struct way *w, bool *same, struct err *e)
{
	struct buf a, b;
	int rc;

	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	rc = rules_of(w, w->from, &a, e);
	if (rc == 0)
		rc = rules_of(w, w->to, &b, e);
	*same = a.len == b.len &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
	buf_fini(&a);
	buf_fini(&b);
	return rc;
}

static int
addrs_of(const struct way *w, const struct np_reach *r, enum np_class class,
    struct pf_addrs *out, struct err *e)
{
	if (pf_table_addrs(w->c, r, class, out, e) < 0)
		return -1;
	if (out->n <= PF_REQUEST_MAX)
		return 0;
	err_set(e, ERR_TOOBIG,
	    "pf table <%s> of slot %u would hold %zu CIDRs, and pf takes %d at "
	    "once: deny or allow fewer, wider ranges",
	    pf_table_name(class), w->slot->slot, out->n, PF_REQUEST_MAX);
	free(out->v);
	*out = (struct pf_addrs){ .n = 0 };
	return -1;
}

/* *now: what it will hold, for the caller to free. */
static int
changes(const struct way *w, enum np_class class, struct pf_addrs *now,
    bool *changed, struct err *e)
{
	struct pf_addrs old;

	if (addrs_of(w, w->to, class, now, e) < 0)
		return -1;
	if (addrs_of(w, w->from, class, &old, e) < 0) {
		/* The one that is in force was taken once */
		free(now->v);
		return -1;
	}
	*changed = old.n != now->n;
	for (size_t i = 0; !*changed && i < old.n; i++)
		*changed = old.v[i].family != now->v[i].family ||
			   old.v[i].addr != now->v[i].addr ||
			   old.v[i].len != now->v[i].len;
	free(old.v);
	return 0;
}

static int
load_anchor(struct way *w, struct err *e)
{
	struct pf_slot s = *w->slot;
	struct pf_step *step = add(w, PF_ANCHOR_LOAD);

	s.reach = w->to;
	return pf_emit_anchor(&step->text, w->c, &s, w->site, e);
}

/*
 * Of two tables that change, one would be seen before the other: an address
 * that moves between them would be in none for a moment.
 */
static int
plan_rules(struct way *w, struct err *e)
{
	struct pf_addrs now[countof(classes)] = { { .n = 0 } };
	size_t n = 0, last = 0;
	bool same, changed;
	int rc = same_rules(w, &same, e);

	for (size_t i = 0; i < countof(classes) && rc == 0; i++) {
		rc = changes(w, classes[i], &now[i], &changed, e);
		if (rc < 0) {
			now[i].v = NULL;
			break;
		}
		n += changed;
		last = changed ? i : last;
	}
	if (rc == 0 && (!same || n > 1)) {
		rc = load_anchor(w, e);
	} else if (rc == 0 && n == 1) {
		struct pf_step *s = add(w, PF_TABLE_REPLACE);

		s->table = pf_table_name(classes[last]);
		s->addrs = now[last];
		now[last].v = NULL;
	}
	for (size_t i = 0; i < countof(classes); i++)
		free(now[i].v);
	return rc;
}

/* --- the states ----------------------------------------------------------- */

static void
kill_twice(struct way *w, const struct pf_step *kill)
{
	*add(w, kill->kind) = *kill;
	*add(w, kill->kind) = *kill;
	w->out->v[w->out->n - 1].again = true;
}

/* False: it cannot be said, or not in so few. */
static bool
select_box(
    struct pf_step *s, const struct np_prefix *to, const struct np_port_box *b)
{
	bool any = b->proto_lo == 0 && b->proto_hi == UINT8_MAX;

	/* 0 is pf's word for any protocol */
	if (!any && b->proto_lo == 0)
		return false;
	for (unsigned p = b->proto_lo; p <= b->proto_hi; p++) {
		if (s->nsel == PF_SELECTORS_MAX)
			return false;
		s->sel[s->nsel++] = (struct pf_selector){ to->family,
			any ? 0 : (uint8_t)p, *to, b->lo, b->hi };
		if (any)
			return true;
	}
	return true;
}

static bool
select_range(struct pf_step *s, const struct np_ok_range *r, enum np_family f,
    const struct np_ports *ports)
{
	struct np_prefix to[RANGE_PREFIXES];
	size_t n = np_range_prefixes(r->range, f, to, countof(to));

	for (size_t i = 0; i < n && i < countof(to); i++)
		for (size_t k = 0; k < ports->n; k++)
			if (!select_box(s, &to[i], &ports->v[k]))
				return false;
	return true;
}

/* The resolver's states have its address, and are no flows of the policy. */
static bool
select_family(struct pf_step *s, const struct np_ok *gone,
    const struct np_ports *ports, struct np_addr resolver)
{
	if (np_ok_find(gone, resolver) != NULL)
		return false;
	for (size_t i = 0; i < gone->n; i++)
		if (!select_range(
			s, &gone->v[i], gone->family, &ports[gone->v[i].class]))
			return false;
	return true;
}

static int
plan_kills(struct way *w, struct err *e)
{
	struct pf_step s = { .kind = PF_KILL_STATES };
	struct np_gone gone;

	if (np_revoked(w->from, w->to, &gone, e) < 0)
		return -1;
	if (!w->c->v6)
		gone.gone6.n = 0; /* no such packet ever passed */
	if (gone.gone4.n + gone.gone6.n > 0) {
		if (!select_family(
			&s, &gone.gone4, gone.ports, w->c->resolver4) ||
		    !select_family(
			&s, &gone.gone6, gone.ports, w->c->resolver6))
			s = (struct pf_step){ .kind = PF_KILL_BY_JUDGE,
				.keep = w->to };
		kill_twice(w, &s);
	}
	np_gone_fini(&gone);
	return 0;
}

/* All that the sandbox has, the resolver's included. */
static void
plan_close(struct way *w)
{
	struct pf_step s = { .kind = PF_KILL_STATES, .nsel = 2 };

	s.sel[0] =
	    (struct pf_selector){ NP_V4, 0, { 0, NP_V4, 0 }, 0, UINT16_MAX };
	s.sel[1] =
	    (struct pf_selector){ NP_V6, 0, { 0, NP_V6, 0 }, 0, UINT16_MAX };
	kill_twice(w, &s);
	(void)add(w, PF_KILL_SRC_NODES);
}

static int
plan_way(struct way *w, struct err *e)
{
	if (plan_rules(w, e) < 0)
		return -1;
	if (w->from == NULL)
		return 0; /* there was no way to have a state */
	if (w->to == NULL) {
		plan_close(w);
		return 0;
	}
	return plan_kills(w, e);
}

void
pf_plan_fini(struct pf_plan *p)
{
	steps_fini(&p->steps);
	steps_fini(&p->undo);
}

int
pf_plan_make(const struct pf_conf *c, const struct pf_slot *slot,
    const struct np_reach *from, const struct np_reach *to,
    const struct np_site *site, struct pf_plan *out, struct err *e)
{
	struct pf_plan p = { .sb4 = slot->sb4,
		.sb6 = slot->sb6,
		.resolver4 = c->resolver4,
		.resolver6 = c->resolver6,
		.v6 = c->v6 };
	struct way there = { c, slot, from, to, site, &p.steps };
	struct way back = { c, slot, to, from, site, &p.undo };
	int rc = plan_way(&there, e);

	pf_anchor_name(slot->slot, p.anchor);
	pf_if_name(slot->slot, p.ifname);
	if (rc == 0 && p.steps.n > 0)
		rc = plan_way(&back, e);
	if (rc < 0)
		pf_plan_fini(&p);
	*out = p;
	return rc;
}
