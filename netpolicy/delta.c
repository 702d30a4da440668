#include "ir.h"
#include "ok.h"

/* r without what b[*j...] holds; *j moves up to what may matter next. */
static int
subtract(const struct np_ok_range *r, const struct np_ok *b, size_t *j,
    struct np_ok *out, struct err *e)
{
	np_u128 lo = r->range.lo, hi = r->range.hi;

	while (*j < b->n && b->v[*j].range.hi < lo)
		(*j)++;
	for (size_t k = *j; k < b->n && b->v[k].range.lo <= hi; k++) {
		struct np_range gap = { lo, b->v[k].range.lo - 1 };

		if (b->v[k].range.lo > lo &&
		    np_ok_add(out, gap, r->origin, false, e) < 0)
			return -1;
		if (b->v[k].range.hi >= hi)
			return 0;
		lo = b->v[k].range.hi + 1;
	}
	return np_ok_add(out, (struct np_range){ lo, hi }, r->origin, false, e);
}

int
np_revoked(const struct np_ok *a, const struct np_ok *b, struct np_ok *out,
    struct err *e)
{
	struct np_ok ok = { .family = a->family };
	size_t j = 0;

	for (size_t i = 0; i < a->n; i++) {
		if (subtract(&a->v[i], b, &j, &ok, e) < 0) {
			np_ok_fini(&ok);
			return -1;
		}
	}
	*out = ok;
	return 0;
}

/* <0: a's next goes; >0: b's next comes; 0: it stays. */
static int
compare(const struct np_ok *a, size_t i, const struct np_ok *b, size_t j)
{
	const struct np_range *x, *y;

	if (i == a->n)
		return 1;
	if (j == b->n)
		return -1;
	x = &a->v[i].range;
	y = &b->v[j].range;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->hi == y->hi ? 0 : x->hi < y->hi ? -1 : 1;
}

static int
walk(const struct np_ok *a, const struct np_ok *b, struct np_ok *del,
    struct np_ok *add, struct err *e)
{
	size_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		int c = compare(a, i, b, j);
		int rc = 0;

		if (c < 0)
			rc = np_ok_add(
			    del, a->v[i].range, a->v[i].origin, false, e);
		else if (c > 0)
			rc = np_ok_add(
			    add, b->v[j].range, b->v[j].origin, false, e);
		if (rc < 0)
			return -1;
		i += c <= 0;
		j += c >= 0;
	}
	return 0;
}

int
np_delta(const struct np_ok *a, const struct np_ok *b, struct np_ok *del,
    struct np_ok *add, struct err *e)
{
	struct np_ok gone = { .family = a->family };
	struct np_ok new = { .family = a->family };

	if (walk(a, b, &gone, &new, e) < 0) {
		np_ok_fini(&gone);
		np_ok_fini(&new);
		return -1;
	}
	*del = gone;
	*add = new;
	return 0;
}
