#include "t.h"

#include <string.h>

#include "ir.h"
#include "site.h"

static struct np_prefix
prefix(const char *s)
{
	struct np_prefix p = { 0 };

	CHECK(np_prefix_parse(s, &p) == 0);
	return p;
}

static const struct np_site_range *
find(const struct np_site *s, const char *text)
{
	struct np_addr a = { 0 };

	CHECK(np_addr_parse(text, &a) == 0);
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].family == a.family && s->v[i].range.lo <= a.n &&
		    a.n <= s->v[i].range.hi)
			return &s->v[i];
	return NULL;
}

static bool
in_order(const struct np_site *s)
{
	for (size_t i = 1; i < s->n; i++) {
		const struct np_site_range *a = &s->v[i - 1], *b = &s->v[i];

		if (a->family > b->family)
			return false;
		if (a->family == b->family && a->range.hi >= b->range.lo)
			return false;
	}
	return true;
}

static void
test_builtin(struct err *e)
{
	static const char *const denied[] = { "0.0.0.0", "0.255.255.255",
		"10.0.0.1", "10.78.0.1", "10.255.255.255", "100.64.0.1",
		"100.100.100.200", "100.127.255.255", "127.0.0.1",
		"168.63.129.16", "169.254.169.254", "172.16.0.1",
		"172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1",
		"198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "::", "::1", "64:ff9b::808:808",
		"64:ff9b:1::1", "2001::1", "2002:808:808::1", "fc00::1",
		"fd00:ec2::254", "fd77::1", "fe80::1", "fec0::1", "ff02::1" };
	static const char *const open[] = { "1.1.1.1", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "168.63.129.15",
		"168.63.129.17", "172.15.255.255", "172.32.0.0", "192.0.1.0",
		"198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2001:db8::1", "2001:1::", "2003::1", "2606:4700::1" };
	struct np_site s;

	np_site_init(&s);
	CHECK(np_site_builtin(&s, e) == 0);
	CHECK(in_order(&s));
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		CHECK(find(&s, denied[i]) != NULL);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		CHECK(find(&s, open[i]) == NULL);
	np_site_fini(&s);
}

static void
test_operator(struct err *e)
{
	struct np_prefix wide = prefix("8.0.0.0/6"),
			 hole = prefix("10.9.0.0/16"),
			 all6 = prefix("8000::/1"), top = prefix("255.0.0.0/8");
	char text[NP_ORIGIN_TEXT];
	struct np_site s;
	size_t n;

	np_site_init(&s);
	CHECK(np_site_builtin(&s, e) == 0);
	CHECK(np_site_deny(&s, &wide, 14, e) == 0);
	CHECK(in_order(&s));
	/* who denied it first is named */
	CHECK(find(&s, "10.1.1.1")->src == NP_SITE_BUILTIN);
	CHECK(find(&s, "9.9.9.9")->src == NP_SITE_OPERATOR);
	CHECK(find(&s, "11.9.9.9")->line == 14);
	CHECK(
	    strcmp(np_origin_text((struct np_origin){ NP_SRC_SITE,
				      (uint32_t)(find(&s, "11.9.9.9") - s.v) },
		       &s, text),
		"coppiced.conf:14") == 0);

	CHECK(np_site_carve(&s, &hole, e) == 0);
	CHECK(in_order(&s));
	CHECK(find(&s, "10.9.0.0") == NULL);
	CHECK(find(&s, "10.9.255.255") == NULL);
	CHECK(find(&s, "10.8.255.255") != NULL);
	CHECK(find(&s, "10.10.0.0") != NULL);

	/* a hole can be closed again, in part or whole */
	CHECK(np_site_deny(&s, &hole, 15, e) == 0);
	CHECK(find(&s, "10.9.0.0")->line == 15);
	CHECK(in_order(&s));

	n = s.n;
	CHECK(np_site_deny(&s, &hole, 16, e) == 0);
	CHECK(s.n == n);

	/* up to the last address of either family */
	CHECK(np_site_deny(&s, &all6, 17, e) == 0);
	CHECK(find(&s, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") != NULL);
	CHECK(find(&s, "f000::")->line == 17);
	CHECK(np_site_carve(&s, &top, e) == 0);
	CHECK(find(&s, "255.255.255.255") == NULL);
	CHECK(find(&s, "254.255.255.255") != NULL);
	CHECK(np_site_carve(&s, &all6, e) == 0);
	CHECK(find(&s, "fd00:ec2::254") == NULL);
	CHECK(find(&s, "10.0.0.1") != NULL);
	CHECK(in_order(&s));
	np_site_fini(&s);
	CHECK(s.n == 0 && s.v == NULL);
}

int
main(void)
{
	struct err e = { 0 };

	test_builtin(&e);
	test_operator(&e);
	return t_end();
}
