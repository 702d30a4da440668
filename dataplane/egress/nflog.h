/*
 * egress/nflog.h - what Linux says of denied packets (NFLOG over netlink) as
 * struct denial.  Pure, as packet.h.
 */
#ifndef EGRESS_NFLOG_H
#define EGRESS_NFLOG_H

#include "egress/packet.h"

/*
 * Takes the next message.  out->at_us is 0 where the kernel does not say when;
 * *seq counts what was logged, from 0 on, so that a gap is what was lost.
 */
enum denial_rc nflog_next(const struct denial_nets *nets, struct denial_in *in,
    struct denial *out, uint32_t *seq);

#endif
