/*
 * rules_int.h - `coppice-privd rules` from inside: what it knows of each slot,
 * and what the kernel's side of it can do (linux/rules.c, freebsd/rules.c).
 */
#ifndef PRIV_RULES_INT_H
#define PRIV_RULES_INT_H

#include <stdbool.h>

#include "io/conf.h"
#include "io/loop.h"
#include "ir.h"
#include "rules_msg.h"

struct rules_slot {
	uint32_t gen;	/* what is live; 0: closed */
	uint32_t birth; /* what its chain says */
	bool made;
	/* No flow of an earlier tenant has a mark that is not below birth. */
	bool fresh;
	bool known; /* reach is what the kernel has */
	struct np_reach reach;
	bool ports; /* it has what policies with ports need */
	/* What its sets for ports hold is of no single policy: to be emptied */
	bool odd;
	uint32_t ids[NP_NCLASSES]; /* of reach's classes, where it has any */
};

struct rules {
	const struct conf *cf;
	struct np_site site;
	struct rules_slot *slots; /* [nslots + 1]; 0 is nobody's */
	uint32_t nslots;	  /* the most that there may be */
	uint32_t max_gen;	  /* the highest generation ever seen */
	bool rebuilt;		  /* at start: nothing good was there */
	uint64_t nlost;		  /* how often it was found damaged, ever */
	uint64_t nrebuilt;
	struct rules_kernel *k;
	/* The table had to be made anew while we ran. */
	void (*on_lost)(struct rules *r);
};

/* What a policy comes down to. */
struct rules_want {
	uint32_t slot, gen;
	bool birth;
	struct np_reach reach;
};

/*
 * The kernel's side.  open adopts the table that is there, filling in slots,
 * or makes one; on failure nothing is left open.  Only what rules_kernel_open
 * does needs more than CAP_NET_ADMIN.
 */
int rules_kernel_open(struct rules *r, struct err *e);
void rules_kernel_close(struct rules *r);
/* Looks after the table from now on. */
int rules_kernel_watch(struct rules *r, struct loop *l, struct err *e);
/* How many slots to make in one go, so that no policy waits long. */
uint32_t rules_kernel_batch(const struct rules *r);
int rules_kernel_make(
    struct rules *r, uint32_t first, uint32_t n, struct err *e);
/*
 * On success the policy is in force, w's sets are in the slot (and what was
 * there in w), *revoked ranges were open and are closed.  On failure the old
 * policy is.
 */
int rules_kernel_apply(
    struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e);
int rules_kernel_clear(struct rules *r, uint32_t slot, struct err *e);
/* Of a slot that is closed: its sets, and nothing that would open them. */
int rules_kernel_prepare(struct rules *r, struct rules_want *w, struct err *e);
/*
 * What hears of denied packets; -1 if there is none, which is said.  On Linux
 * an NFLOG socket.  On FreeBSD a bpf(4) descriptor of pflog0, locked and only
 * to be read, BIOCGBLEN bytes at a time: struct bpf_hdr, struct pfloghdr and
 * the packet's first bytes, of packets that were dropped on cop<n> alone.
 */
int rules_kernel_log(struct rules *r);
/*
 * What flows from these addresses, for a thread of its own; *v is the
 * caller's to free.  gen: what is live; where the kernel marks no flow, all
 * that are left were judged under it.
 */
int rules_kernel_flows(const struct np_addr *from, size_t nfrom, uint32_t gen,
    struct rules_flow **v, uint32_t *n, struct err *e);
int rules_kernel_state(
    struct rules *r, uint32_t slot, struct rules_state *out, struct err *e);

/*
 * rules_lost.c: how often, when last and why the table was not as we had
 * left it: in the log, and for `coppice status` in a line of
 * state_dir/rules-lost, "TIMES WHEN WHY".
 */
void rules_lost_init(struct rules *r);
void rules_lost(struct rules *r, const char *why);

/* rules_policy.c: from records to what may be reached. */
struct rules_body {
	const struct rules_apply *a;
	const struct rules_entry *v; /* nallow, then ndeny */
	const struct rules_port *ports;
};

/* -1 with ERR_BUG: a record that does not fit. */
int rules_compile(const struct rules *r, const struct rules_body *b,
    struct rules_want *out, struct err *e);
void rules_want_fini(struct rules_want *w);

#endif
