/*
 * policy.h - from what a client asked for to what privd is told: the entries
 * of a valid policy, as records.
 */
#ifndef SANDBOX_POLICY_H
#define SANDBOX_POLICY_H

#include "ctl/priv/rules_msg.h"
#include "ctl/sandbox/chan.h"
#include "ctl/sandbox/record.h"
#include "netpolicy/ir.h"

struct sb_policy {
	struct rules_entry *v; /* allow entries first; behind them nports
				  struct rules_port */
	uint32_t nallow, ndeny, nports;
	bool deny_all, no_internet;
};

/* p is finished and valid. */
int sb_policy_make(
    const struct np_policy *p, struct sb_policy *out, struct err *e);
/* From the texts that were accepted once and stored. */
int sb_net_policy(const struct sb_net *n, struct np_policy *out, struct err *e);
/* ... and lowered, no pass over it; out is empty on failure. */
int sb_net_ir(const struct sb_net *n, const struct np_site *site,
    struct np_ir *out, struct err *e);
int sb_policy_load(
    const struct sb_net *n, struct sb_policy *out, struct err *e);
void sb_policy_fini(struct sb_policy *p);

/*
 * Sends it to privd rules under this generation; `how` says who wants the
 * answer.
 */
int sb_policy_send(struct chan *rules, const struct sb_policy *p, uint32_t slot,
    uint32_t gen, bool birth, struct chan_ask how, struct err *e);

#endif
