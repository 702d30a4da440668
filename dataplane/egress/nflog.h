/*
 * egress/nflog.h - what the kernel says of denied packets (NFLOG over netlink)
 * as struct denial.  Pure: bytes in, a record out.  The frame is the kernel's,
 * the packet in it is a sandbox's, or of whoever answers it: hostile.
 */
#ifndef EGRESS_NFLOG_H
#define EGRESS_NFLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/prefix.h"
#include "egress/denial_msg.h"

/* Where sandboxes are: slot n has the n-th pair, its own end is the odd one. */
struct nflog_nets {
	struct np_prefix net4, net6;
	bool ipv6;
};

/* Bytes that came at once: several netlink messages. */
struct nflog_in {
	const uint8_t *p;
	size_t n;
};

enum nflog_rc {
	NFLOG_END,    /* no more, or what follows is no message */
	NFLOG_OTHER,  /* a message that tells of no sandbox's packet */
	NFLOG_DENIAL, /* *out and *seq are set */
};

/*
 * Takes the next message.  out->at_us is 0 where the kernel does not say when;
 * *seq counts what was logged, from 0 on, so that a gap is what was lost.
 */
enum nflog_rc nflog_next(const struct nflog_nets *nets, struct nflog_in *in,
    struct denial *out, uint32_t *seq);

/*
 * The packet itself, IPv4 or IPv6 from its first byte on, perhaps cut.  False
 * if it is neither, or neither end is a sandbox.
 */
bool nflog_packet(const struct nflog_nets *nets, const uint8_t *p, size_t n,
    struct denial *out);

#endif
