#include "t.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/name.h"
#include "base/prefix.h"

static uint64_t rng = 88172645463325252u;

static uint64_t
rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static const char *
addr(const char *s)
{
	static char text[NP_ADDR_TEXT];
	struct np_addr a;

	return np_addr_parse(s, &a) < 0 ? "no" : np_addr_text(a, text);
}

static const char *
prefix(const char *s)
{
	static char text[NP_PREFIX_TEXT];
	struct np_prefix p;

	return np_prefix_parse(s, &p) < 0 ? "no" : np_prefix_text(&p, text);
}

static void
test_text(void)
{
	static const char *const rows[][2] = {
		{ "1.2.3.4", "1.2.3.4" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "0:0:0:0:0:0:0:1", "::1" },
		{ "2001:DB8::1", "2001:db8::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "1:0:0:0:0:0:0:0", "1::" },
		{ "::1:2", "::1:2" },
		{ "::ffff:1.2.3.4", "1.2.3.4" },
		{ "::ffff:102:304", "1.2.3.4" },
		{ "64:ff9b::1.2.3.4", "64:ff9b::102:304" },
		{ "", "no" },
		{ "010.0.0.1", "no" },
		{ "1.2.3", "no" },
		{ "0x7f.1", "no" },
		{ "2130706433", "no" },
		{ " 1.1.1.1", "no" },
		{ "1.1.1.1 ", "no" },
		{ "1.1.1.1\n", "no" },
		{ "256.0.0.1", "no" },
		{ "fe80::1%eth0", "no" },
		{ ":::", "no" },
		{ "1::2::3", "no" },
		{ "12345::", "no" },
		{ "[::1]", "no" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool same = strcmp(addr(rows[i][0]), rows[i][1]) == 0;

		if (!same)
			printf("# %s: %s\n", rows[i][0], addr(rows[i][0]));
		CHECK(same);
	}
}

static void
test_prefixes(void)
{
	static const char *const rows[][2] = {
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "10.1.2.3", "10.1.2.3" },
		{ "10.1.2.3/32", "10.1.2.3" },
		{ "1.2.3.4/0", "0.0.0.0/0" },
		{ "255.255.255.255/1", "128.0.0.0/1" },
		{ "fd00::1:2/127", "fd00::1:2"
				   "/127" },
		{ "ffff::/0", "::/0" },
		{ "2001:db8::ffff/64", "2001:db8::/64" },
		{ "::ffff:10.1.2.3/104", "10.0.0.0/8" },
		{ "::ffff:10.1.2.3/128", "10.1.2.3" },
		{ "::ffff:10.1.2.3/90", "::ffc0:0:0/90" },
		{ "10.0.0.0/33", "no" },
		{ "::/129", "no" },
		{ "10.0.0.0/", "no" },
		{ "10.0.0.0/08", "no" },
		{ "10.0.0.0/-1", "no" },
		{ "10.0.0.0/+8", "no" },
		{ "10.0.0.0/8/8", "no" },
		{ "10.0.0.0/255.0.0.0", "no" },
		{ "10.0.0.0/8 ", "no" },
		{ "10.0.0.0 /8", "no" },
		{ "/8", "no" },
		{ "10.0.0.0/4294967304", "no" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool same = strcmp(prefix(rows[i][0]), rows[i][1]) == 0;

		if (!same)
			printf("# %s: %s\n", rows[i][0], prefix(rows[i][0]));
		CHECK(same);
	}
}

static struct np_prefix
parsed(const char *s)
{
	struct np_prefix p = { 0 };

	CHECK(np_prefix_parse(s, &p) == 0);
	return p;
}

static void
test_top(void)
{
	struct np_prefix p = parsed("240.0.0.0/4"), q = parsed("8000::/1");

	CHECK(np_prefix_range(&p).hi == UINT32_MAX);
	CHECK(np_prefix_range(&q).hi == ~(np_u128)0);
	CHECK(np_prefix_has(&p, (struct np_addr){ UINT32_MAX, NP_V4 }));
	CHECK(!np_prefix_has(&p, (struct np_addr){ UINT32_MAX, NP_V6 }));
	p = parsed("1.2.3.4/0");
	q = parsed("255.255.255.255");
	CHECK(np_prefix_covers(&p, &q) && !np_prefix_covers(&q, &p));
	p.family = NP_V6;
	CHECK(!np_prefix_covers(&p, &q));
}

static void
test_bytes(void)
{
	const uint8_t six[16] = { 0x20, 1, 0x0d, 0xb8, [15] = 7 };
	uint8_t out[16] = { 0 };
	struct np_addr a = np_addr_from_bytes(NP_V6, six);

	np_addr_bytes(a, out);
	CHECK(memcmp(out, six, 16) == 0);
	a = np_addr_from_bytes(NP_V4, six);
	CHECK(a.n == 0x20010db8);
}

/* What inet_pton() reads from what we print is what we printed. */
static void
test_round_trip(void)
{
	bool same = true;

	for (int i = 0; i < 100000; i++) {
		struct np_addr a = { rnd(), NP_V4 }, b;
		char text[NP_ADDR_TEXT];
		uint8_t want[16], got[16];

		if (i % 2 != 0) {
			a.family = NP_V6;
			a.n = a.n << 64 | rnd();
			/* few groups that are not 0, for runs of them */
			for (unsigned g = 0; g < 8; g++)
				if (rnd() % 2 == 0)
					a.n &= ~((np_u128)0xffff << (16 * g));
			if (a.n >> 32 == 0xffff)
				continue;
		} else {
			a.n &= UINT32_MAX;
		}
		np_addr_text(a, text);
		np_addr_bytes(a, want);
		same = same &&
		       inet_pton(a.family == NP_V4 ? AF_INET : AF_INET6, text,
			   got) == 1 &&
		       memcmp(want, got, a.family == NP_V4 ? 4 : 16) == 0 &&
		       np_addr_parse(text, &b) == 0 && a.n == b.n;
	}
	CHECK(same);
}

static void
test_decompose(void)
{
	bool whole = true;
	size_t most = 0;

	for (int i = 0; i < 20000; i++) {
		enum np_family f = i % 2 == 0 ? NP_V4 : NP_V6;
		np_u128 a = (np_u128)rnd() << 64 | rnd(), b = rnd();
		struct np_range r;
		struct np_prefix v[260];
		np_u128 at;
		size_t n;

		b = (b << 64 | rnd()) >> rnd() % 100;
		a &= np_last(f);
		b &= np_last(f);
		r = (struct np_range){ a < b ? a : b, a < b ? b : a };
		n = np_range_prefixes(r, f, v, 260);
		at = r.lo;
		for (size_t k = 0; k < n; k++) {
			whole = whole && v[k].addr == at;
			at = np_prefix_range(&v[k]).hi + 1;
		}
		whole = whole && at == r.hi + 1;
		if (f == NP_V4 && n > most)
			most = n;
	}
	CHECK(whole);
	CHECK(most <= 62);

	struct np_prefix one;
	struct np_range worst = { 1, np_last(NP_V6) - 1 };

	CHECK(np_range_prefixes(
		  (struct np_range){ 0, np_last(NP_V6) }, NP_V6, &one, 1) == 1);
	CHECK(one.len == 0);
	CHECK(np_range_prefixes(worst, NP_V6, &one, 1) == 254);
	worst.hi = np_last(NP_V4) - 1;
	CHECK(np_range_prefixes(worst, NP_V4, &one, 1) == 62);
}

static void
test_names(void)
{
	static const char *const good[] = { "example.org", "*.example.org", "*",
		"a", "_dmarc.example.org", "xn--bcher-kva.example",
		"EXAMPLE.org", "example.org.", "1and1.com", "3.com", "a-b.c",
		"0xyz" };
	static const char *const bad[] = { "", ".", "..", "a..b", ".a", "-a.b",
		"a-.b", "*.", "*a.b", "a.*", "a.*.b", "**", "*.*.a", "a b",
		"http://x/", "1.2.3", "0x7f.1", "2130706433", "0x7f", "a.1",
		"a.0x1f", "010.0.0.1", "a.b:80", "a%b", "b\xc3\xbc.de", "a\tb",
		"*.1", "a..", "10.0.0.0/33" };
	char label[70], name[300];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(np_name_pattern_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (np_name_pattern_ok(bad[i]))
			printf("# %s\n", bad[i]);
		CHECK(!np_name_pattern_ok(bad[i]));
	}
	memset(label, 'a', 64);
	label[63] = '\0';
	CHECK(np_name_pattern_ok(label));
	label[63] = 'a';
	label[64] = '\0';
	CHECK(!np_name_pattern_ok(label));
	for (size_t i = 0; i < 253; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[253] = '\0';
	CHECK(np_name_pattern_ok(name));
	strcpy(name + 253, ".");
	CHECK(np_name_pattern_ok(name));
	strcpy(name + 253, ".a");
	CHECK(!np_name_pattern_ok(name));
}

int
main(void)
{
	test_text();
	test_prefixes();
	test_top();
	test_bytes();
	test_round_trip();
	test_decompose();
	test_names();
	return t_end();
}
