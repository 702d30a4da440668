/*
 * egress/packet.h - a denied packet as struct denial.  Pure: bytes in, a
 * record out.  The bytes are a sandbox's, or of whoever answers it: hostile.
 */
#ifndef EGRESS_PACKET_H
#define EGRESS_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/prefix.h"
#include "egress/denial_msg.h"

/* Where sandboxes are: slot n has the n-th pair, its own end is the odd one. */
struct denial_nets {
	struct np_prefix net4, net6;
	bool ipv6;
};

/* Bytes that came at once: several of the kernel's frames, a packet in each. */
struct denial_in {
	const uint8_t *p;
	size_t n;
};

enum denial_rc {
	DENIED_END,   /* no more, or what follows is no frame */
	DENIED_OTHER, /* a frame that tells of no sandbox's packet */
	DENIED_ONE,   /* the record is set */
};

/*
 * The packet itself, IPv4 or IPv6 from its first byte on, perhaps cut.  False
 * if it is neither, or neither end is a sandbox.
 */
bool denial_packet(const struct denial_nets *nets, const uint8_t *p, size_t n,
    struct denial *out);

#endif
