/*
 * egress/pflog.h - what pf says of denied packets (pflog(4), read by bpf(4)) as
 * struct denial.  Pure, as packet.h, and the same on every system: the frames
 * are those of a 64-bit little-endian FreeBSD.
 */
#ifndef EGRESS_PFLOG_H
#define EGRESS_PFLOG_H

#include "egress/packet.h"

/*
 * Takes the next frame.  pf knows no generation: out->gen is 0, and apid puts
 * it under the one that holds.
 */
enum denial_rc pflog_next(
    const struct denial_nets *nets, struct denial_in *in, struct denial *out);

#endif
