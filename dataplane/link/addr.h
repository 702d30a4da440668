/*
 * link/addr.h - a slot's names and addresses: pure arithmetic.
 *
 * Slot n has a pair of neighbours out of each prefix (a /31, a /127): the even
 * one is the host's end, the odd one the sandbox's.
 */
#ifndef LINK_ADDR_H
#define LINK_ADDR_H

#include <stdint.h>

#include "base/prefix.h"

enum {
	LINK_GROUP = 1919, /* interface group `coppice` */
	LINK_NAME_MAX = 16,
	LINK_MAC_LEN = 6,
};

struct link_addr {
	char name[LINK_NAME_MAX]; /* cop<n>, on the host */
	struct np_addr host4, sb4, host6, sb6;
	uint8_t host_mac[LINK_MAC_LEN]; /* 02:c0:71:00:HI:LO of the slot */
	uint8_t sb_mac[LINK_MAC_LEN];	/* 02:c0:70:00:HI:LO */
};

/* The slots that fit into net4 beside slot 0, whose pair is the resolver's. */
uint32_t link_slots_max(const struct np_prefix *net4);

/*
 * net6 may be NULL.  Slot 0 has no sandbox: its odd address is the resolver's,
 * the same for all (10.78.0.1, fd77::1).
 */
void link_addr(uint32_t slot, const struct np_prefix *net4,
    const struct np_prefix *net6, struct link_addr *out);

#endif
