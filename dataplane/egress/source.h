/*
 * egress/source.h - the descriptor that the kernel's copies of denied packets
 * come by; linux/ (NFLOG over netlink) or freebsd/ (bpf on pflog).
 */
#ifndef EGRESS_SOURCE_H
#define EGRESS_SOURCE_H

#include <sys/types.h>

#include "egress/packet.h"

/* Of one descriptor; zeroed with each new one. */
struct source {
	bool counting; /* next is known */
	uint32_t next;
	uint32_t
	    lost; /* that the kernel had no room for; the caller's to reset */
};

enum { SOURCE_BYTES = 64 * 1024 }; /* no more come at once */

/* As read(2), without waiting; to has SOURCE_BYTES. */
ssize_t source_read(struct source *s, int fd, uint8_t *to);
/* The next record of what was read. */
enum denial_rc source_next(struct source *s, const struct denial_nets *nets,
    struct denial_in *in, struct denial *out);

#endif
