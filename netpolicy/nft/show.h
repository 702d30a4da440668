/*
 * nft/show.h - what a table means: from nft's text back to the compiler's
 * terms, and whether it is the table that the compiler would have made.
 */
#ifndef NFT_SHOW_H
#define NFT_SHOW_H

#include "nft/emit.h"
#include "nft/text.h"

struct nft_shown {
	uint32_t slot;
	uint32_t gen;	/* 0: closed */
	uint32_t birth; /* 0: its chain does not begin as ours do */
	bool ports;	/* it has sets for ports */
	bool odd;	/* which no single policy would fill like this */
	uint32_t ids[NP_NCLASSES];
	/* Of a range, origin.item is its comment's place in why. */
	struct np_reach reach;
	const char **why; /* borrowed from the text */
	size_t nwhy, why_cap;
	const struct nft_text_thing *chain;
};

/* Numbers of the slots that have a chain, as they come; *v is the caller's. */
int nft_show_slots(
    const struct nft_text *t, uint32_t **v, size_t *n, struct err *e);
int nft_show_slot(const struct nft_text *t, uint32_t slot,
    struct nft_shown *out, struct err *e);
void nft_shown_fini(struct nft_shown *s);

/* One difference, as a sentence; the text is on() 's for the call. */
struct nft_differ {
	void (*on)(struct nft_differ *d, const char *sentence);
};

/*
 * Compares all that is fixed, one slot's chain and its elements with what
 * nft_emit() makes of c and of the slot as it was shown.  What the slot may
 * reach is not compared here: see np_revoked().
 */
int nft_show_compare(const struct nft_text *t, const struct nft_conf *c,
    const struct nft_shown *s, struct nft_differ *d, struct err *e);

#endif
