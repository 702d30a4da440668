#include "pf/freebsd/apply.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/* --- judging -------------------------------------------------------------- */

/* States that must go, as they are found. */
struct doomed {
	const struct pf_plan *p;
	const struct np_reach *keep;
	const struct pf_step *step; /* its selectors, in place of keep */
	struct pf_state_id *v;
	size_t n, cap;
};

static int
doom(struct doomed *x, const struct pf_state *s, struct err *e)
{
	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? 64 : x->cap * 2;
		struct pf_state_id *v = realloc(x->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu states", cap);
		x->v = v;
		x->cap = cap;
	}
	x->v[x->n++] = (struct pf_state_id){ s->id, s->creator };
	return 0;
}

static bool
same_addr(struct np_addr a, struct np_addr b)
{
	return a.family == b.family && a.n == b.n;
}

static bool
is_own(const struct pf_plan *p, struct np_addr a)
{
	return same_addr(a, a.family == NP_V4 ? p->sb4 : p->sb6);
}

static bool
is_translated(const struct pf_state *s)
{
	return !same_addr(s->wire.addr[1], s->stack.addr[1]) ||
	       s->wire.port[1] != s->stack.port[1];
}

/* For ICMP the kernel keeps identifier and type where others have ports. */
static uint16_t
port_of(const struct pf_state *s, const struct pf_key *k, size_t end)
{
	switch (s->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return k->port[end];
	default:
		return 0;
	}
}

/* The flow as the sandbox sees it; false: not one of its policy. */
static bool
flow_of(const struct pf_plan *p, const struct pf_state *s, struct np_flow *out)
{
	bool in = s->dir == PFM_IN;
	const struct pf_key *k = in ? &s->wire : &s->stack;
	size_t own = in ? 0 : 1;

	if (!is_own(p, k->addr[own]))
		return false;
	if (in && (strcmp(s->ifname, p->ifname) != 0 || is_translated(s)))
		return false;
	*out = (struct np_flow){ k->addr[1 - own], port_of(s, k, 1 - own),
		s->proto };
	return true;
}

static bool
selects(const struct pf_selector *x, const struct np_flow *f)
{
	return x->family == f->to.family &&
	       (x->proto == 0 || x->proto == f->proto) &&
	       np_prefix_has(&x->to, f->to) && x->lo <= f->port &&
	       f->port <= x->hi;
}

static int
on_state(void *arg, const struct pf_state *s, struct err *e)
{
	struct doomed *x = arg;
	struct np_flow f;

	if (x->p == NULL)
		return doom(x, s, e);
	if (x->step == NULL)
		return !flow_of(x->p, s, &f) || np_reach_has(x->keep, &f)
			   ? 0
			   : doom(x, s, e);
	if (!flow_of(x->p, s, &f))
		return 0;
	for (size_t i = 0; i < x->step->nsel; i++)
		if (selects(&x->step->sel[i], &f))
			return doom(x, s, e);
	return 0;
}

/* One walk for each address; what is gone by then is no loss. */
static int
sweep(struct pf_dev *d, const struct np_addr *v, size_t n, struct doomed *x,
    uint32_t *killed, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct np_prefix one = { v[i].n, v[i].family,
			v[i].family == NP_V4 ? 32 : 128 };

		rc = pf_states_of(&d->nl, &one, on_state, x, e);
	}
	if (rc == 0 && x->n > 0)
		rc = pf_kill_ids(d, x->v, x->n, killed, e);
	free(x->v);
	return rc;
}

static int
sweep_plan(struct pf_dev *d, const struct pf_plan *p, struct doomed *x,
    uint32_t *killed, struct err *e)
{
	const struct np_addr own[] = { p->sb4, p->sb6 };

	return sweep(d, own, p->v6 ? 2 : 1, x, killed, e);
}

int
pf_kill_addrs(struct pf_dev *d, const struct np_addr *v, size_t n,
    uint32_t *killed, struct err *e)
{
	struct doomed x = { .p = NULL };

	return sweep(d, v, n, &x, killed, e);
}

