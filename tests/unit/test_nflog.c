/* What the kernel says of denied packets, taken apart. */
#include "egress/nflog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/t.h"

static struct denial_nets nets;

/* --- packets ----------------------------------------------------------------
 */

struct packet {
	uint8_t b[256];
	size_t n;
};

static void
add(struct packet *p, const void *b, size_t n)
{
	memcpy(p->b + p->n, b, n);
	p->n += n;
}

static void
ip4(struct packet *p, const char *from, const char *to, uint8_t proto)
{
	uint8_t h[20] = { 0x45, 0, 0, 60, [8] = 64, [9] = proto };

	p->n = 0;
	CHECK(inet_pton(AF_INET, from, h + 12) == 1);
	CHECK(inet_pton(AF_INET, to, h + 16) == 1);
	add(p, h, sizeof(h));
}

static void
ip6(struct packet *p, const char *from, const char *to, uint8_t next)
{
	uint8_t h[40] = { 0x60, [4] = 0, [5] = 80, [6] = next };

	p->n = 0;
	CHECK(inet_pton(AF_INET6, from, h + 8) == 1);
	CHECK(inet_pton(AF_INET6, to, h + 24) == 1);
	add(p, h, sizeof(h));
}

static void
tcp(struct packet *p, uint8_t flags)
{
	const uint8_t h[20] = { 0xc3, 0x50, 0x01,
		0xbb, [12] = 0x50, [13] = flags };

	add(p, h, sizeof(h));
}

static bool
parse(const struct packet *p, size_t n, struct denial *out)
{
	uint8_t *copy = malloc(n + 1); /* so that a look past the end shows */
	bool ok;

	memcpy(copy, p->b, n);
	*out = (struct denial){ .slot = 0 };
	ok = denial_packet(&nets, copy, n, out);
	free(copy);
	return ok;
}

static bool
goes_to(const struct denial *d, const char *text)
{
	uint8_t b[16] = { 0 };

	CHECK(inet_pton(d->family == 4 ? AF_INET : AF_INET6, text, b) == 1);
	return memcmp(b, d->to, d->family == 4 ? 4 : 16) == 0;
}

static void
out_and_in(void)
{
	struct packet p;
	struct denial d;

	ip4(&p, "10.78.0.15", "8.8.8.8", IPPROTO_TCP);
	tcp(&p, 2);
	CHECK(parse(&p, p.n, &d));
	CHECK(d.slot == 7 && d.family == 4 && !d.inbound && d.len == 60);
	CHECK(d.proto == IPPROTO_TCP && d.port == 443 && d.from_port == 50000);
	CHECK(d.tcp_flags == 2 && goes_to(&d, "8.8.8.8"));

	/* The other side's, of the same flow: told from the same side. */
	ip4(&p, "8.8.8.8", "10.78.0.15", IPPROTO_UDP);
	add(&p, (const uint8_t[]){ 0x01, 0xbb, 0xc3, 0x50, 0, 0, 0, 0 }, 8);
	CHECK(parse(&p, p.n, &d));
	CHECK(d.slot == 7 && d.inbound && goes_to(&d, "8.8.8.8"));
	CHECK(d.port == 443 && d.from_port == 50000 && d.tcp_flags == 0);

	ip6(&p, "fd77::f", "2001:db8::1", IPPROTO_TCP);
	tcp(&p, 0x12);
	CHECK(parse(&p, p.n, &d));
	CHECK(d.slot == 7 && d.family == 6 && d.len == 120 && d.port == 443);
	CHECK(goes_to(&d, "2001:db8::1") && d.tcp_flags == 0x12);
}

