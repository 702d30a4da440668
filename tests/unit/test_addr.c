#include "link/addr.h"

#include <string.h>

#include "tests/t.h"

static void
a_pair_for_each_slot(void)
{
	struct np_prefix net4, net6;
	char text[NP_ADDR_TEXT];
	struct link_addr a;

	CHECK(np_prefix_parse("10.78.0.0/16", &net4) == 0);
	CHECK(np_prefix_parse("fd77::/64", &net6) == 0);
	link_addr(1, &net4, &net6, &a);
	CHECK(strcmp(a.name, "cop1") == 0);
	CHECK(strcmp(np_addr_text(a.host4, text), "10.78.0.2") == 0);
	CHECK(strcmp(np_addr_text(a.sb4, text), "10.78.0.3") == 0);
	CHECK(strcmp(np_addr_text(a.host6, text), "fd77::2") == 0);
	CHECK(strcmp(np_addr_text(a.sb6, text), "fd77::3") == 0);
	CHECK(
	    memcmp(a.host_mac, "\x02\xc0\x71\x00\x00\x01", LINK_MAC_LEN) == 0);
	CHECK(memcmp(a.sb_mac, "\x02\xc0\x70\x00\x00\x01", LINK_MAC_LEN) == 0);

	link_addr(16383, &net4, &net6, &a);
	CHECK(strcmp(a.name, "cop16383") == 0);
	CHECK(strcmp(np_addr_text(a.sb4, text), "10.78.127.255") == 0);
	CHECK(strcmp(np_addr_text(a.sb6, text), "fd77::7fff") == 0);
	CHECK(memcmp(a.sb_mac, "\x02\xc0\x70\x00\x3f\xff", LINK_MAC_LEN) == 0);
}

static void
no_more_slots_than_addresses(void)
{
	struct np_prefix net4;

	CHECK(np_prefix_parse("10.78.0.0/16", &net4) == 0);
	CHECK(link_slots_max(&net4) == 16383);
	CHECK(np_prefix_parse("10.0.0.0/8", &net4) == 0);
	CHECK(link_slots_max(&net4) == 16383);
	CHECK(np_prefix_parse("10.78.0.0/24", &net4) == 0);
	CHECK(link_slots_max(&net4) == 127);
	CHECK(np_prefix_parse("10.78.0.0/30", &net4) == 0);
	CHECK(link_slots_max(&net4) == 1);
}

static void
slots_share_nothing(void)
{
	struct link_addr a, b = { 0 };
	struct np_prefix net4;

	CHECK(np_prefix_parse("192.168.8.0/22", &net4) == 0);
	for (uint32_t i = 1; i < link_slots_max(&net4); i++) {
		link_addr(i, &net4, NULL, &a);
		link_addr(i + 1, &net4, NULL, &b);
		if (b.host4.n != a.sb4.n + 1 || a.sb4.n != a.host4.n + 1 ||
		    a.host4.n % 2 != 0)
			CHECK(!"neighbouring slots overlap");
	}
	CHECK(b.sb4.n == net4.addr + 1023);
}

int
main(void)
{
	a_pair_for_each_slot();
	no_more_slots_than_addresses();
	slots_share_nothing();
	return t_end();
}