struct strays {
	struct doomed x;
	const struct np_prefix *p;
	bool (*stays)(void *arg, struct np_addr a);
	void *arg;
};

static int
on_stray(void *arg, const struct pf_state *s, struct err *e)
{
	struct strays *y = arg;
	const struct np_addr ends[] = { s->wire.addr[0], s->wire.addr[1],
		s->stack.addr[0], s->stack.addr[1] };

	for (size_t i = 0; i < countof(ends); i++)
		if (np_prefix_has(y->p, ends[i]) && y->stays(y->arg, ends[i]))
			return 0;
	return doom(&y->x, s, e);
}

int
pf_kill_strays(struct pf_dev *d, const struct np_prefix *p,
    bool (*stays)(void *arg, struct np_addr a), void *arg, uint32_t *killed,
    struct err *e)
{
	struct strays y = { .p = p, .stays = stays, .arg = arg };
	int rc = pf_states_of(&d->nl, p, on_stray, &y, e);

	if (rc == 0 && y.x.n > 0)
		rc = pf_kill_ids(d, y.x.v, y.x.n, killed, e);
	free(y.x.v);
	return rc;
}

/* --- steps ---------------------------------------------------------------- */

static bool
is_about(const struct pf_step *s, enum np_family f)
{
	for (size_t i = 0; i < s->nsel; i++)
		if (s->sel[i].family == f)
			return true;
	return false;
}

/*
 * Not by the kernel's own filter: that takes the lock of each of its hash's
 * 131,072 rows, for each selector.  A list passes empty rows by, and what it
 * finds is looked up by id; both ends of a translation have our address.
 */
static int
kill_states(struct pf_dev *d, const struct pf_plan *p, const struct pf_step *s,
    uint32_t *killed, struct err *e)
{
	struct doomed x = { .p = p, .step = s };
	struct np_addr own[2];
	size_t n = 0;

	if (is_about(s, NP_V4))
		own[n++] = p->sb4;
	if (p->v6 && is_about(s, NP_V6))
		own[n++] = p->sb6;
	return sweep(d, own, n, &x, killed, e);
}

static int
step(struct pf_dev *d, const struct pf_conf *c, const struct pf_plan *p,
    const struct pf_step *s, uint32_t *killed, struct err *e)
{
	struct doomed x = { .p = p, .keep = s->keep };

	switch (s->kind) {
	case PF_TABLE_REPLACE:
		return pf_table_set(
		    d, p->anchor, s->table, s->addrs.v, s->addrs.n, e);
	case PF_ANCHOR_LOAD:
		return pf_load(
		    d, p->anchor, s->text.data, s->text.len, c->freebsd, e);
	case PF_KILL_STATES:
		return kill_states(d, p, s, killed, e);
	case PF_KILL_BY_JUDGE:
		return sweep_plan(d, p, &x, killed, e);
	case PF_KILL_SRC_NODES:
		return 0; /* no rule of ours makes any */
	}
	return err_set(e, ERR_BUG, "pf step %d", (int)s->kind);
}

static int
steps(struct pf_dev *d, const struct pf_conf *c, const struct pf_plan *p,
    const struct pf_steps *v, size_t *done, uint32_t *killed, struct err *e)
{
	for (*done = 0; *done < v->n; ++*done)
		if (step(d, c, p, &v->v[*done], killed, e) < 0)
			return -1;
	return 0;
}

int
pf_apply(struct pf_dev *d, const struct pf_conf *c, const struct pf_plan *p,
    struct pf_applied *out, struct err *e)
{
	struct err again = { 0 };
	size_t done;

	*out = (struct pf_applied){ .undone = true };
	if (steps(d, c, p, &p->steps, &done, &out->killed, e) == 0)
		return 0;
	/* The first step is all or nothing. */
	if (done > 0 &&
	    steps(d, c, p, &p->undo, &done, &out->killed, &again) < 0) {
		out->undone = false;
		return err_wrap(e, "and the way back: %s", again.msg);
	}
	return -1;
}
