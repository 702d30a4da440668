/* The promises of the compiler, on random policies. */
#include "t.h"

#include "pass.h"
#include "test_policy_gen.h"

enum { ROUNDS = 3000, FLOWS = 40 };

static bool
disjoint(const struct np_ok *ok)
{
	for (size_t i = 0; i < ok->n; i++) {
		if (ok->v[i].range.lo > ok->v[i].range.hi ||
		    ok->v[i].range.hi > np_last(ok->family))
			return false;
		if (i > 0 && ok->v[i - 1].range.hi >= ok->v[i].range.lo)
			return false;
	}
	return true;
}

/* "adjacent ones with the same origin are one" */
static bool
joined(const struct np_ok *ok)
{
	for (size_t i = 1; i < ok->n; i++) {
		const struct np_ok_range *a = &ok->v[i - 1], *b = &ok->v[i];

		if (a->range.hi + 1 == b->range.lo && a->class == b->class &&
		    a->origin.src == b->origin.src &&
		    a->origin.item == b->origin.item)
			return false;
	}
	return true;
}

static bool
same_reach(const struct np_reach *a, const struct np_reach *b)
{
	return same_ok(&a->ok4, &b->ok4) && same_ok(&a->ok6, &b->ok6) &&
	       np_ports_same(&a->ports[NP_BUT], &b->ports[NP_BUT]) &&
	       np_ports_same(&a->ports[NP_ONLY], &b->ports[NP_ONLY]);
}

/* --- flatten says what judge says ----------------------------------------- */

static bool
agrees(const struct gen_made *m)
{
	for (int i = 0; i < FLOWS; i++) {
		struct np_flow f = gen_flow(&m->ir);
		const struct np_rule *r = np_judge(&m->ir, &f);

		if (r == NULL || (r->verdict == NP_PASS) != gen_ok_has(m, &f))
			return false;
	}
	return disjoint(&m->reach.ok4) && disjoint(&m->reach.ok6) &&
	       joined(&m->reach.ok4) && joined(&m->reach.ok6);
}

/* --- judge says what docs/policy.md says ---------------------------------- */

static bool
listed(char v[GEN_ENTRIES][NP_PREFIX_TEXT], uint32_t n, struct np_addr a)
{
	for (uint32_t i = 0; i < n; i++) {
		struct np_prefix p;

		if (strcmp(v[i], "0.0.0.0/0") == 0)
			return true; /* all traffic, of both families */
		if (np_prefix_parse(v[i], &p) == 0 && np_prefix_has(&p, a))
			return true;
	}
	return false;
}

/* From the text alone, without any of the compiler's structures. */
static enum np_src
specified(struct gen_lists *l, const struct np_site *s, const struct np_flow *f,
    bool *pass)
{
	const struct np_addr a = f->to;

	*pass = false;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].family == a.family && s->v[i].range.lo <= a.n &&
		    a.n <= s->v[i].range.hi)
			return NP_SRC_SITE;
	if (listed(l->allow, l->nallow, a)) {
		*pass = true;
		return NP_SRC_ALLOW;
	}
	for (uint32_t i = 0; i < l->nports; i++)
		if (l->ports[i].proto == f->proto &&
		    l->ports[i].lo <= f->port && f->port <= l->ports[i].hi) {
			*pass = !l->ports[i].deny;
			return NP_SRC_PORTS;
		}
	if (l->no_internet)
		return NP_SRC_NOINTERNET;
	if (listed(l->deny, l->ndeny, a))
		return NP_SRC_DENY;
	*pass = true;
	return NP_SRC_DEFAULT;
}

static bool
as_specified(
    struct gen_lists *l, const struct np_site *s, const struct gen_made *m)
{
	for (int i = 0; i < FLOWS; i++) {
		struct np_flow f = gen_flow(&m->ir);
		bool pass;
		enum np_src want = specified(l, s, &f, &pass);

		if (np_judge(&m->ir, &f)->origin.src != want ||
		    gen_passes(m, &f) != pass)
			return false;
	}
	return true;
}

