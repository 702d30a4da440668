#include <stdlib.h>

#include "ir.h"
#include "ok.h"
#include "sweep.h"

void
np_ok_fini(struct np_ok *ok)
{
	free(ok->v);
	*ok = (struct np_ok){ .family = ok->family };
}

static bool
continues(const struct np_ok_range *last, struct np_range r, struct np_origin o)
{
	return last->range.hi + 1 == r.lo && last->origin.src == o.src &&
	       last->origin.item == o.item;
}

int
np_ok_add(struct np_ok *ok, struct np_range r, struct np_origin why, bool join,
    struct err *e)
{
	if (join && ok->n > 0 && continues(&ok->v[ok->n - 1], r, why)) {
		ok->v[ok->n - 1].range.hi = r.hi;
		return 0;
	}
	if (ok->n == ok->cap) {
		size_t cap = ok->cap == 0 ? 32 : ok->cap * 2;
		struct np_ok_range *v = realloc(ok->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu ranges", cap);
		ok->v = v;
		ok->cap = cap;
	}
	ok->v[ok->n++] = (struct np_ok_range){ r, why };
	return 0;
}

static int
take_stretch(
    void *arg, struct np_range range, const struct np_rule *r, struct err *e)
{
	if (r->verdict == NP_DROP)
		return 0;
	return np_ok_add(arg, range, r->origin, true, e);
}

int
np_flatten(
    const struct np_ir *ir, enum np_family f, struct np_ok *out, struct err *e)
{
	struct np_ok ok = { .family = f };

	if (np_sweep(ir, f, take_stretch, &ok, e) < 0) {
		np_ok_fini(&ok);
		return -1;
	}
	*out = ok;
	return 0;
}

bool
np_ok_has(const struct np_ok *ok, struct np_addr a)
{
	size_t lo = 0, hi = ok->n;

	if (a.family != ok->family)
		return false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ok->v[mid].range.hi < a.n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ok->n && ok->v[lo].range.lo <= a.n;
}
