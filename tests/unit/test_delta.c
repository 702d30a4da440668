/* Ends of families, empty sets, and 10,000 entries in a few milliseconds. */
#include "t.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ir.h"
#include "pass.h"

static struct np_ok
make(enum np_family f, const struct np_range *v, size_t n)
{
	struct np_ok ok = { calloc(n + 1, sizeof(*ok.v)), n, n + 1, f };

	for (size_t i = 0; i < n; i++)
		ok.v[i] = (struct np_ok_range){ v[i],
			{ NP_SRC_ALLOW, (uint32_t)i }, NP_WHOLE };
	return ok;
}

static bool
is(const struct np_ok *ok, const struct np_range *v, size_t n)
{
	if (ok->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ok->v[i].range.lo != v[i].lo ||
		    ok->v[i].range.hi != v[i].hi)
			return false;
	return true;
}

/* Of one family, whatever the port. */
static int
gone6(const struct np_ok *a, const struct np_ok *b, struct np_ok *out,
    struct err *e)
{
	struct np_reach x, y;
	struct np_gone g;

	np_reach_init(&x);
	np_reach_init(&y);
	x.ok6 = *a;
	y.ok6 = *b;
	if (np_revoked(&x, &y, &g, e) < 0)
		return -1;
	*out = g.gone6;
	g.gone6 = (struct np_ok){ 0 };
	np_gone_fini(&g);
	return 0;
}

static void
test_ends(struct err *e)
{
	const np_u128 last = np_last(NP_V6);
	const struct np_range all[] = { { 0, last } };
	const struct np_range some[] = { { 0, 0 }, { 5, 9 }, { last, last } };
	const struct np_range rest[] = { { 1, 4 }, { 10, last - 1 } };
	struct np_ok a = make(NP_V6, all, 1), b = make(NP_V6, some, 3);
	struct np_ok none = { .family = NP_V6 }, r = { 0 }, del = { 0 },
		     add = { 0 };

	CHECK(gone6(&a, &b, &r, e) == 0 && is(&r, rest, 2));
	np_ok_fini(&r);
	CHECK(gone6(&b, &a, &r, e) == 0 && r.n == 0);
	np_ok_fini(&r);
	CHECK(gone6(&a, &none, &r, e) == 0 && is(&r, all, 1));
	np_ok_fini(&r);
	CHECK(gone6(&none, &a, &r, e) == 0 && r.n == 0);
	CHECK(r.family == NP_V6);
	np_ok_fini(&r);
	CHECK(np_delta(&a, &b, &del, &add, e) == 0);
	CHECK(is(&del, all, 1) && is(&add, some, 3));
	np_ok_fini(&del);
	np_ok_fini(&add);

	/* the origin alone is no reason to touch the kernel */
	b.v[1].origin.item = 99;
	CHECK(np_delta(&b, &b, &del, &add, e) == 0 && del.n + add.n == 0);
	CHECK(np_ok_find(&b, (struct np_addr){ last, NP_V6 }));
	CHECK(np_ok_find(&b, (struct np_addr){ 0, NP_V6 }));
	CHECK(!np_ok_find(&b, (struct np_addr){ 0, NP_V4 }));
	CHECK(!np_ok_find(&b, (struct np_addr){ 4, NP_V6 }));
	np_ok_fini(&a);
	np_ok_fini(&b);
}

