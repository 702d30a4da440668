/*
 * pf/model.h - what pf makes of our text: a model of its evaluation.
 *
 * A packet is looked for among the states, then translated, then judged by
 * the rules in their order: of a `quick` rule at once, else by the last that
 * matches, and where none does it passes.  Anchors are evaluated where they
 * are called, with tables of their own above those of the root.  No rule is
 * skipped: skip steps, hashes and the optimiser are pf's business.
 *
 * Pure: no I/O and no clock, so states do not end by themselves.
 */
#ifndef PF_MODEL_H
#define PF_MODEL_H

#include "pf/rules.h"

/* An interface of the host.  Who is not told of has no group, no address. */
struct pfm_if {
	const char *name, *group; /* group: NULL for none */
	struct np_addr v4, v6;	  /* family 0: none */
};

struct pfm_text {
	const char *name; /* of an anchor: "coppice/sb7" */
	const char *text;
	size_t len;
};

struct pfm_packet {
	const char *ifname;
	enum pfm_dir dir;
	struct np_addr src, dst;
	int16_t proto;
	uint16_t sport, dport;
	bool mid; /* of TCP, and not the SYN that opens a flow */
	/* Of ICMP.  One that is an error fits no state here: of what it quotes
	 * this model knows nothing. */
	uint8_t type;
	/* What an earlier judgement said of it: "" at first */
	char tag[PFM_TAG];
};

struct pfm_judged {
	bool pass;
	bool ret;	       /* blocked, and the sender is told */
	bool by_state;	       /* of a flow that was judged before */
	bool keeps;	       /* a new flow: pfm_packet() keeps its state */
	bool too_many;	       /* blocked by the rule's `max` */
	bool logged;	       /* copied to pflog0 */
	char label[PFM_LABEL]; /* of the rule; "": none, or no rule */
	char anchor[PFM_PATH]; /* where the rule stands; "": in the root */
	/* From here on, for the next judgement of the same packet */
	struct np_addr src, dst;
	uint16_t sport, dport;
	char tag[PFM_TAG];
};

/* Of both ends; [0] is the nearer one, seen from the interface. */
struct pfm_key {
	struct np_addr addr[2];
	uint16_t port[2];
	int16_t proto;
};

struct pfm_state {
	uint64_t id;
	char ifname[PFM_IF]; /* where it was made */
	bool bound;	     /* and where alone it counts */
	enum pfm_dir dir;
	struct pfm_key wire, stack; /* they differ where it is translated */
	char tag[PFM_TAG], label[PFM_LABEL], anchor[PFM_PATH];
	/* Whose `max` counts it: the rule as it was when the state was made */
	uint64_t loaded;
	size_t rule;
};

struct pf_model;

/*
 * The root rule set; ifs are copied as far as they are borrowed names, which
 * must live on.  Anchors come later.
 */
int pf_model_new(struct pf_model **out, unsigned freebsd,
    const struct pfm_if *ifs, size_t n, const struct pfm_text *root,
    struct err *e);
void pf_model_free(struct pf_model *m);

/*
 * One transaction: rules and tables of that anchor, all of them or, on
 * failure, none.  States stay.  An empty text empties the anchor.
 */
int pf_model_load(
    struct pf_model *m, const struct pfm_text *anchor, struct err *e);
/* DIOCRSETADDRS.  ERR_NOTFOUND where there is no such table. */
int pf_model_set_table(struct pf_model *m, const char *anchor,
    const char *table, const struct np_prefix *v, size_t n, struct err *e);

/* What would become of it; nothing changes. */
void pf_model_judge(const struct pf_model *m, const struct pfm_packet *p,
    struct pfm_judged *out);
/* The same, and a new flow's state is kept. */
int pf_model_packet(struct pf_model *m, const struct pfm_packet *p,
    struct pfm_judged *out, struct err *e);

/* --- states --------------------------------------------------------------- */

size_t pf_model_nstates(const struct pf_model *m);
const struct pfm_state *pf_model_state(const struct pf_model *m, size_t i);

/* pf's filter for killing; what is not said does not matter. */
struct pfm_kill {
	const char *ifname;    /* NULL: any */
	enum np_family family; /* 0: any */
	uint8_t proto;	       /* 0: any */
	struct np_prefix src, dst;
	uint16_t lo, hi; /* of dst; 0 and 65535: any */
	bool match;	 /* and what the same packet has behind it */
};

/* Return how many went. */
size_t pf_model_kill(struct pf_model *m, const struct pfm_kill *k);
size_t pf_model_kill_id(struct pf_model *m, uint64_t id);

#endif
