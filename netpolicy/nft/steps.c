#include "nft/steps.h"

#include <stdlib.h>

#include "base/own.h"
#include "ok.h"

/*
 * One family on its way: what the sets hold before, between and after, each
 * with ranges that do not overlap.
 */
struct way {
	struct np_ok ok[3], some[3];
};

enum { BEFORE, BETWEEN, AFTER };

static void
way_init(struct way *w, enum np_family f)
{
	for (size_t i = 0; i < countof(w->ok); i++)
		w->ok[i] = w->some[i] = (struct np_ok){ .family = f };
}

static void
way_fini(struct way *w)
{
	for (size_t i = 0; i < countof(w->ok); i++) {
		np_ok_fini(&w->ok[i]);
		np_ok_fini(&w->some[i]);
	}
}

/* Puts each range where it belongs, under what its class is called. */
static int
sort_out(const struct np_ok *from, const enum np_class names[NP_NCLASSES],
    struct np_ok *ok, struct np_ok *some, struct err *e)
{
	for (size_t i = 0; i < from->n; i++) {
		struct np_ok_range r = from->v[i];

		r.class = names[r.class];
		if (np_ok_add(r.class == NP_WHOLE ? ok : some, &r, false, e) <
		    0)
			return -1;
	}
	return 0;
}

/* A piece of src, joined to the last piece if that was of src, too. */
struct pieces {
	struct np_ok *to;
	const struct np_ok_range *src;
};

static int
add_piece(struct pieces *p, const struct np_ok_range *src,
    struct np_range range, struct err *e)
{
	struct np_ok_range r = *src;

	if (p->src == src && p->to->v[p->to->n - 1].range.hi + 1 == range.lo) {
		p->to->v[p->to->n - 1].range.hi = range.hi;
		return 0;
	}
	r.range = range;
	p->src = src;
	return np_ok_add(p->to, &r, false, e);
}

/* The range of ok that holds `at`, from *i on, or NULL; *end: up to where. */
static const struct np_ok_range *
look(const struct np_ok *ok, size_t *i, np_u128 at, np_u128 *end)
{
	while (*i < ok->n && ok->v[*i].range.hi < at)
		(*i)++;
	if (*i == ok->n)
		return NULL;
	if (ok->v[*i].range.lo > at) {
		if (ok->v[*i].range.lo - 1 < *end)
			*end = ok->v[*i].range.lo - 1;
		return NULL;
	}
	if (ok->v[*i].range.hi < *end)
		*end = ok->v[*i].range.hi;
	return &ok->v[*i];
}

/*
 * What the sets hold between the two steps: all that was there, as it was, and
 * what is new.
 */
static int
between(struct way *w, struct err *e)
{
	const np_u128 last = np_last(w->ok[0].family);
	struct pieces ok = { &w->ok[BETWEEN], NULL };
	struct pieces some = { &w->some[BETWEEN], NULL };
	size_t at_ok[2] = { 0 }, at_some[2] = { 0 };

	for (np_u128 at = 0;; at++) {
		np_u128 end = last;
		const struct np_ok_range *ok0 =
		    look(&w->ok[BEFORE], &at_ok[0], at, &end);
		const struct np_ok_range *ok1 =
		    look(&w->ok[AFTER], &at_ok[1], at, &end);
		const struct np_ok_range *some0 =
		    look(&w->some[BEFORE], &at_some[0], at, &end);
		const struct np_ok_range *some1 =
		    look(&w->some[AFTER], &at_some[1], at, &end);
		struct np_range r = { at, end };

		if (ok0 != NULL || ok1 != NULL)
			if (add_piece(&ok, ok0 != NULL ? ok0 : ok1, r, e) < 0)
				return -1;
		if (some0 != NULL || some1 != NULL)
			if (add_piece(
				&some, some0 != NULL ? some0 : some1, r, e) < 0)
				return -1;
		if (end == last)
			return 0;
		at = end;
	}
}

/* Is any address in both, as different kinds? */
static bool
changes_kind(const struct np_ok *a, const struct np_ok *b,
    const enum np_class names[NP_NCLASSES])
{
	size_t j = 0;

	for (size_t i = 0; i < a->n; i++) {
		while (j < b->n && b->v[j].range.hi < a->v[i].range.lo)
			j++;
		for (size_t k = j;
		     k < b->n && b->v[k].range.lo <= a->v[i].range.hi; k++)
			if (a->v[i].class != names[b->v[k].class])
				return true;
	}
	return false;
}

static int
join(struct np_ok *to, struct np_ok *from, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < from->n && rc == 0; i++)
		rc = np_ok_add(to, &from->v[i], false, e);
	np_ok_fini(from);
	return rc;
}

