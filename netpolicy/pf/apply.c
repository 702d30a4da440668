/* apply.c - a plan's steps, in the model. */
#include "pf/apply.h"

#include <string.h>

static int
load(struct pf_model *m, const struct pf_plan *p, const struct pf_step *s,
    struct err *e)
{
	struct pfm_text t = { p->anchor, s->text.data, s->text.len };

	return pf_model_load(m, &t, e);
}

static void
kill_states(
    struct pf_model *m, const struct pf_plan *p, const struct pf_step *s)
{
	for (size_t i = 0; i < s->nsel; i++) {
		const struct pf_selector *x = &s->sel[i];
		struct pfm_kill k = { .ifname = p->ifname,
			.family = x->family,
			.proto = x->proto,
			.dst = x->to,
			.lo = x->lo,
			.hi = x->hi,
			.match = true };

		(void)pf_model_kill(m, &k);
	}
}

static bool
is_own(const struct pf_plan *p, struct np_addr a)
{
	const struct np_addr *own = a.family == NP_V4 ? &p->sb4 : &p->sb6;

	return own->n == a.n;
}

static bool
is_translated(const struct pfm_state *s)
{
	return s->wire.addr[1].n != s->stack.addr[1].n ||
	       s->wire.port[1] != s->stack.port[1];
}

/* The flow as the sandbox sees it; false: not one of its policy. */
static bool
flow_of(const struct pf_plan *p, const struct pfm_state *s, struct np_flow *out)
{
	bool in = s->dir == PFM_IN;
	const struct pfm_key *k = in ? &s->wire : &s->stack;
	size_t own = in ? 0 : 1;

	if (!is_own(p, k->addr[own]))
		return false;
	if (in && (strcmp(s->ifname, p->ifname) != 0 || is_translated(s)))
		return false;
	*out = (struct np_flow){ k->addr[1 - own], k->port[1 - own], k->proto };
	return true;
}

static void
kill_by_judge(
    struct pf_model *m, const struct pf_plan *p, const struct np_reach *keep)
{
	for (size_t i = 0; i < pf_model_nstates(m);) {
		const struct pfm_state *s = pf_model_state(m, i);
		struct np_flow f;

		if (!flow_of(p, s, &f) || np_reach_has(keep, &f))
			i++;
		else
			(void)pf_model_kill_id(m, s->id);
	}
}

int
pf_model_step(struct pf_model *m, const struct pf_plan *p,
    const struct pf_step *s, struct err *e)
{
	switch (s->kind) {
	case PF_TABLE_REPLACE:
		return pf_model_set_table(
		    m, p->anchor, s->table, s->addrs.v, s->addrs.n, e);
	case PF_ANCHOR_LOAD:
		return load(m, p, s, e);
	case PF_KILL_STATES:
		kill_states(m, p, s);
		return 0;
	case PF_KILL_BY_JUDGE:
		kill_by_judge(m, p, s->keep);
		return 0;
	case PF_KILL_SRC_NODES:
		return 0; /* no rule of ours makes any */
	}
	return err_set(e, ERR_BUG, "pf step %d", (int)s->kind);
}

static int
apply(struct pf_model *m, const struct pf_plan *p, const struct pf_steps *s,
    size_t fail_at, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		if (i == fail_at)
			return err_set(e, ERR_SYS, "pf step %zu failed", i + 1);
		if (pf_model_step(m, p, &s->v[i], e) < 0)
			return -1;
	}
	return 0;
}

int
pf_model_apply(
    struct pf_model *m, const struct pf_plan *p, size_t fail_at, struct err *e)
{
	struct err again = { 0 };

	if (apply(m, p, &p->steps, fail_at, e) == 0)
		return 0;
	if (fail_at > 0 && apply(m, p, &p->undo, SIZE_MAX, &again) < 0)
		return err_wrap(e, "and the way back: %s", again.msg);
	return -1;
}
