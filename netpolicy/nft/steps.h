/*
 * nft/steps.h - how to get from one policy to another without a moment at
 * which a packet is judged by half of two: pure, the order of the changes.
 *
 * A packet looks into the `ok` set, then into the map `some`, then into the
 * ports of what the map said; between any two looks the kernel may change.
 * Only what changes in one set, in one transaction, changes at once.  So:
 *
 *   first   new lists of ports under new ids; addresses that come
 *   second  addresses that go, and those whose id is another one now
 *   last    (with what is live) lists of ports that nobody points to
 *
 * However the looks of a packet and the sets' changes of a transaction fall, a
 * flow that old and new policy pass is passed, and one that neither passes is
 * not.  (A packet takes microseconds; that all of a transaction comes between
 * two of its looks is not considered, but that one begins or ends there is.)
 * Where no address is of another kind than before, first and second are one.
 */
#ifndef NFT_STEPS_H
#define NFT_STEPS_H

#include "nft/emit.h"

/* A range's class in a step: NP_WHOLE, or a place in ids. */
enum {
	NFT_OLD_BUT = NP_BUT,
	NFT_OLD_ONLY = NP_ONLY,
	NFT_NEW_BUT,
	NFT_NEW_ONLY,
	NFT_NIDS,
};

struct nft_step {
	struct np_ok del4, add4, del6, add6;
};

struct nft_steps {
	uint32_t ids[NFT_NIDS];
	/* Borrowed from the two policies; NULL: not there. */
	const struct np_ports *comes[NFT_NIDS]; /* with the first */
	const struct np_ports *goes[NFT_NIDS];	/* with the last */
	struct nft_step step[2];
	bool two;		       /* step[1] has anything in it */
	uint32_t becomes[NP_NCLASSES]; /* the new policy's ids */
};

/* ids: those of `old`'s classes; gen: that of the new policy. */
int nft_steps_make(const struct np_reach *old, const uint32_t ids[NP_NCLASSES],
    const struct np_reach *new, uint32_t gen, struct nft_steps *out,
    struct err *e);
void nft_steps_fini(struct nft_steps *s);

#endif
