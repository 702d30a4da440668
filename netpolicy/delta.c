#include "ir.h"
#include "ok.h"

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
	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	/* Of one address and two classes, the old one goes first. */
	return a->v[i].class == b->v[j].class ? 0 : -1;
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
			rc = np_ok_add(del, &a->v[i], false, e);
		else if (c > 0)
			rc = np_ok_add(add, &b->v[j], false, e);
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
