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
continues(const struct np_ok_range *last, const struct np_ok_range *r)
{
	return last->range.hi + 1 == r->range.lo && last->class == r->class &&
	       last->origin.src == r->origin.src &&
	       last->origin.item == r->origin.item;
}

int
np_ok_add(
    struct np_ok *ok, const struct np_ok_range *r, bool join, struct err *e)
{
	if (join && ok->n > 0 && continues(&ok->v[ok->n - 1], r)) {
		ok->v[ok->n - 1].range.hi = r->range.hi;
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
	ok->v[ok->n++] = *r;
	return 0;
}

/* Where rules for ports begin, and whether they allow or deny any. */
struct flat {
	struct np_ok ok;
	const struct np_rule *ports; /* the first; NULL: none */
	bool allow, deny;
};

static int
take_stretch(
    void *arg, struct np_range range, const struct np_rule *r, struct err *e)
{
	struct flat *f = arg;
	struct np_ok_range new = { range, r->origin, NP_WHOLE };

	if (f->ports == NULL || r < f->ports) {
		if (r->verdict == NP_DROP)
			return 0;
	} else if (r->verdict == NP_PASS) {
		new.class = f->deny ? NP_BUT : NP_WHOLE;
	} else {
		if (!f->allow)
			return 0;
		new.class = NP_ONLY;
	}
	return np_ok_add(&f->ok, &new, true, e);
}

static void
look_at_ports(const struct np_ir *ir, struct flat *f)
{
	for (size_t i = ir->n; i > 0; i--) {
		const struct np_rule *r = &ir->v[i - 1];

		if (r->origin.src != NP_SRC_PORTS)
			continue;
		f->ports = r;
		f->allow = f->allow || r->verdict == NP_PASS;
		f->deny = f->deny || r->verdict == NP_DROP;
	}
}

int
np_flatten(
    const struct np_ir *ir, enum np_family f, struct np_ok *out, struct err *e)
{
	struct flat flat = { .ok = { .family = f } };

	look_at_ports(ir, &flat);
	if (np_sweep(ir, f, take_stretch, &flat, e) < 0) {
		np_ok_fini(&flat.ok);
		return -1;
	}
	*out = flat.ok;
	return 0;
}

const struct np_ok_range *
np_ok_find(const struct np_ok *ok, struct np_addr a)
{
	size_t lo = 0, hi = ok->n;

	if (a.family != ok->family)
		return NULL;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ok->v[mid].range.hi < a.n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ok->n && ok->v[lo].range.lo <= a.n ? &ok->v[lo] : NULL;
}
