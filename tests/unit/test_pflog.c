/* What pf says of denied packets, taken apart. */
#include "egress/pflog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/t.h"

static struct denial_nets nets;

struct frames {
	uint8_t b[1024];
	size_t n;
};

static void
add(struct frames *f, const void *b, size_t n)
{
	memcpy(f->b + f->n, b, n);
	f->n += n;
}

static void
pad(struct frames *f, size_t to)
{
	while (f->n % to != 0)
		f->b[f->n++] = 0xee;
}

/* As catchpacket() puts them: the packet begins at a multiple of 8. */
struct frame {
	uint8_t length, af, action, dir;
	const char *ifname, *from, *to;
	uint8_t proto;
};

static const struct frame usual = { 69, 2, 1, 1, "cop7", "10.78.0.15",
	"8.8.8.8", IPPROTO_TCP };

static void
packet(struct frames *f, const struct frame *x)
{
	const uint8_t tcp[20] = { 0xc3, 0x50, 0x01, 0xbb, [13] = 2 };
	uint8_t h4[20] = { 0x45, 0, 0, 40, [8] = 64, [9] = x->proto };
	uint8_t h6[40] = { 0x60, [5] = 20, [6] = x->proto };

	if (x->af == 2) {
		CHECK(inet_pton(AF_INET, x->from, h4 + 12) == 1);
		CHECK(inet_pton(AF_INET, x->to, h4 + 16) == 1);
		add(f, h4, sizeof(h4));
	} else {
		CHECK(inet_pton(AF_INET6, x->from, h6 + 8) == 1);
		CHECK(inet_pton(AF_INET6, x->to, h6 + 24) == 1);
		add(f, h6, sizeof(h6));
	}
	add(f, tcp, sizeof(tcp));
}

static void
frame(struct frames *f, const struct frame *x)
{
	const uint64_t sec = 1700000000, usec = 123456;
	uint8_t head[72] = { x->length, x->af, x->action };
	size_t nhead = (x->length + 3u) / 4 * 4;
	struct frames body = { .n = 0 };
	uint32_t len;
	uint16_t hdrlen;

	memcpy(head + 4, x->ifname, strlen(x->ifname));
	head[60] = x->dir;
	add(&body, head, nhead);
	packet(&body, x);
	len = (uint32_t)body.n;
	hdrlen = (uint16_t)((26 + nhead + 7) / 8 * 8 - nhead);
	pad(f, 8);
	add(f, &sec, 8);
	add(f, &usec, 8);
	add(f, &len, 4);
	add(f, &len, 4);
	add(f, &hdrlen, 2);
	f->n += hdrlen - 26u;
	add(f, body.b, body.n);
}

static enum denial_rc
first(const struct frame *x, struct denial *d)
{
	struct frames f = { .n = 0 };
	struct denial_in in;

	frame(&f, x);
	in = (struct denial_in){ f.b, f.n };
	return pflog_next(&nets, &in, d);
}

static void
says_what_it_was(void)
{
	struct frame x = usual;
	struct denial d;
	uint8_t to[16] = { 8, 8, 8, 8 };

	CHECK(first(&x, &d) == DENIED_ONE);
	CHECK(d.slot == 7 && d.gen == 0 && d.family == 4 && d.proto == 6);
	CHECK(d.port == 443 && d.from_port == 50000 && d.tcp_flags == 2);
	CHECK(d.at_us == 1700000000123456 && d.len == 40 && !d.inbound);
	CHECK(memcmp(d.to, to, sizeof(to)) == 0);
	/* The shorter header of older releases. */
	x.length = 61;
	CHECK(first(&x, &d) == DENIED_ONE && d.slot == 7 && d.port == 443);
	x = usual;
	x.af = 28;
	x.from = "fd77::f";
	x.to = "2001:db8::1";
	CHECK(first(&x, &d) == DENIED_ONE && d.family == 6 && d.slot == 7);
	CHECK(d.port == 443 && d.len == 60);
}

static void
others(void)
{
	struct frame x;
	struct denial d;

	x = usual;
	x.action = 0;
	CHECK(first(&x, &d) == DENIED_OTHER); /* passed */
	x = usual;
	x.dir = 2;
	CHECK(first(&x, &d) == DENIED_OTHER);
	x = usual;
	x.ifname = "vtnet0";
	CHECK(first(&x, &d) == DENIED_OTHER);
	x = usual;
	x.from = "10.77.0.15";
	CHECK(first(&x, &d) == DENIED_OTHER);
	x = usual;
	x.length = 57;
	CHECK(first(&x, &d) == DENIED_OTHER);
}

static void
several_at_once(void)
{
	struct frames f = { .n = 0 };
	struct frame x = usual;
	struct denial_in in;
	struct denial d;

	frame(&f, &x);
	x.action = 0;
	frame(&f, &x);
	x = usual;
	x.length = 61;
	x.from = "10.78.0.17";
	frame(&f, &x);
	in = (struct denial_in){ f.b, f.n };
	CHECK(pflog_next(&nets, &in, &d) == DENIED_ONE && d.slot == 7);
	CHECK(pflog_next(&nets, &in, &d) == DENIED_OTHER);
	CHECK(pflog_next(&nets, &in, &d) == DENIED_ONE && d.slot == 8);
	CHECK(pflog_next(&nets, &in, &d) == DENIED_END);
	CHECK(in.n == 0);
}

/* Cut short: never a look past the end, and nothing half. */
static void
cut_anywhere(void)
{
	struct frames f = { .n = 0 };
	struct denial_in in;
	struct denial d;

	frame(&f, &usual);
	for (size_t n = 0; n < f.n; n++) {
		uint8_t *copy = malloc(n + 1);

		memcpy(copy, f.b, n);
		in = (struct denial_in){ copy, n };
		CHECK(pflog_next(&nets, &in, &d) == DENIED_END);
		free(copy);
	}
	/* A header that would overlap itself. */
	f.b[24] = 8;
	in = (struct denial_in){ f.b, f.n };
	CHECK(pflog_next(&nets, &in, &d) == DENIED_END);
}

int
main(void)
{
	CHECK(np_prefix_parse("10.78.0.0/16", &nets.net4) == 0);
	CHECK(np_prefix_parse("fd77::/64", &nets.net6) == 0);
	nets.ipv6 = true;
	says_what_it_was();
	others();
	several_at_once();
	cut_anywhere();
	return t_end();
}