/* --- always denied stays denied ------------------------------------------- */

static bool
site_wins(const struct gen_made *m, const struct np_site *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct np_site_range *x = &s->v[i];
		np_u128 span = x->range.hi - x->range.lo;
		np_u128 at[3] = { x->range.lo, x->range.hi, x->range.lo };

		if (span > 0)
			at[2] +=
			    gen_rnd() % (span > 1u << 30 ? 1u << 30 : span);
		for (int k = 0; k < 3; k++) {
			struct np_flow f = gen_flow(&m->ir);

			f.to = (struct np_addr){ at[k], x->family };
			if (gen_ok_has(m, &f) || gen_passes(m, &f) ||
			    np_judge(&m->ir, &f)->origin.src != NP_SRC_SITE)
				return false;
		}
	}
	return true;
}

/* --- order and duplicates ------------------------------------------------- */

static void
shuffle(char v[GEN_ENTRIES][NP_PREFIX_TEXT], uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = gen_below(i);
		char t[NP_PREFIX_TEXT];

		memcpy(t, v[i - 1], sizeof(t));
		memcpy(v[i - 1], v[j], sizeof(t));
		memcpy(v[j], t, sizeof(t));
	}
}

static void
repeat(char v[GEN_ENTRIES][NP_PREFIX_TEXT], uint32_t *n)
{
	if (*n == 0 || *n == GEN_ENTRIES)
		return;
	memcpy(v[*n], v[gen_below(*n)], NP_PREFIX_TEXT);
	(*n)++;
}

static bool
order_free(const struct gen_lists *l, const struct np_site *s,
    const struct gen_made *m, struct err *e)
{
	struct gen_lists other = *l;
	struct gen_made x = { 0 };
	bool same;

	repeat(other.allow, &other.nallow);
	repeat(other.deny, &other.ndeny);
	shuffle(other.allow, other.nallow);
	shuffle(other.deny, other.ndeny);
	if (other.nports > 1) {
		struct np_port first = other.ports[0];

		other.ports[0] = other.ports[other.nports - 1];
		other.ports[other.nports - 1] = first;
	}
	same =
	    gen_make(&other, s, &x, e) == 0 && same_reach(&m->reach, &x.reach);
	gen_unmake(&x);
	return same;
}

/* --- one entry more ------------------------------------------------------- */

/* No flow passes by `tight` that does not pass by `loose`. */
static bool
no_looser(const struct gen_made *tight, const struct gen_made *loose)
{
	for (int i = 0; i < FLOWS; i++) {
		const struct np_ir *ir = i % 2 ? &tight->ir : &loose->ir;
		struct np_flow f = gen_flow(ir);

		if (gen_ok_has(tight, &f) && !gen_ok_has(loose, &f))
			return false;
		if (gen_passes(tight, &f) && !gen_passes(loose, &f))
			return false;
	}
	return true;
}

static void
one_port_more(struct gen_lists *l, bool deny)
{
	struct np_port p = { gen_port(), 0, gen_below(2) ? 6 : 17, deny, 9 };

	p.hi = p.lo;
	if (l->nports < GEN_PORTS && !gen_clash(l->ports, l->nports, &p))
		l->ports[l->nports++] = p;
}

static bool
monotone(const struct gen_lists *l, const struct np_site *s,
    const struct gen_made *m, struct err *e)
{
	struct gen_lists more_allow = *l, more_deny = *l;
	struct gen_made a = { 0 }, d = { 0 };
	bool good;

	more_allow.nallow++;
	more_deny.ndeny++;
	one_port_more(&more_allow, false);
	one_port_more(&more_deny, true);
	good = gen_make(&more_allow, s, &a, e) == 0 &&
	       gen_make(&more_deny, s, &d, e) == 0 && no_looser(m, &a) &&
	       no_looser(&d, m);
	gen_unmake(&a);
	gen_unmake(&d);
	return good;
}

