#include "sweep.h"

#include <stdlib.h>

#include "base/own.h"

/*
 * Rules that have begun and may not have ended, the first in the IR's order
 * on top.  One that has ended is dropped when it comes up.
 */
struct heap {
	const struct np_rule **v;
	size_t n;
};

static void
swap(const struct np_rule **a, const struct np_rule **b)
{
	const struct np_rule *t = *a;

	*a = *b;
	*b = t;
}

static void
push(struct heap *h, const struct np_rule *r)
{
	size_t i = h->n++;

	h->v[i] = r;
	for (; i > 0 && h->v[i] < h->v[(i - 1) / 2]; i = (i - 1) / 2)
		swap(&h->v[i], &h->v[(i - 1) / 2]);
}

static void
pop(struct heap *h)
{
	size_t i = 0;

	h->v[0] = h->v[--h->n];
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid + 1 < h->n && h->v[kid + 1] < h->v[kid])
			kid++;
		if (kid >= h->n || h->v[i] < h->v[kid])
			return;
		swap(&h->v[i], &h->v[kid]);
		i = kid;
	}
}

static int
by_start(const void *a, const void *b)
{
	const struct np_rule *x = *(const struct np_rule *const *)a;
	const struct np_rule *y = *(const struct np_rule *const *)b;

	return x->to.lo < y->to.lo ? -1 : x->to.lo > y->to.lo;
}

static size_t
starts(const struct np_ir *ir, enum np_family f, const struct np_rule **v)
{
	size_t n = 0;
	bool sorted = true;

	for (size_t i = 0; i < ir->n; i++) {
		if (ir->v[i].family != f || ir->v[i].origin.src == NP_SRC_PORTS)
			continue;
		v[n] = &ir->v[i];
		sorted = sorted && (n == 0 || v[n - 1]->to.lo <= v[n]->to.lo);
		n++;
	}
	if (!sorted)
		qsort(v, n, sizeof(*v), by_start);
	return n;
}

int
np_sweep(const struct np_ir *ir, enum np_family f, np_stretch_fn *fn, void *arg,
    struct err *e)
{
	autofree const struct np_rule **v = calloc(2 * ir->n + 1, sizeof(*v));
	const np_u128 last = np_last(f);
	struct heap h = { v == NULL ? NULL : v + ir->n, 0 };
	size_t n, i = 0;
	np_u128 at = 0;

	if (v == NULL)
		return err_sys(e, "%zu rules", ir->n);
	n = starts(ir, f, v);
	for (;;) {
		np_u128 end = last;

		while (i < n && v[i]->to.lo <= at)
			push(&h, v[i++]);
		while (h.n > 0 && h.v[0]->to.hi < at)
			pop(&h);
		if (i < n)
			end = v[i]->to.lo - 1;
		if (h.n > 0 && h.v[0]->to.hi < end)
			end = h.v[0]->to.hi;
		if (h.n > 0 &&
		    fn(arg, (struct np_range){ at, end }, h.v[0], e) < 0)
			return -1;
		if (end == last)
			return 0;
		at = end + 1;
	}
}