static void
test_origins(struct err *e)
{
	static const char *const want[] = { "built in", "/network/allowOut/0",
		"/network/allowOut/2", "/network/denyOut/1",
		"nothing denies it" };
	static const char *const at[] = { "10.0.0.1", "8.8.8.8", "9.9.9.9",
		"1.1.1.1", "200.1.1.1" };
	struct np_policy p;
	struct np_site s;
	struct np_ir ir;

	np_policy_init(&p);
	np_site_init(&s);
	CHECK(np_site_builtin(&s, e) == 0);
	CHECK(np_policy_allow(&p, "8.8.8.0/24", 0, e) == 0);
	CHECK(np_policy_allow(&p, "8.8.8.8", 1, e) == 0);
	CHECK(np_policy_allow(&p, "9.0.0.0/8", 2, e) == 0);
	CHECK(np_policy_deny(&p, "9.9.9.9", 0, e) == 0);
	CHECK(np_policy_deny(&p, "1.0.0.0/8", 1, e) == 0);
	CHECK(np_lower(&p, &s, &ir, e) == 0);
	for (size_t i = 0; i < 5; i++) {
		char text[NP_ORIGIN_TEXT];
		struct np_flow f = { .proto = 6, .port = 80 };

		CHECK(np_addr_parse(at[i], &f.to) == 0);
		CHECK(
		    strcmp(np_origin_text(np_judge(&ir, &f)->origin, &s, text),
			want[i]) == 0);
	}
	np_ir_fini(&ir);

	/* a policy that came over a wire, without the client's text */
	np_policy_fini(&p);
	p.deny_all = true;
	CHECK(np_lower(&p, &s, &ir, e) == 0);
	CHECK(np_judge(&ir, &(struct np_flow){ { 0x01010101, NP_V4 }, 80, 6 })
		  ->verdict == NP_DROP);
	CHECK(np_judge(&ir,
		  &(struct np_flow){ { (np_u128)0x2606 << 112, NP_V6 }, 80, 6 })
		  ->verdict == NP_DROP);
	np_ir_fini(&ir);
	np_site_fini(&s);
}

/* Scattered /32s, so that nothing merges and nothing is in order. */
static int
many(struct np_policy *p, uint32_t salt, struct err *e)
{
	for (uint32_t i = 0; i < NP_LIST_MAX; i++) {
		struct np_addr a = { 0x0b000000 + i * 2654435761u % 0x40000000,
			NP_V4 };
		char text[NP_ADDR_TEXT];

		a.n ^= salt & (i % 2 ? 0xffffffffu : 0);
		if (np_policy_allow(p, np_addr_text(a, text), i, e) < 0)
			return -1;
	}
	return np_policy_deny(p, "0.0.0.0/0", 0, e);
}

static void
test_time(struct err *e)
{
	struct np_policy p, q;
	struct np_site s;
	struct np_ir ir = { 0 }, other = { 0 };
	struct np_ok del = { 0 }, add = { 0 };
	struct np_reach a, b;
	struct np_gone gone;
	struct mono t[6];

	np_policy_init(&p);
	np_policy_init(&q);
	np_site_init(&s);
	CHECK(np_site_builtin(&s, e) == 0);
	t[0] = mono_now();
	CHECK(many(&p, 0, e) == 0 && many(&q, 2, e) == 0);
	t[1] = mono_now();
	CHECK(np_lower(&p, &s, &ir, e) == 0);
	t[2] = mono_now();
	CHECK(np_reach_make(&ir, true, &a, e) == 0);
	t[3] = mono_now();
	CHECK(np_lower(&q, &s, &other, e) == 0);
	CHECK(np_pass_merge(&other, e) >= 0);
	CHECK(np_reach_make(&other, true, &b, e) == 0);
	t[4] = mono_now();
	CHECK(np_delta(&a.ok4, &b.ok4, &del, &add, e) == 0);
	CHECK(np_revoked(&a, &b, &gone, e) == 0);
	t[5] = mono_now();
	CHECK(a.ok4.n > 9000 && del.n > 4000 && gone.gone4.n > 4000);
	printf("# 10,000 entries: parse twice %.2f, lower %.2f, flatten %.2f, "
	       "delta and revoked %.2f ms\n",
	    (double)(t[1].ns - t[0].ns) / 1e6,
	    (double)(t[2].ns - t[1].ns) / 1e6,
	    (double)(t[3].ns - t[2].ns) / 1e6,
	    (double)(t[5].ns - t[4].ns) / 1e6);
	/* an order of magnitude, on a busy machine under a sanitizer */
	CHECK(mono_ms(t[2], t[3]) < 200 && mono_ms(t[4], t[5]) < 200);
	np_reach_fini(&a);
	np_reach_fini(&b);
	np_ok_fini(&del);
	np_ok_fini(&add);
	np_gone_fini(&gone);
	np_ir_fini(&ir);
	np_ir_fini(&other);
	np_policy_fini(&p);
	np_policy_fini(&q);
	np_site_fini(&s);
}

int
main(void)
{
	struct err e = { 0 };

	test_ends(&e);
	test_origins(&e);
	test_time(&e);
	return t_end();
}
