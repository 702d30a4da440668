/* rules_linux.h - the parts of the Linux side, for this directory. */
#ifndef PRIV_RULES_LINUX_H
#define PRIV_RULES_LINUX_H

#include "../rules_int.h"

#include "nft/batch.h"

struct rules_kernel {
	struct nft_sock nl;
	struct nft_batch b;
	struct nft_conf c;
	struct nft_slot s; /* room for the one that is worked on */
	/* guard.c */
	struct rules *r;
	struct loop_io events;
	struct loop_timer look, rebuild;
	uint64_t table;	  /* handle of our table */
	uint32_t genid;	  /* of the last look */
	uint64_t commits; /* nl.ncommits at the last look */
	uint32_t others;  /* transactions of others heard of since */
	struct mono last_rebuild;
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
 * iprule_old.c: earlier versions had three routing rules for each family.  What
 * they left would keep every packet back: the table sets no mark any more.
 */
int iprule_old_remove(const struct conf *cf, struct err *e);

/*
 * marks.c: the highest generation that any flow of a sandbox carries.  Walks
 * all of conntrack: for a new table only.
 */
int marks_highest(const struct conf *cf, uint32_t *mark, struct err *e);

#endif
