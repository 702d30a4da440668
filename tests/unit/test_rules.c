/* Records into what a sandbox may reach; and the arithmetic of slots. */
#include "ctl/priv/rules_int.h"
#include "ctl/site/site_conf.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "link/addr.h"
#include "tests/t.h"

static struct conf cf;
static struct rules r;

static struct rules_entry
entry(const char *text, uint32_t item)
{
	struct rules_entry x = { .item = item };
	struct np_prefix p = { 0 };

	CHECK(np_prefix_parse(text, &p) == 0);
	np_addr_bytes((struct np_addr){ p.addr, p.family }, x.addr);
	x.family = (uint8_t)p.family;
	x.len = p.len;
	return x;
}

static bool
reaches(const struct rules_want *w, const char *text)
{
	struct np_flow f = { .port = 443, .proto = IPPROTO_TCP };

	CHECK(np_addr_parse(text, &f.to) == 0);
	return np_reach_has(&w->reach, &f);
}

static void
test_policies(void)
{
	struct rules_entry v[2] = { entry("8.8.8.8", 0),
		entry("8.0.0.0/8", 0) };
	struct rules_apply a = { .slot = 3, .gen = 300, .birth = 1 };
	struct rules_want w;
	struct err e;

	CHECK(rules_compile(
		  &r, &(struct rules_body){ &a, NULL, NULL }, &w, &e) == 0);
	CHECK(w.slot == 3 && w.gen == 300 && w.birth);
	CHECK(reaches(&w, "8.8.8.8") && reaches(&w, "255.255.255.254") == 0);
	CHECK(!reaches(&w, "10.1.1.1") && !reaches(&w, "169.254.169.254"));
	CHECK(reaches(&w, "2606:4700::1") && !reaches(&w, "fd77::5"));
	rules_want_fini(&w);

	/* The first allows, the second denies; allow wins. */
	a.nallow = a.ndeny = 1;
	CHECK(rules_compile(&r, &(struct rules_body){ &a, v, NULL }, &w, &e) ==
	      0);
	CHECK(reaches(&w, "8.8.8.8") && !reaches(&w, "8.8.8.9"));
	CHECK(reaches(&w, "9.9.9.9"));
	rules_want_fini(&w);

	a.ndeny = 0;
	a.deny_all = 1;
	CHECK(rules_compile(&r, &(struct rules_body){ &a, v, NULL }, &w, &e) ==
	      0);
	CHECK(
	    w.reach.ok4.n == 1 && w.reach.ok6.n == 0 && reaches(&w, "8.8.8.8"));
	rules_want_fini(&w);

	a.deny_all = 0;
	a.no_internet = 1;
	a.nallow = 0;
	CHECK(rules_compile(&r, &(struct rules_body){ &a, v, NULL }, &w, &e) ==
	      0);
	CHECK(w.reach.ok4.n == 0 && w.reach.ok6.n == 0);
	rules_want_fini(&w);
}

static void
test_misfits(void)
{
	struct rules_apply a = { .slot = 1, .gen = 300, .nallow = 1 };
	const struct rules_entry good = entry("9.0.0.0/8", 0);
	struct rules_want w;
	struct err e;

	for (int i = 0; i < 5; i++) {
		struct rules_entry x = good;

		if (i == 0)
			x.family = 5;
		if (i == 1)
			x.len = 33;
		if (i == 2)
			x.addr[3] = 1; /* host bits */
		if (i == 3) {
			x.family = 6;
			x.len = 129;
		}
		if (i == 4)
			x.family = 0;
		e.kind = ERR_NONE;
		CHECK(rules_compile(&r, &(struct rules_body){ &a, &x, NULL },
			  &w, &e) < 0);
		CHECK(e.kind == ERR_BUG);
	}
}

/* Whatever the operator carves, sandboxes do not reach one another. */
static void
test_site(void)
{
	struct rules_apply a = { .slot = 1, .gen = 300 };
	struct np_site was = r.site;
	struct rules_want w;
	struct err e;

	cf.nsite_allow = 1;
	CHECK(np_prefix_parse("10.0.0.0/8", &cf.site_allow[0].prefix) == 0);
	cf.nsite_deny = 1;
	CHECK(np_prefix_parse("9.9.9.0/24", &cf.site_deny[0].prefix) == 0);
	CHECK(site_from_conf(&cf, &r.site, &e) == 0);
	CHECK(rules_compile(
		  &r, &(struct rules_body){ &a, NULL, NULL }, &w, &e) == 0);
	CHECK(reaches(&w, "10.1.1.1") && !reaches(&w, "10.78.0.3"));
	CHECK(!reaches(&w, "9.9.9.9") && reaches(&w, "9.9.8.9"));
	rules_want_fini(&w);
	np_site_fini(&r.site);
	r.site = was;
	cf.nsite_allow = cf.nsite_deny = 0;
}

static void
test_addresses(void)
{
	char text[NP_ADDR_TEXT];
	struct np_prefix small;
	struct link_addr x, y;

	link_addr(7, &cf.net4, &cf.net6, &x);
	CHECK(strcmp(x.name, "cop7") == 0);
	CHECK(strcmp(np_addr_text(x.host4, text), "10.78.0.14") == 0);
	CHECK(strcmp(np_addr_text(x.sb4, text), "10.78.0.15") == 0);
	CHECK(strcmp(np_addr_text(x.host6, text), "fd77::e") == 0);
	CHECK(strcmp(np_addr_text(x.sb6, text), "fd77::f") == 0);
	CHECK(memcmp(x.sb_mac, "\x02\xc0\x70\x00\x00\x07", 6) == 0);
	CHECK(memcmp(x.host_mac, "\x02\xc0\x71\x00\x00\x07", 6) == 0);
	link_addr(16383, &cf.net4, NULL, &y);
	CHECK(strcmp(y.name, "cop16383") == 0);
	CHECK(strcmp(np_addr_text(y.sb4, text), "10.78.127.255") == 0);
	CHECK(memcmp(y.sb_mac, "\x02\xc0\x70\x00\x3f\xff", 6) == 0);

	CHECK(link_slots_max(&cf.net4) == 16383);
	CHECK(np_prefix_parse("10.9.0.0/24", &small) == 0);
	CHECK(link_slots_max(&small) == 127);
	link_addr(127, &small, NULL, &y);
	CHECK(np_prefix_has(&small, y.sb4));
	CHECK(np_prefix_parse("10.9.0.0/31", &small) == 0);
	CHECK(link_slots_max(&small) == 0);
}

int
main(void)
{
	struct err e;

	conf_defaults(&cf);
	cf.ipv6 = true;
	r.cf = &cf;
	CHECK(site_from_conf(&cf, &r.site, &e) == 0);
	test_policies();
	test_misfits();
	test_site();
	test_addresses();
	np_site_fini(&r.site);
	return t_end();
}
