#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ir.h"

void
np_ir_fini(struct np_ir *ir)
{
	free(ir->v);
	*ir = (struct np_ir){ 0 };
}

static void
add(struct np_ir *ir, enum np_verdict verdict, enum np_family f,
    struct np_range to, struct np_origin why)
{
	ir->v[ir->n++] = (struct np_rule){
		.to = to, .family = f, .verdict = verdict, .origin = why
	};
}

static void
add_all(struct np_ir *ir, enum np_verdict verdict, struct np_origin why)
{
	add(ir, verdict, NP_V4, (struct np_range){ 0, np_last(NP_V4) }, why);
	add(ir, verdict, NP_V6, (struct np_range){ 0, np_last(NP_V6) }, why);
}

/*
 * Wide before narrow, then by address: whatever order the client wrote them
 * in, and however often, the first that matches is the same prefix.
 */
static int
by_width(const void *a, const void *b)
{
	const struct np_entry *x = *(const struct np_entry *const *)a;
	const struct np_entry *y = *(const struct np_entry *const *)b;

	if (x->prefix.family != y->prefix.family)
		return x->prefix.family < y->prefix.family ? -1 : 1;
	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	if (x->prefix.addr != y->prefix.addr)
		return x->prefix.addr < y->prefix.addr ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

static int
add_list(struct np_ir *ir, const struct np_list *l, enum np_verdict verdict,
    enum np_src src, struct err *e)
{
	autofree const struct np_entry **v = calloc(l->n + 1, sizeof(*v));

	if (v == NULL)
		return err_sys(e, "%zu entries", l->n);
	for (size_t i = 0; i < l->n; i++)
		v[i] = &l->v[i];
	qsort(v, l->n, sizeof(*v), by_width);
	for (size_t i = 0; i < l->n; i++) {
		const struct np_prefix *p = &v[i]->prefix;
		struct np_origin why = { src, v[i]->item };

		/* All of IPv4 means everything: nobody asks for half a wall */
		if (p->family == NP_V4 && p->len == 0)
			add_all(ir, verdict, why);
		else
			add(ir, verdict, p->family, np_prefix_range(p), why);
	}
	return 0;
}

/* In the order of ports: what is written twice is decided by the same. */
static int
by_port(const void *a, const void *b)
{
	const struct np_port *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi > y->hi ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

static int
add_ports(struct np_ir *ir, const struct np_policy *p, struct err *e)
{
	autofree struct np_port *v = calloc(p->nports + 1, sizeof(*v));

	if (v == NULL)
		return err_sys(e, "%zu ports", p->nports);
	if (p->nports > 0)
		memcpy(v, p->ports, p->nports * sizeof(*v));
	qsort(v, p->nports, sizeof(*v), by_port);
	for (size_t i = 0; i < p->nports; i++) {
		add_all(ir, v[i].deny ? NP_DROP : NP_PASS,
		    (struct np_origin){ NP_SRC_PORTS, v[i].item });
		for (size_t k = 1; k <= 2; k++) {
			ir->v[ir->n - k].proto = v[i].proto;
			ir->v[ir->n - k].port_lo = v[i].lo;
			ir->v[ir->n - k].port_hi = v[i].hi;
		}
	}
	return 0;
}

static bool
denies_all(const struct np_list *deny)
{
	for (size_t i = 0; i < deny->n; i++)
		if (deny->v[i].prefix.family == NP_V4 &&
		    deny->v[i].prefix.len == 0)
			return true;
	return false;
}

static int
lower(const struct np_policy *p, const struct np_site *s, struct np_ir *ir,
    struct err *e)
{
	for (uint32_t i = 0; i < s->n; i++)
		add(ir, NP_DROP, s->v[i].family, s->v[i].range,
		    (struct np_origin){ NP_SRC_SITE, i });
	if (add_list(ir, &p->allow, NP_PASS, NP_SRC_ALLOW, e) < 0 ||
	    add_ports(ir, p, e) < 0)
		return -1;
	if (p->no_internet)
		add_all(
		    ir, NP_DROP, (struct np_origin){ NP_SRC_NOINTERNET, 0 });
	if (add_list(ir, &p->deny, NP_DROP, NP_SRC_DENY, e) < 0)
		return -1;
	/* A caller without the client's text may have the flag alone. */
	if (p->deny_all && !denies_all(&p->deny))
		add_all(ir, NP_DROP, (struct np_origin){ NP_SRC_DENY, 0 });
	add_all(ir, NP_PASS, (struct np_origin){ NP_SRC_DEFAULT, 0 });
	return 0;
}

int
np_lower(const struct np_policy *p, const struct np_site *s, struct np_ir *out,
    struct err *e)
{
	/* An entry may stand for both families; 6 are for everything. */
	size_t cap = s->n + 2 * (p->allow.n + p->deny.n + p->nports) + 6;
	struct np_ir ir = { calloc(cap, sizeof(*ir.v)), 0, cap };

	if (ir.v == NULL)
		return err_sys(e, "%zu rules", cap);
	if (lower(p, s, &ir, e) < 0) {
		np_ir_fini(&ir);
		return -1;
	}
	*out = ir;
	return 0;
}