/* --- passes --------------------------------------------------------------- */

/* Merged: what touches and has one source is one. */
static bool
merged(const struct np_ok *ok)
{
	for (size_t i = 1; i < ok->n; i++)
		if (ok->v[i - 1].range.hi + 1 == ok->v[i].range.lo &&
		    ok->v[i - 1].class == ok->v[i].class &&
		    ok->v[i - 1].origin.src == ok->v[i].origin.src)
			return false;
	return true;
}

/* Neither passes what the other does not. */
static bool
equal(const struct np_reach *a, const struct np_reach *b, struct err *e)
{
	struct np_gone g;
	bool same;

	if (np_revoked(a, b, &g, e) < 0)
		return false;
	same = g.gone4.n + g.gone6.n == 0;
	np_gone_fini(&g);
	if (np_revoked(b, a, &g, e) < 0)
		return false;
	same = same && g.gone4.n + g.gone6.n == 0;
	np_gone_fini(&g);
	return same;
}

/* A second time, a pass finds nothing more to do. */
static bool
settles(int (*pass)(struct np_ir *ir, struct err *e), struct np_ir *ir,
    struct err *e)
{
	if (pass(ir, e) < 0)
		return false;
	return pass(ir, e) == 0;
}

static bool
passes_keep(const struct gen_made *m, struct err *e)
{
	struct np_ir ir = m->ir;
	struct np_reach again;
	bool good = true;
	int which = (int)gen_below(3);

	ir.v = malloc(m->ir.n * sizeof(*ir.v));
	if (ir.v == NULL)
		return false;
	memcpy(ir.v, m->ir.v, m->ir.n * sizeof(*ir.v));
	if (which != 1)
		good = settles(np_pass_merge, &ir, e);
	if (which != 0)
		good = good && settles(np_pass_shadow, &ir, e);
	for (int i = 0; i < FLOWS && good; i++) {
		struct np_flow f = gen_flow(&m->ir);
		const struct np_rule *r = np_judge(&ir, &f);

		good = r != NULL &&
		       r->verdict == np_judge(&m->ir, &f)->verdict &&
		       r->origin.src == np_judge(&m->ir, &f)->origin.src;
	}
	good = good && ir.n <= m->ir.n;
	np_reach_init(&again);
	good = good && np_reach_make(&ir, true, &again, e) == 0 &&
	       equal(&again, &m->reach, e) && again.ok4.n <= m->reach.ok4.n;
	good = good && (which == 1 || merged(&again.ok4));
	np_reach_fini(&again);
	np_ir_fini(&ir);
	return good;
}

/* What is reached whatever the port, as entries of a list of allowed ones. */
static int
as_list(const struct np_ok *ok, struct np_policy *p)
{
	for (size_t i = 0; i < ok->n; i++) {
		struct np_prefix v[254];
		size_t n =
		    np_range_prefixes(ok->v[i].range, ok->family, v, 254);
		struct np_entry *to;

		if (ok->v[i].class != NP_WHOLE)
			continue;
		to = realloc(p->allow.v, (p->allow.n + n) * sizeof(*to));
		if (to == NULL)
			return -1;
		p->allow.v = to;
		for (size_t k = 0; k < n; k++)
			to[p->allow.n++] =
			    (struct np_entry){ v[k], (uint32_t)i };
	}
	return 0;
}

/*
 * What is reached, written as lists and compiled again, is the same; where
 * ports play a part, what is reached whatever the port is.
 */
