/*
 * nft/lists.h - from what a slot's sets hold back to what may be reached, for
 * whoever has read them: by netlink, or as nft's text.
 */
#ifndef NFT_LISTS_H
#define NFT_LISTS_H

#include "nft/emit.h"

struct nft_port_elem {
	uint32_t id;
	uint16_t lo, hi;
};

struct nft_port_elems {
	struct nft_port_elem *v;
	size_t n, cap;
};

/* What is in sbN_tcp, sbN_udp and sbN_rest; of the last one, ids alone. */
struct nft_lists {
	struct nft_port_elems tcp, udp, rest;
};

int nft_port_elems_add(
    struct nft_port_elems *f, struct nft_port_elem x, struct err *e);
void nft_lists_fini(struct nft_lists *l);

/*
 * The class of an address that is mapped to id; 0: it is in the set.  ids: one
 * for each class, as far as seen; *odd: another one for the same class.
 */
enum np_class nft_take_id(uint32_t id, uint32_t ids[NP_NCLASSES], bool *odd);

/* What the maps hold goes to what the sets hold, in order. */
int nft_join_some(
    struct np_ok *ok, struct np_ok *some, bool *odd, struct err *e);

/*
 * The lists of the ids that are in use, as the compiler writes them.  *odd:
 * there are others, or one is missing.
 */
int nft_lists_make(struct nft_lists *l, const uint32_t ids[NP_NCLASSES],
    bool *odd, struct np_ports out[NP_NCLASSES], struct err *e);

/* What holds of odd sets: addresses that pass whole. */
void nft_keep_whole(struct np_reach *r, uint32_t ids[NP_NCLASSES]);

#endif
