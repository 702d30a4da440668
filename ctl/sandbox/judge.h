/*
 * judge.h - what a sandbox's policy says of one flow: the compiler's answer,
 * for those who look at flows after the kernel did.
 */
#ifndef SANDBOX_JUDGE_H
#define SANDBOX_JUDGE_H

#include "ctl/sandbox/record.h"
#include "netpolicy/ir.h"

/* A flow as records of privd and egressd have it. */
struct sb_flow {
	const uint8_t *to; /* network order; IPv4 in the first four */
	uint8_t family;	   /* 4 or 6; ::ffff:1.2.3.4 is 1.2.3.4 */
	uint8_t proto;	   /* IPPROTO_* */
	uint16_t port;
};

struct engine;

struct sb_judge {
	struct np_ir ir;
	struct np_addr resolver4, resolver6;
};

/* Compiles the policy, as of the engine's site ranges. */
int judge_init(struct sb_judge *j, const struct engine *en,
    const struct sb_net *net, struct err *e);
void judge_fini(struct sb_judge *j);
struct np_addr judge_addr(const struct sb_flow *f);
/* The rule that decides; NULL: port 53 of the resolver, which passes. */
const struct np_rule *judge(const struct sb_judge *j, const struct sb_flow *f);
bool judge_denies(const struct sb_judge *j, const struct sb_flow *f);

#endif
