/*
 * nft/read.h - what the kernel has in the table `inet coppice`.
 *
 * For adopting a table that an earlier run left, for counters, and for finding
 * out whether somebody else changed it.
 */
#ifndef NFT_READ_H
#define NFT_READ_H

#include "nft/batch.h"

/* The kernel's count of transactions, of all tables together. */
int nft_read_genid(struct nft_sock *s, uint32_t *id, struct err *e);
/* The table's handle: another table of the same name has another; 0: none. */
int nft_read_table(struct nft_sock *s, uint64_t *handle, struct err *e);

struct nft_found {
	/* Chain sb<slot> is there; all chains come before any generation. */
	void (*on_slot)(struct nft_found *f, uint32_t slot, uint32_t birth);
	/* It has sets and rules for ports. */
	void (*on_ports)(struct nft_found *f, uint32_t slot);
	void (*on_gen)(struct nft_found *f, uint32_t slot, uint32_t gen);
	/* Fills in what is the slot's by arithmetic: mac, sb4, sb6. */
	void (*want_slot)(
	    struct nft_found *f, uint32_t slot, struct nft_slot *s);
};

/*
 * Compares every set, chain, rule and dispatch element with what nft_put_base()
 * and nft_put_slot() would send; only counters, limits, BIRTH, `ok` sets and
 * generations may be anything, as long as `live` holds these and no other.  0:
 * good, and all slots were reported; 1: it is not ours as it is, e->msg says
 * where; -1: could not be read.
 */
int nft_read_all(struct nft_sock *s, const struct nft_conf *c,
    struct nft_found *f, struct err *e);

/*
 * What a slot's sets hold, without origins; ids: of the classes that are in
 * use, else 0.  ports: the slot has sets for ports.  *odd: they hold what no
 * single policy would, as after an update that was cut short; then out is what
 * may be reached whatever the port is.  Takes nothing; out is the caller's.
 */
int nft_read_reach(struct nft_sock *s, uint32_t slot, bool v6, bool ports,
    struct np_reach *out, uint32_t ids[NP_NCLASSES], bool *odd, struct err *e);

/* The handle of the last rule that allows whatever the port is. */
int nft_read_allowed(
    struct nft_sock *s, uint32_t slot, uint64_t *handle, struct err *e);

/* Packets that the slot's chain judged, by verdict. */
struct nft_counts {
	uint64_t passed, denied, stale;
};

int nft_read_counts(
    struct nft_sock *s, uint32_t slot, struct nft_counts *out, struct err *e);

#endif
