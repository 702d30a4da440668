#include "site.h"

#include <stdlib.h>

#include "base/own.h"

/*
 * Not one of these is the public internet.  The host's own addresses need no
 * entry: the table's input chain refuses them.
 */
static const char *const builtin[] = {
	"0.0.0.0/8",	  /* this network */
	"10.0.0.0/8",	  /* private; our own pairs and resolver */
	"100.64.0.0/10",  /* carriers; some clouds' metadata */
	"127.0.0.0/8",	  /* loopback */
	"168.63.129.16",  /* one cloud's host agent */
	"169.254.0.0/16", /* link local; metadata */
	"172.16.0.0/12",  /* private */
	"192.0.0.0/24",	  /* protocol assignments */
	"192.168.0.0/16", /* private */
	"198.18.0.0/15",  /* benchmarks */
	"224.0.0.0/4",	  /* multicast */
	"240.0.0.0/4",	  /* reserved, and broadcast */
	"::/8",		  /* unspecified, loopback, IPv4 in disguise: mapped,
			     compatible, translated, NAT64 */
	"2001::/32",	  /* Teredo, likewise */
	"2002::/16",	  /* 6to4, likewise */
	"fc00::/7",	  /* unique local; fd00:ec2::254 */
	"fe80::/10",	  /* link local */
	"fec0::/10",	  /* site local, of old */
	"ff00::/8",	  /* multicast */
};

void
np_site_init(struct np_site *s)
{
	*s = (struct np_site){ 0 };
}

void
np_site_fini(struct np_site *s)
{
	free(s->v);
	np_site_init(s);
}

static int
by_place(const void *a, const void *b)
{
	const struct np_site_range *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return x->range.lo < y->range.lo ? -1 : x->range.lo > y->range.lo;
}

static bool
overlaps(const struct np_site_range *x, enum np_family f, struct np_range r)
{
	return x->family == f && x->range.lo <= r.hi && r.lo <= x->range.hi;
}

/* Replaces what *s holds; takes v. */
static void
replace(struct np_site *s, struct np_site_range *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_place);
	free(s->v);
	s->v = v;
	s->n = n;
}

/*
 * Ranges stay disjoint: only what nobody denies yet is added, so that the
 * first to deny an address is the one that is named.
 */
static int
deny(struct np_site *s, struct np_site_range new, struct err *e)
{
	struct np_site_range *v = calloc(2 * s->n + 1, sizeof(*v));
	struct np_range rest = new.range;
	bool open = true;
	size_t n = 0;

	if (v == NULL)
		return err_sys(e, "always denied ranges");
	for (size_t i = 0; i < s->n; i++) {
		const struct np_site_range *x = &s->v[i];

		v[n++] = *x;
		if (!open || !overlaps(x, new.family, rest))
			continue;
		if (rest.lo < x->range.lo) {
			v[n] = new;
			v[n++].range =
			    (struct np_range){ rest.lo, x->range.lo - 1 };
		}
		open = x->range.hi < rest.hi;
		if (open)
			rest.lo = x->range.hi + 1;
	}
	if (open) {
		v[n] = new;
		v[n++].range = rest;
	}
	replace(s, v, n);
	return 0;
}

int
np_site_deny(
    struct np_site *s, const struct np_prefix *p, uint32_t line, struct err *e)
{
	struct np_site_range new = { np_prefix_range(p), p->family,
		NP_SITE_OPERATOR, line };

	return deny(s, new, e);
}

int
np_site_builtin(struct np_site *s, struct err *e)
{
	for (size_t i = 0; i < countof(builtin); i++) {
		struct np_site_range new = { .src = NP_SITE_BUILTIN };
		struct np_prefix p;

		if (np_prefix_parse(builtin[i], &p) < 0)
			return err_set(
			    e, ERR_BUG, "built-in range %s", builtin[i]);
		new.range = np_prefix_range(&p);
		new.family = p.family;
		if (deny(s, new, e) < 0)
			return -1;
	}
	return 0;
}

int
np_site_carve(struct np_site *s, const struct np_prefix *p, struct err *e)
{
	struct np_site_range *v = calloc(2 * s->n + 1, sizeof(*v));
	const struct np_range hole = np_prefix_range(p);
	size_t n = 0;

	if (v == NULL)
		return err_sys(e, "always denied ranges");
	for (size_t i = 0; i < s->n; i++) {
		const struct np_site_range *x = &s->v[i];

		if (!overlaps(x, p->family, hole)) {
			v[n++] = *x;
			continue;
		}
		if (x->range.lo < hole.lo) {
			v[n] = *x;
			v[n++].range.hi = hole.lo - 1;
		}
		if (hole.hi < x->range.hi) {
			v[n] = *x;
			v[n++].range.lo = hole.hi + 1;
		}
	}
	replace(s, v, n);
	return 0;
}
