/* rules_bsd.h - the parts of the FreeBSD side, for this directory. */
#ifndef PRIV_RULES_BSD_H
#define PRIV_RULES_BSD_H

#include "../rules_int.h"

#include "pf/freebsd/apply.h"
#include "pf/freebsd/dev.h"
#include "pf/freebsd/verify.h"

struct bsd_slot {
	bool loaded; /* its anchor has rules; reach is what they pass */
	bool down;   /* we took its link down, see guard.c */
	struct pf_stamp stamp;	 /* as we left it */
	uint64_t passed, denied; /* by rules that are no more */
};

struct rules_kernel {
	struct pf_dev d;
	struct pf_conf c;
	char uplink[PFM_IF];
	struct bsd_slot *slots; /* as many as r->slots */
	struct rules *r;
	/* guard.c */
	struct loop *loop; /* NULL: not watching yet */
	struct loop_timer look;
	struct pf_stamp root;
	uint32_t quick, deep; /* the slots that are looked at next */
	bool open;	      /* our rules are not called: links are down */
	int socket;	      /* for links */
};

void bsd_slot_addrs(const struct conf *cf, uint32_t slot, struct pf_slot *out);

/* --- rules_apply.c -------------------------------------------------------- */

/*
 * Makes the kernel's side what r->slots says, whatever is there: all of the
 * anchor, and no state that it would not pass.
 */
int bsd_enforce(struct rules *r, uint32_t slot, struct err *e);
/* No rules, no tables, no states. */
int bsd_empty(struct rules *r, uint32_t slot, struct err *e);

/* --- root.c --------------------------------------------------------------- */

/*
 * Whether the operator's rules call ours: 0 yes, 1 no, which was logged line
 * by line, and e says in one sentence; -1: could not be read.
 */
int bsd_root_check(struct rules_kernel *k, struct err *e);

/* --- guard.c -------------------------------------------------------------- */

int guard_start(struct rules *r, struct loop *l, struct err *e);
void guard_stop(struct rules_kernel *k);
/* What the slot has now is what it should have. */
void guard_mark(struct rules_kernel *k, uint32_t slot);
/* One of its tables had so many addresses, and has so many now. */
void guard_count(struct rules_kernel *k, uint32_t slot, size_t was, size_t is);

#endif
