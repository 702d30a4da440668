/* reach.c - all that a sandbox may reach, and what of it was taken away. */
#include <stdlib.h>

#include "ok.h"

void
np_reach_init(struct np_reach *r)
{
	*r = (struct np_reach){ .ok4 = { .family = NP_V4 },
		.ok6 = { .family = NP_V6 } };
}

void
np_reach_fini(struct np_reach *r)
{
	np_ok_fini(&r->ok4);
	np_ok_fini(&r->ok6);
	for (size_t i = 0; i < NP_NCLASSES; i++)
		free(r->ports[i].v);
	np_reach_init(r);
}

int
np_reach_make(
    const struct np_ir *ir, bool v6, struct np_reach *out, struct err *e)
{
	struct np_reach r;

	np_reach_init(&r);
	if (np_flatten(ir, NP_V4, &r.ok4, e) < 0 ||
	    (v6 && np_flatten(ir, NP_V6, &r.ok6, e) < 0) ||
	    np_ports_of(ir, r.ports, e) < 0) {
		np_reach_fini(&r);
		np_reach_init(out);
		return -1;
	}
	*out = r;
	return 0;
}

static const struct np_ports *
ports_of(const struct np_reach *r, enum np_class c)
{
	return c == NP_WHOLE ? &np_ports_all : &r->ports[c];
}

bool
np_reach_has(const struct np_reach *r, const struct np_flow *f)
{
	const struct np_ok_range *x =
	    np_ok_find(f->to.family == NP_V4 ? &r->ok4 : &r->ok6, f->to);

	return x != NULL &&
	       np_ports_has(ports_of(r, x->class), f->proto, f->port);
}

/* --- what is gone ----------------------------------------------------------
 */

/* NP_NCLASSES stands for an address that b does not reach at all. */
static size_t
pair(enum np_class a, size_t b)
{
	return (size_t)a * (NP_NCLASSES + 1) + b;
}

static int
take(struct np_ok *out, const struct np_ok_range *a, struct np_range range,
    size_t b, const struct np_ports *ports, struct err *e)
{
	struct np_ok_range gone = { range, a->origin,
		(enum np_class)pair(a->class, b) };

	if (range.lo > range.hi || ports[gone.class].n == 0)
		return 0;
	return np_ok_add(out, &gone, true, e);
}

/* r without what b[*j...] passes; *j moves up to what may matter next. */
static int
subtract(const struct np_ok_range *r, const struct np_ok *b, size_t *j,
    struct np_ok *out, const struct np_ports *ports, struct err *e)
{
	np_u128 lo = r->range.lo;
	const np_u128 hi = r->range.hi;

	while (*j < b->n && b->v[*j].range.hi < lo)
		(*j)++;
	for (size_t k = *j; k < b->n && b->v[k].range.lo <= hi; k++) {
		const struct np_range *x = &b->v[k].range;
		struct np_range both = { x->lo > lo ? x->lo : lo,
			x->hi < hi ? x->hi : hi };

		if (x->lo > lo &&
		    take(out, r, (struct np_range){ lo, x->lo - 1 },
			NP_NCLASSES, ports, e) < 0)
			return -1;
		if (take(out, r, both, b->v[k].class, ports, e) < 0)
			return -1;
		if (x->hi >= hi)
			return 0;
		lo = x->hi + 1;
	}
	return take(out, r, (struct np_range){ lo, hi }, NP_NCLASSES, ports, e);
}

static int
family(const struct np_ok *a, const struct np_ok *b, struct np_ok *out,
    const struct np_ports *ports, struct err *e)
{
	size_t j = 0;

	out->family = a->family;
	for (size_t i = 0; i < a->n; i++)
		if (subtract(&a->v[i], b, &j, out, ports, e) < 0)
			return -1;
	return 0;
}

static int
lists(const struct np_reach *a, const struct np_reach *b, struct np_ports *out,
    struct err *e)
{
	const struct np_ports none = { 0 };

	for (size_t i = 0; i < NP_NCLASSES; i++)
		for (size_t k = 0; k <= NP_NCLASSES; k++)
			if (np_ports_minus(ports_of(a, (enum np_class)i),
				k == NP_NCLASSES
				    ? &none
				    : ports_of(b, (enum np_class)k),
				&out[pair((enum np_class)i, k)], e) < 0)
				return -1;
	return 0;
}

void
np_gone_fini(struct np_gone *g)
{
	np_ok_fini(&g->gone4);
	np_ok_fini(&g->gone6);
	for (size_t i = 0; i < NP_NGONE; i++)
		free(g->ports[i].v);
	*g = (struct np_gone){ .gone4 = { .family = NP_V4 },
		.gone6 = { .family = NP_V6 } };
}

int
np_revoked(const struct np_reach *a, const struct np_reach *b,
    struct np_gone *out, struct err *e)
{
	struct np_gone g = { 0 };

	if (lists(a, b, g.ports, e) < 0 ||
	    family(&a->ok4, &b->ok4, &g.gone4, g.ports, e) < 0 ||
	    family(&a->ok6, &b->ok6, &g.gone6, g.ports, e) < 0) {
		np_gone_fini(&g);
		*out = g;
		return -1;
	}
	*out = g;
	return 0;
}

bool
np_gone_has(const struct np_gone *g, const struct np_flow *f)
{
	const struct np_ok_range *x =
	    np_ok_find(f->to.family == NP_V4 ? &g->gone4 : &g->gone6, f->to);

	return x != NULL &&
	       np_ports_has(&g->ports[x->class], f->proto, f->port);
}

static void
name(struct np_ok *ok, const struct np_ports *ports, const struct np_ir *ir)
{
	for (size_t i = 0; i < ok->n; i++) {
		const struct np_port_box *b = &ports[ok->v[i].class].v[0];
		struct np_flow f = { { ok->v[i].range.lo, ok->family }, b->lo,
			b->proto_lo };

		ok->v[i].origin = np_judge(ir, &f)->origin;
	}
}

void
np_gone_name(struct np_gone *g, const struct np_ir *ir)
{
	name(&g->gone4, g->ports, ir);
	name(&g->gone6, g->ports, ir);
}
