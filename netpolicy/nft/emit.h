/*
 * nft/emit.h - the whole table `inet coppice` as text for nft.
 *
 * For eyes, golden files and `nft -c`; what runs is sent by nft/batch.c, from
 * the same declarations in docs/policy.md.  Only numbers and names of ours
 * get into the text, never anything that a client wrote.
 */
#ifndef NFT_EMIT_H
#define NFT_EMIT_H

#include "base/buf.h"
#include "ir.h"

/* Stands for all protocols but TCP and UDP: no rule tells those apart. */
enum { NFT_PROTO_REST = 0 };

struct nft_conf {
	uint32_t group; /* interface group of all sandboxes */
	uint16_t resolver_port;
	bool v6; /* does the host have IPv6? */
	struct np_addr resolver4, resolver6;
	/* Of each sandbox; what is 0 has no rule and no set. */
	uint32_t max_flows; /* never 0 */
	uint32_t max_pps;   /* packets that it sends, a second */
	uint32_t max_egress_mbit, max_ingress_mbit;
	uint32_t cap_slots; /* how many there may be */
};

/* A cap's set remembers each sandbox, and what it has left of its burst. */
struct nft_cap {
	const char *set, *comment;
	bool bytes, in;	   /* else packets, and those that it sends */
	uint64_t a_second; /* 0: no cap */
	uint32_t burst;
};

enum { NFT_CAP_PPS, NFT_CAP_OUT, NFT_CAP_IN, NFT_NCAPS };

void nft_caps(const struct nft_conf *c, struct nft_cap caps[NFT_NCAPS]);

struct nft_slot {
	uint32_t slot;
	uint8_t mac[6]; /* of the sandbox's end, as its addresses */
	struct np_addr sb4, sb6;
	uint32_t gen;	/* 0: closed */
	uint32_t birth; /* generations below belong to the last tenant */
	const struct np_reach *reach; /* NULL: nothing */
	/* The sets and rules for ports are there: made when first needed. */
	bool ports;
	uint32_t ids[NP_NCLASSES]; /* of BUT and ONLY; see nft_class_id() */
};

/*
 * What an address is mapped to that passes on some ports alone: a number of
 * one version of one class's list.  It is never used again for another list.
 */
static inline uint32_t
nft_class_id(uint32_t gen, enum np_class class)
{
	return gen << 1 | (class == NP_ONLY);
}

static inline enum np_class
nft_class_of(uint32_t id)
{
	return id & 1 ? NP_ONLY : NP_BUT;
}

/* Is any address of r of that class; or of one with ports? */
bool nft_uses(const struct np_reach *r, enum np_class c);
bool nft_wants_ports(const struct np_reach *r);

/* The values that coppiced.conf has when it says nothing. */
void nft_conf_default(struct nft_conf *c);
/* Slot n of 10.78.0.0/16 and fd77::/64, closed. */
void nft_slot_default(uint32_t slot, struct nft_slot *out);

int nft_emit(struct buf *b, const struct nft_conf *c, const struct nft_slot *v,
    size_t n, const struct np_site *site, struct err *e);

#endif
