/*
 * rules_flows.h - answering RULES_FLOWS from a thread, so that a long walk
 * through conntrack delays nothing else.
 */
#ifndef PRIV_RULES_FLOWS_H
#define PRIV_RULES_FLOWS_H

#include "io/job.h"
#include "rules_int.h"

struct flows {
	struct loop *loop; /* these three set first */
	const struct conf *cf;
	/* Called once for each that was asked; fd, unless -1, is taken. */
	void (*done)(struct flows *x, const struct rules_reply *reply, int fd);
	struct job_pool *pool; /* from the first question on */
	unsigned nasked;
};

/* gen: the slot's live generation. */
int flows_ask(
    struct flows *x, uint32_t slot, uint32_t gen, uint32_t seq, struct err *e);
/* What is under way is not answered any more. */
void flows_fini(struct flows *x);

#endif
