#include <stdlib.h>

#include "pass.h"

static bool
same_kind(const struct np_rule *a, const struct np_rule *b)
{
	/* Rules for ports are for every address: nothing to join. */
	return a->verdict == b->verdict && a->origin.src == b->origin.src &&
	       a->origin.src != NP_SRC_PORTS;
}

/* Within a run of one kind the order is free: whoever matches says the same. */
static int
by_place(const void *a, const void *b)
{
	const struct np_rule *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->to.lo != y->to.lo)
		return x->to.lo < y->to.lo ? -1 : 1;
	if (x->to.hi != y->to.hi)
		return x->to.hi > y->to.hi ? -1 : 1; /* the wider first */
	return x->origin.item < y->origin.item ? -1 : 1;
}

static bool
touches(const struct np_rule *a, const struct np_rule *b)
{
	/* hi + 1 at the last address is 0, or the first IPv6 bit too many;
	 * b->to.lo is neither, unless it overlaps anyway */
	return a->family == b->family &&
	       (b->to.lo <= a->to.hi || b->to.lo == a->to.hi + 1);
}

/* Sorts the run v[0..n) and joins it in place; how many are left. */
static size_t
merge_run(struct np_rule *v, size_t n)
{
	size_t out = 0;

	qsort(v, n, sizeof(*v), by_place);
	for (size_t i = 1; i < n; i++) {
		if (!touches(&v[out], &v[i]))
			v[++out] = v[i];
		else if (v[i].to.hi > v[out].to.hi)
			v[out].to.hi = v[i].to.hi;
	}
	return out + 1;
}

int
np_pass_merge(struct np_ir *ir, struct err *e)
{
	const size_t before = ir->n;
	size_t out = 0;

	(void)e;
	for (size_t i = 0, end; i < before; i = end) {
		size_t left;

		for (end = i + 1; end < before; end++)
			if (!same_kind(&ir->v[i], &ir->v[end]))
				break;
		left = merge_run(ir->v + i, end - i);
		for (size_t k = 0; k < left; k++)
			ir->v[out++] = ir->v[i + k];
	}
	ir->n = out;
	return (int)(before - out);
}