static void
nobodys(void)
{
	struct packet p;
	struct denial d;

	/* Not from or to the odd one of a pair; the first pair is no slot's. */
	ip4(&p, "10.78.0.14", "8.8.8.8", IPPROTO_TCP);
	CHECK(!parse(&p, p.n, &d));
	ip4(&p, "10.78.0.1", "8.8.8.8", IPPROTO_TCP);
	CHECK(!parse(&p, p.n, &d));
	ip4(&p, "1.1.1.1", "8.8.8.8", IPPROTO_TCP);
	CHECK(!parse(&p, p.n, &d));
	ip6(&p, "fd77::1:0:1", "2001:db8::1", IPPROTO_TCP);
	CHECK(!parse(&p, p.n, &d));
	ip6(&p, "fd77::f", "2001:db8::1", IPPROTO_TCP);
	nets.ipv6 = false;
	CHECK(!parse(&p, p.n, &d));
	nets.ipv6 = true;
	ip4(&p, "10.78.0.15", "8.8.8.8", IPPROTO_TCP);
	p.b[0] = 0x55;
	CHECK(!parse(&p, p.n, &d));
	p.b[0] = 0x44; /* a header that is shorter than one can be */
	CHECK(!parse(&p, p.n, &d));
}

static void
without_ports(void)
{
	struct packet p;
	struct denial d;

	ip4(&p, "10.78.0.3", "9.9.9.9", IPPROTO_ICMP);
	add(&p, (const uint8_t[]){ 8, 0, 1, 2, 3, 4, 5, 6 }, 8);
	CHECK(parse(&p, p.n, &d));
	CHECK(d.slot == 1 && d.proto == IPPROTO_ICMP);
	CHECK(d.port == 0 && d.from_port == 0);

	ip4(&p, "10.78.0.3", "9.9.9.9", 47);
	tcp(&p, 2);
	CHECK(parse(&p, p.n, &d) && d.proto == 47 && d.port == 0);

	/* A later fragment holds data where ports would be. */
	ip4(&p, "10.78.0.3", "9.9.9.9", IPPROTO_TCP);
	p.b[7] = 4;
	tcp(&p, 2);
	CHECK(parse(&p, p.n, &d) && d.proto == IPPROTO_TCP && d.port == 0);
	p.b[6] = 0x20, p.b[7] = 0; /* the first one */
	CHECK(parse(&p, p.n, &d) && d.port == 443);

	/* Options push the ports away, or out of what was copied. */
	ip4(&p, "10.78.0.3", "9.9.9.9", IPPROTO_TCP);
	p.b[0] = 0x46;
	add(&p, (const uint8_t[]){ 1, 1, 1, 1 }, 4);
	tcp(&p, 2);
	CHECK(parse(&p, p.n, &d) && d.port == 443);
	p.b[0] = 0x4f;
	CHECK(parse(&p, p.n, &d) && d.port == 0);
}

static void
extensions(void)
{
	const uint8_t hops[8] = { 60 }, dest[16] = { 44, 1 };
	const uint8_t first[8] = { IPPROTO_UDP },
		      later[8] = { IPPROTO_UDP, 0, 0, 8 };
	const uint8_t udp[8] = { 0x10, 0x00, 0x00, 0x35 };
	struct packet p;
	struct denial d;

	ip6(&p, "fd77::f", "2001:db8::1", 0);
	add(&p, hops, sizeof(hops));
	add(&p, dest, sizeof(dest));
	add(&p, first, sizeof(first));
	add(&p, udp, sizeof(udp));
	CHECK(parse(&p, p.n, &d));
	CHECK(d.proto == IPPROTO_UDP && d.port == 53 && d.from_port == 4096);

	p.n -= sizeof(udp) + sizeof(first);
	add(&p, later, sizeof(later));
	add(&p, udp, sizeof(udp));
	CHECK(parse(&p, p.n, &d));
	CHECK(d.proto == IPPROTO_UDP && d.port == 0);

	/* An authentication header counts in words of four. */
	ip6(&p, "fd77::f", "2001:db8::1", 51);
	add(&p, (const uint8_t[12]){ IPPROTO_UDP, 1 }, 12);
	add(&p, udp, sizeof(udp));
	CHECK(parse(&p, p.n, &d) && d.proto == IPPROTO_UDP && d.port == 53);

	/* Headers that never end are not followed for ever. */
	ip6(&p, "fd77::f", "2001:db8::1", 0);
	while (p.n + 8 < sizeof(p.b))
		add(&p, (const uint8_t[8]){ 0 }, 8);
	CHECK(parse(&p, p.n, &d) && d.proto == 0 && d.port == 0);
}

