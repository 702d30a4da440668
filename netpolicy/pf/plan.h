/*
 * pf/plan.h - how pf gets from one policy to the next, as data: what the
 * FreeBSD driver executes, what pf/model.h is tested with, and what
 * `netpolicy diff --pf` prints.
 *
 * 1. the rules: one table's addresses where that is all that changes, else
 *    the whole anchor with its tables in one transaction.  pf does either at
 *    once, so no packet meets half of it.
 * 2. the states of what is revoked, and no others: rules do not touch states.
 * 3. the same once more: a packet that met the old rules may have left its
 *    state behind while 2 was under way.  (What it may leave on the uplink
 *    alone lets nothing through: the sandbox's interface has no state for
 *    it, in either direction.)
 *
 * The first step fails as a whole and nothing has changed.  If a later one
 * fails, `undo` leads back to the old policy, in force as it was; what 2 has
 * cut stays cut.
 */
#ifndef PF_PLAN_H
#define PF_PLAN_H

#include "pf/emit.h"

/*
 * Each selector is a walk over all states of the host.  Judging is one walk,
 * which copies out the states of one sandbox (at most twice max_flows and
 * what is behind the translation), and then a look-up by id for each that
 * must go.  So it pays off with the second or third selector; up to four are
 * kept, as the kernel does them without a copy and in one step each, and
 * most updates that revoke anything take away one or two CIDRs.
 */
enum { PF_SELECTORS_MAX = 4 };

/* net.pf.request_maxcount: addresses in one request. */
enum { PF_REQUEST_MAX = 65535 };

enum pf_step_kind {
	PF_TABLE_REPLACE, /* DIOCRSETADDRS: `table` of the anchor <- addrs */
	PF_ANCHOR_LOAD,	  /* DIOCXBEGIN ... DIOCXCOMMIT: rules and tables */
	PF_KILL_STATES,	  /* DIOCKILLSTATES, one for each selector */
	PF_KILL_BY_JUDGE, /* list, judge, and kill by id */
	PF_KILL_SRC_NODES /* DIOCKILLSRCNODES: both addresses */
};

/*
 * States made on the sandbox's interface, and with psk_kill_match the state
 * that the same packets have behind the translation.
 */
struct pf_selector {
	enum np_family family;
	uint8_t proto; /* 0: any */
	struct np_prefix to;
	uint16_t lo, hi; /* of to; 0 and 65535: any */
};

struct pf_step {
	enum pf_step_kind kind;
	const char *table;     /* PF_TABLE_REPLACE */
	struct pf_addrs addrs; /* PF_TABLE_REPLACE */
	struct buf text;       /* PF_ANCHOR_LOAD; empty: no rules */
	struct pf_selector sel[PF_SELECTORS_MAX]; /* PF_KILL_STATES */
	size_t nsel;
	/*
	 * PF_KILL_BY_JUDGE: a state whose sandbox's end is sb4 or sb6 (of the
	 * interface, by the key of the wire; of the uplink, by that of the
	 * stack) goes unless np_reach_has(keep) its protocol, other end and
	 * port.  One that is translated on the interface, by rdr, is the
	 * resolver's and stays.  Borrowed from pf_plan_make().
	 */
	const struct np_reach *keep;
	bool again; /* the same as the step before */
};

enum { PF_STEPS_MAX = 4 };

struct pf_steps {
	struct pf_step v[PF_STEPS_MAX];
	size_t n;
};

struct pf_plan {
	char anchor[PF_ANCHOR_NAME], ifname[PF_IF_NAME];
	struct np_addr sb4, sb6, resolver4, resolver6;
	bool v6;
	struct pf_steps steps, undo;
};

/*
 * From one to the other; NULL is a closed slot.  slot->reach is not looked
 * at.  Both must outlive the plan.  ERR_TOOBIG: more addresses than pf takes
 * in one request.
 */
int pf_plan_make(const struct pf_conf *c, const struct pf_slot *slot,
    const struct np_reach *from, const struct np_reach *to,
    const struct np_site *site, struct pf_plan *out, struct err *e);
void pf_plan_fini(struct pf_plan *p);

/* For people. */
int pf_plan_text(struct buf *b, const struct pf_plan *p, struct err *e);

#endif
