#include "egress/nflog.h"

#include <string.h>

/* As linux/netlink.h and linux/netfilter/nfnetlink_log.h have them. */
enum {
	NL_HEADER = 16,
	NF_HEADER = 4,
	ATTR_HEADER = 4,
	ATTR_TYPE = 0x3fff, /* without the flags */
	PACKET_TYPE = 4 << 8,
	A_MARK = 2,
	A_TIME = 3,
	A_PAYLOAD = 9,
	A_SEQ = 12,
};

static uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static uint64_t
be64(const uint8_t *p)
{
	return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static uint32_t
host32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint16_t
host16(const uint8_t *p)
{
	uint16_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static size_t
aligned(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

struct attrs {
	const uint8_t *packet;
	size_t packet_len;
	bool has_seq;
	uint32_t seq;
};

static void
take_attr(uint16_t type, const uint8_t *p, size_t n, struct attrs *a,
    struct denial *out)
{
	switch (type) {
	case A_MARK:
		if (n == 4)
			out->gen = be32(p);
		break;
	case A_TIME:
		if (n == 16 && be64(p) < (uint64_t)1 << 40)
			out->at_us = be64(p) * 1000000 + be64(p + 8) % 1000000;
		break;
	case A_PAYLOAD:
		a->packet = p;
		a->packet_len = n;
		break;
	case A_SEQ:
		a->has_seq = n == 4;
		if (a->has_seq)
			a->seq = be32(p);
		break;
	default:
		break;
	}
}

static void
take_attrs(const uint8_t *p, size_t n, struct attrs *a, struct denial *out)
{
	while (n >= ATTR_HEADER) {
		size_t len = host16(p);

		if (len < ATTR_HEADER || len > n)
			return;
		take_attr(host16(p + 2) & ATTR_TYPE, p + ATTR_HEADER,
		    len - ATTR_HEADER, a, out);
		len = aligned(len);
		if (len >= n)
			return;
		p += len;
		n -= len;
	}
}

enum denial_rc
nflog_next(const struct denial_nets *nets, struct denial_in *in,
    struct denial *out, uint32_t *seq)
{
	const uint8_t *p = in->p;
	struct attrs a = { .packet = NULL };
	size_t len, step;

	if (in->n < NL_HEADER)
		return DENIED_END;
	len = host32(p);
	if (len < NL_HEADER || len > in->n)
		return DENIED_END;
	step = aligned(len) < in->n ? aligned(len) : in->n;
	in->p += step;
	in->n -= step;
	if (host16(p + 4) != PACKET_TYPE || len < NL_HEADER + NF_HEADER)
		return DENIED_OTHER;
	memset(out, 0, sizeof(*out));
	take_attrs(
	    p + NL_HEADER + NF_HEADER, len - NL_HEADER - NF_HEADER, &a, out);
	if (!a.has_seq || a.packet == NULL ||
	    !denial_packet(nets, a.packet, a.packet_len, out))
		return DENIED_OTHER;
	*seq = a.seq;
	return DENIED_ONE;
}