static bool
canonical(const struct np_site *s, const struct np_reach *r, struct err *e)
{
	struct np_policy p = { .deny_all = true };
	struct np_ir ir = { 0 };
	struct np_reach again, part = *r;
	struct np_gone g = { 0 };
	bool good, all = r->ports[NP_BUT].n == 1 && r->ports[NP_ONLY].n == 0;

	np_reach_init(&again);
	good = as_list(&r->ok4, &p) == 0 && as_list(&r->ok6, &p) == 0 &&
	       np_lower(&p, s, &ir, e) == 0 && np_pass_merge(&ir, e) >= 0 &&
	       np_reach_make(&ir, true, &again, e) == 0 &&
	       np_revoked(&again, &part, &g, e) == 0 &&
	       g.gone4.n + g.gone6.n == 0 && (!all || equal(&again, r, e));
	np_gone_fini(&g);
	np_reach_fini(&again);
	np_ir_fini(&ir);
	np_policy_fini(&p);
	return good;
}

/* --- one policy after another --------------------------------------------- */

static bool
has_bounds(const struct np_ok *ok, const struct np_ok_range *r)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].range.lo == r->range.lo &&
		    ok->v[i].range.hi == r->range.hi &&
		    ok->v[i].class == r->class)
			return true;
	return false;
}

/* a - del + add has exactly b's bounds, and nothing is touched for nothing. */
static bool
delta_right(const struct np_ok *a, const struct np_ok *b, struct err *e)
{
	struct np_ok del = { .family = a->family },
		     add = { .family = a->family };
	bool good =
	    np_delta(a, b, &del, &add, e) == 0 && a->n - del.n + add.n == b->n;

	for (size_t i = 0; i < del.n && good; i++)
		good = has_bounds(a, &del.v[i]) && !has_bounds(b, &del.v[i]);
	for (size_t i = 0; i < add.n && good; i++)
		good = has_bounds(b, &add.v[i]) && !has_bounds(a, &add.v[i]);
	for (size_t i = 0; i < a->n && good; i++)
		good = has_bounds(&del, &a->v[i]) || has_bounds(b, &a->v[i]);
	np_ok_fini(&del);
	np_ok_fini(&add);
	return good;
}

static bool
revoked_right(const struct gen_made *a, const struct gen_made *b, struct err *e)
{
	struct np_gone g;
	bool good = np_revoked(&a->reach, &b->reach, &g, e) == 0 &&
		    disjoint(&g.gone4) && disjoint(&g.gone6);

	for (int i = 0; i < 2 * FLOWS && good; i++) {
		struct np_flow f = gen_flow(i % 2 ? &a->ir : &b->ir);
		bool want = gen_passes(a, &f) && !gen_passes(b, &f);

		good = np_gone_has(&g, &f) == want;
	}
	np_gone_fini(&g);
	return good;
}

static void
one_round(struct err *e)
{
	struct np_site s;
	struct gen_lists la, lb;
	struct gen_made a = { 0 }, b = { 0 };
	unsigned before = t_failed;

	gen_lists(&la);
	gen_lists(&lb);
	CHECK(gen_site(&s, e) == 0);
	CHECK(gen_make(&la, &s, &a, e) == 0);
	CHECK(gen_make(&lb, &s, &b, e) == 0);
	if (t_failed == before) {
		CHECK(agrees(&a));
		CHECK(as_specified(&la, &s, &a));
		CHECK(site_wins(&a, &s));
		CHECK(order_free(&la, &s, &a, e));
		CHECK(monotone(&la, &s, &a, e));
		CHECK(passes_keep(&a, e));
		CHECK(canonical(&s, &a.reach, e));
		CHECK(revoked_right(&a, &b, e));
		CHECK(delta_right(&a.reach.ok4, &b.reach.ok4, e));
		CHECK(delta_right(&a.reach.ok6, &b.reach.ok6, e));
	}
	gen_unmake(&a);
	gen_unmake(&b);
	np_site_fini(&s);
}

int
main(void)
{
	struct err e = { 0 };

	gen_start(7);
	for (int round = 0; round < ROUNDS && t_failed < 10; round++) {
		one_round(&e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	return t_end();
}
