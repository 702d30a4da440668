/*
 * egress/denied.h - takes the kernel's copies of denied packets and passes on
 * what they say, a batch at a time.  See denial_msg.h.
 */
#ifndef EGRESS_DENIED_H
#define EGRESS_DENIED_H

#include "egress/source.h"
#include "io/loop.h"
#include "io/seqpkt.h"

struct denied {
	struct denial_nets nets; /* set first */
	struct loop *loop;
	struct seqpkt chan; /* to apid */
	struct loop_io source;
	struct source state;
	uint32_t dropped; /* since the last batch that was sent */
	uint16_t n;
	struct denial batch[DENIAL_BATCH_MAX];
};

void denied_init(struct denied *d, struct loop *l);
/* A new end of the channel to apid; takes fd. */
void denied_open(struct denied *d, int fd);
void denied_close(struct denied *d);

#endif