static void
cut_anywhere(void)
{
	struct packet p;
	struct denial d;

	ip6(&p, "fd77::f", "2001:db8::1", 0);
	add(&p, (const uint8_t[8]){ IPPROTO_TCP }, 8);
	tcp(&p, 2);
	for (size_t n = 0; n <= p.n; n++) {
		bool ok = parse(&p, n, &d);

		CHECK(ok == (n >= 40));
		CHECK(!ok || d.proto == (n < 48 ? 0 : IPPROTO_TCP));
		CHECK(d.port == (n < 52 ? 0 : 443));
		CHECK(d.tcp_flags == (n < 62 ? 0 : 2));
	}
}

/* --- the frame --------------------------------------------------------------
 */

static void
put32(struct packet *p, uint32_t n)
{
	add(p, &n, sizeof(n));
}

static void
attr(struct packet *p, uint16_t type, const void *b, uint16_t n)
{
	const uint16_t len = (uint16_t)(n + 4);

	add(p, &len, 2);
	add(p, &type, 2);
	add(p, b, n);
	while (p->n % 4 != 0)
		p->b[p->n++] = 0;
}

static void
begin(struct packet *m, uint16_t type)
{
	m->n = 0;
	put32(m, 0);
	add(m, &type, 2);
	add(m, (const uint8_t[14]){ 0 }, 14);
}

static void
end(struct packet *m)
{
	const uint32_t n = (uint32_t)m->n;

	memcpy(m->b, &n, sizeof(n));
}

static void
whole(struct packet *m, const char *to)
{
	const uint32_t mark = htonl(0x101), seq = htonl(41);
	const uint32_t when[4] = { 0, htonl(1700000000), 0, htonl(123456) };
	struct packet p;

	ip4(&p, "10.78.0.15", to, IPPROTO_TCP);
	tcp(&p, 2);
	begin(m, 4 << 8);
	attr(m, 2, &mark, 4);
	attr(m, 3, when, 16);
	attr(m, 10, "prefix", 7);
	attr(m, 12, &seq, 4);
	attr(m, 9, p.b, (uint16_t)p.n);
	end(m);
}

static void
frames(void)
{
	struct packet a, b, both;
	struct denial_in in;
	struct denial d;
	uint32_t seq = 0;

	whole(&a, "8.8.8.8");
	begin(&b, 3);
	end(&b);
	both = a;
	add(&both, b.b, b.n);
	in = (struct denial_in){ both.b, both.n };
	CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_ONE);
	CHECK(seq == 41 && d.gen == 0x101 && d.slot == 7 && d.port == 443);
	CHECK(d.at_us == 1700000000123456);
	CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_OTHER);
	CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_END);

	/* Cut short: never a look past the end, and nothing half. */
	for (size_t n = 0; n < a.n; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, a.b, n);
		in = (struct denial_in){ copy, n };
		CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_END);
		free(copy);
	}
	/* Nobody's packet is passed over, not an end. */
	whole(&a, "8.8.8.8");
	a.b[a.n - 40 + 15] = 14;
	in = (struct denial_in){ a.b, a.n };
	CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_OTHER);
	CHECK(nflog_next(&nets, &in, &d, &seq) == DENIED_END);
}

int
main(void)
{
	CHECK(np_prefix_parse("10.78.0.0/16", &nets.net4) == 0);
	CHECK(np_prefix_parse("fd77::/64", &nets.net6) == 0);
	nets.ipv6 = true;
	out_and_in();
	nobodys();
	without_ports();
	extensions();
	cut_anywhere();
	frames();
	return t_end();
}