static int
difference(const struct way *w, int from, int to, struct np_ok *del,
    struct np_ok *add, struct err *e)
{
	const enum np_family f = w->ok[0].family;
	struct np_ok del2 = { .family = f }, add2 = { .family = f };

	if (np_delta(&w->ok[from], &w->ok[to], del, add, e) < 0 ||
	    np_delta(&w->some[from], &w->some[to], &del2, &add2, e) < 0)
		return -1;
	if (join(del, &del2, e) < 0) {
		np_ok_fini(&add2);
		return -1;
	}
	return join(add, &add2, e);
}

static int
one_family(const struct np_ok *old, const struct np_ok *new,
    const enum np_class names[NP_NCLASSES], struct nft_steps *s, struct err *e)
{
	static const enum np_class as_is[NP_NCLASSES] = { NP_WHOLE, NP_BUT,
		NP_ONLY };
	const bool v4 = old->family == NP_V4;
	struct np_ok *del[2], *add[2];
	struct way w;
	int rc = -1;

	for (size_t i = 0; i < 2; i++) {
		del[i] = v4 ? &s->step[i].del4 : &s->step[i].del6;
		add[i] = v4 ? &s->step[i].add4 : &s->step[i].add6;
	}
	way_init(&w, old->family);
	if (sort_out(old, as_is, &w.ok[BEFORE], &w.some[BEFORE], e) < 0 ||
	    sort_out(new, names, &w.ok[AFTER], &w.some[AFTER], e) < 0)
		goto out;
	if (!s->two) {
		rc = difference(&w, BEFORE, AFTER, del[0], add[0], e);
		goto out;
	}
	rc = between(&w, e);
	if (rc == 0)
		rc = difference(&w, BEFORE, BETWEEN, del[0], add[0], e);
	if (rc == 0)
		rc = difference(&w, BETWEEN, AFTER, del[1], add[1], e);
out:
	way_fini(&w);
	return rc;
}

/* Which lists stay, come and go; names: what a new range's class is called. */
static void
name_lists(const struct np_reach *old, const uint32_t ids[NP_NCLASSES],
    const struct np_reach *new, uint32_t gen, struct nft_steps *s,
    enum np_class names[NP_NCLASSES])
{
	names[NP_WHOLE] = NP_WHOLE;
	for (size_t c = NP_BUT; c < NP_NCLASSES; c++) {
		const size_t fresh = c + NFT_NEW_BUT - NP_BUT;
		const bool is = ids[c] != 0;
		const bool wanted = nft_uses(new, (enum np_class)c);

		names[c] = (enum np_class)c;
		s->ids[c] = ids[c];
		if (is && wanted &&
		    np_ports_same(&old->ports[c], &new->ports[c])) {
			s->becomes[c] = ids[c];
			continue;
		}
		if (is)
			s->goes[c] = &old->ports[c];
		if (wanted) {
			names[c] = (enum np_class)fresh;
			s->ids[fresh] = nft_class_id(gen, (enum np_class)c);
			s->becomes[c] = s->ids[fresh];
			s->comes[fresh] = &new->ports[c];
		}
	}
}

void
nft_steps_fini(struct nft_steps *s)
{
	for (size_t i = 0; i < countof(s->step); i++) {
		np_ok_fini(&s->step[i].del4);
		np_ok_fini(&s->step[i].add4);
		np_ok_fini(&s->step[i].del6);
		np_ok_fini(&s->step[i].add6);
	}
}

int
nft_steps_make(const struct np_reach *old, const uint32_t ids[NP_NCLASSES],
    const struct np_reach *new, uint32_t gen, struct nft_steps *out,
    struct err *e)
{
	const struct nft_step empty = {
		.del4 = { .family = NP_V4 },
		.add4 = { .family = NP_V4 },
		.del6 = { .family = NP_V6 },
		.add6 = { .family = NP_V6 },
	};
	struct nft_steps s = { .step = { empty, empty } };
	enum np_class names[NP_NCLASSES];

	name_lists(old, ids, new, gen, &s, names);
	s.two = changes_kind(&old->ok4, &new->ok4, names) ||
		changes_kind(&old->ok6, &new->ok6, names);
	if (one_family(&old->ok4, &new->ok4, names, &s, e) < 0 ||
	    one_family(&old->ok6, &new->ok6, names, &s, e) < 0) {
		nft_steps_fini(&s);
		*out = (struct nft_steps){ .step = { empty, empty } };
		return -1;
	}
	*out = s;
	return 0;
}
