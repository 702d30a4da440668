/* rules_linux.h - the parts of the Linux side, for this directory. */
#ifndef PRIV_RULES_LINUX_H
#define PRIV_RULES_LINUX_H

#include "../rules_int.h"

#include "nft/batch.h"

enum { RULES_PRIO_OWN = 1917, RULES_PRIO_GUARD, RULES_PRIO_END };

struct rules_kernel {
	struct nft_sock nl;
	struct nft_batch b;
	struct nft_conf c;
	struct nft_slot s; /* room for the one that is worked on */
	/* guard.c */
	struct rules *r;
	struct loop_io events;
	struct loop_io iprules;
	struct loop_timer look, rebuild;
	uint64_t table;	  /* handle of our table */
	uint32_t genid;	  /* of the last look */
	uint64_t commits; /* nl.ncommits at the last look */
	uint32_t others;  /* transactions of others heard of since */
	struct mono last_rebuild, last_mend;
};

int rules_socket(int *fd, struct err *e);

/* The slot as nft wants it: addresses, birth, generation. */
const struct nft_slot *rules_slot(struct rules *r, uint32_t slot);

/* Throws the table away and makes it again, with all that is known. */
int rules_restore(struct rules *r, struct err *e);

/* guard.c */
int guard_start(struct rules *r, struct loop *l, struct err *e);
void guard_stop(struct rules_kernel *k);
/* Somebody was surprised: if the table is gone, it is made anew at once. */
void guard_repair(struct rules_kernel *k);
/* Around a large change of our own: do not listen, then listen again. */
void guard_rest(struct rules_kernel *k, bool rest);

/*
 * iprule.c: the second barrier.  A packet from a slot that our table has not
 * seen, because the table is gone, has no route.
 */
/* How many were missing. */
int iprule_add(const struct conf *cf, struct err *e);
/* A socket that can be read when somebody changes any. */
int iprule_watch(int *fd, struct err *e);
int iprule_remove(const struct conf *cf, struct err *e);

/*
 * marks.c: the highest generation that any flow of a sandbox carries.  Walks
 * all of conntrack: for a new table only.
 */
int marks_highest(const struct conf *cf, uint32_t *mark, struct err *e);

#endif
