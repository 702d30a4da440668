#include "egress/packet.h"

#include <string.h>

#include "base/proto.h"

enum {
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	EXTENSIONS_MAX = 16, /* then the packet is what it is called there */
	SLOTS_MAX = 16384,
};

enum { X_HOPS = 0, X_ROUTING = 43, X_FRAGMENT = 44, X_AH = 51, X_DEST = 60 };

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* What is behind the IP headers. */
struct inner {
	const uint8_t *p;
	size_t n;
	bool first; /* not a later fragment: headers are here */
};

/* 0 if it is none of a sandbox. */
static uint32_t
slot_of(const struct denial_nets *nets, struct np_addr a)
{
	const struct np_prefix *net =
	    a.family == NP_V4 ? &nets->net4 : &nets->net6;
	np_u128 at;

	if ((a.family == NP_V6 && !nets->ipv6) || !np_prefix_has(net, a))
		return 0;
	at = a.n - net->addr;
	return (at & 1) == 1 && at / 2 < SLOTS_MAX ? (uint32_t)(at / 2) : 0;
}

/*
 * A flow is told from the sandbox's side; what the other side sent on it has
 * its ports the other way round.
 */
static bool
set_ends(const struct denial_nets *nets, struct np_addr from, struct np_addr to,
    struct denial *out)
{
	out->family = (uint8_t)from.family;
	out->slot = slot_of(nets, from);
	out->inbound = out->slot == 0;
	if (out->inbound)
		out->slot = slot_of(nets, to);
	np_addr_bytes(out->inbound ? from : to, out->to);
	return out->slot != 0;
}

static void
set_ports(const struct inner *in, struct denial *out)
{
	uint16_t from, to;

	if (!in->first || !proto_has_ports(out->proto) || in->n < 4)
		return;
	from = be16(in->p);
	to = be16(in->p + 2);
	out->port = out->inbound ? from : to;
	out->from_port = out->inbound ? to : from;
	if (out->proto == IPPROTO_TCP && in->n >= 14)
		out->tcp_flags = in->p[13];
}

static bool
packet4(const struct denial_nets *nets, const uint8_t *p, size_t n,
    struct denial *out)
{
	size_t head = (p[0] & 15u) * 4u;
	struct inner in = { .p = p };

	if (n < IP4_HEADER || head < IP4_HEADER ||
	    !set_ends(nets, np_addr_from_bytes(NP_V4, p + 12),
		np_addr_from_bytes(NP_V4, p + 16), out))
		return false;
	out->len = be16(p + 2);
	out->proto = p[9];
	in.first = (be16(p + 6) & 0x1fff) == 0;
	if (head <= n) {
		in.p = p + head;
		in.n = n - head;
	}
	set_ports(&in, out);
	return true;
}

/* The length of an extension header, 0 if this is none. */
static size_t
extension(uint8_t type, const struct inner *in)
{
	switch (type) {
	case X_HOPS:
	case X_ROUTING:
	case X_DEST:
		return in->n < 2 ? SIZE_MAX : (in->p[1] + 1u) * 8;
	case X_AH:
		return in->n < 2 ? SIZE_MAX : (in->p[1] + 2u) * 4;
	case X_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

/* Behind the extensions, as far as the packet goes. */
static uint8_t
skip_extensions(uint8_t type, struct inner *in)
{
	for (int i = 0; i < EXTENSIONS_MAX && in->first; i++) {
		size_t len = extension(type, in);

		if (len == 0)
			return type;
		if (in->n < len)
			break;
		if (type == X_FRAGMENT)
			in->first = be16(in->p + 2) >> 3 == 0;
		type = in->p[0];
		in->p += len;
		in->n -= len;
	}
	/* Cut, a later fragment, or endless: nothing more is known. */
	in->n = 0;
	return type;
}

static bool
packet6(const struct denial_nets *nets, const uint8_t *p, size_t n,
    struct denial *out)
{
	struct inner in = { .first = true };
	size_t len;

	if (n < IP6_HEADER || !set_ends(nets, np_addr_from_bytes(NP_V6, p + 8),
				  np_addr_from_bytes(NP_V6, p + 24), out))
		return false;
	in.p = p + IP6_HEADER;
	in.n = n - IP6_HEADER;
	len = be16(p + 4) + (size_t)IP6_HEADER;
	out->len = len > UINT16_MAX ? UINT16_MAX : (uint16_t)len;
	out->proto = skip_extensions(p[6], &in);
	set_ports(&in, out);
	return true;
}

bool
denial_packet(const struct denial_nets *nets, const uint8_t *p, size_t n,
    struct denial *out)
{
	if (n == 0)
		return false;
	switch (p[0] >> 4) {
	case 4:
		return packet4(nets, p, n, out);
	case 6:
		return packet6(nets, p, n, out);
	default:
		return false;
	}
}
