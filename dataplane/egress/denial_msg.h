/*
 * denial_msg.h - what coppice-egressd tells coppice-apid of packets that were
 * denied.
 *
 * The kernel hands copies of them to a descriptor that `coppice-privd rules`
 * opened (netlink: NFLOG, group 1919; on FreeBSD bpf on pflog0); apid passes it
 * on, egressd reads it: it parses
 * what sandboxes send and holds nothing worth having.  Over one seqpkt
 * channel; every message starts with a struct denial_hdr.
 */
#ifndef EGRESS_DENIAL_MSG_H
#define EGRESS_DENIAL_MSG_H

#include <stdint.h>

enum denial_type {
	DENIAL_SOURCE, /* apid -> egressd: the socket rides on it; no body.
			  A later one replaces it. */
	DENIAL_BATCH,  /* egressd -> apid: n struct denial */
};

enum { DENIAL_BATCH_MAX = 128 };

struct denial_hdr {
	uint16_t type;
	uint16_t n;	  /* BATCH: how many follow, 1 to DENIAL_BATCH_MAX */
	uint32_t dropped; /* BATCH: that came and were not passed on, since the
			     last one */
};

/* Who wanted what from whom.  Only the first fragment of a packet says ports.
 */
struct denial {
	uint64_t at_us; /* since 1970: when the packet was judged */
	uint32_t slot;
	uint32_t gen;	/* under which it was denied; 0: not said */
	uint8_t to[16]; /* network order; IPv4 in the first four */
	uint16_t port;	/* 0 where the protocol has none */
	uint16_t from_port;
	uint16_t len;	 /* of the IP packet */
	uint8_t family;	 /* 4 or 6 */
	uint8_t proto;	 /* IPPROTO_*, behind extension headers */
	uint8_t inbound; /* 1: a packet of the other side, of a flow that is no
			    longer allowed */
	uint8_t tcp_flags;
	uint8_t pad[2];
};

#endif
