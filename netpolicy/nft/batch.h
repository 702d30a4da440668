/*
 * nft/batch.h - the table `inet coppice` as netlink messages.
 *
 * A batch is a transaction: all of it happens, or nothing.  The text of the
 * same table is made by nft/emit.c; docs/policy.md shows it.  Nothing here
 * opens anything: a struct nft_sock is made from a socket that the caller may
 * open.
 */
#ifndef NFT_BATCH_H
#define NFT_BATCH_H

#include "nft/emit.h"

#define NFT_TABLE  "coppice"
#define NFT_ANCHOR "coppice_guard"

enum {
	NFT_LOG_GROUP = 1919, /* of NFLOG: denied packets */
	NFT_NAME_MAX = 16,
};

struct nft_batch {
	char *data;
	size_t len, cap, max;
	uint32_t seq;	   /* of the next message */
	uint32_t first;	   /* of the first one */
	size_t last;	   /* offset of the newest message */
	size_t nmsgs;	   /* without begin and end */
	bool failed;	   /* a message found no room: the batch is void */
	const char *table; /* that messages are about; NULL: NFT_TABLE */
};

/* max: bytes; a batch that would be longer fails as a whole. */
void nft_batch_init(struct nft_batch *b, size_t max);
void nft_batch_fini(struct nft_batch *b);
/* Begins a new transaction, keeping the memory. */
void nft_batch_begin(struct nft_batch *b);

/* The table with everything that is not a slot's.  It must not exist. */
void nft_put_base(struct nft_batch *b, const struct nft_conf *h);
/* Makes sure that it does not exist, whether it did or not. */
void nft_put_no_table(struct nft_batch *b);

/*
 * The table that stays when somebody flushes all others: it belongs to the
 * socket that sends it, and goes with it.  See anchor.c.  net6 may be NULL.
 */
void nft_put_anchor(struct nft_batch *b, const struct np_prefix *net4,
    const struct np_prefix *net6);

/* Sets, chain, rules, dispatch of one slot, closed; gen and ok are not asked.
 */
void nft_put_slot(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s);
/* The rules of its chain anew: with s->birth, and counters from 0. */
void nft_put_birth(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s);

/*
 * Elements of sb<slot>_ok4 and, by a range's class, sb<slot>_some4; or of
 * both 6, by del->family.  ids: by class, what an address is mapped to; NULL
 * where the slot has no map.  `site` names origins.
 */
void nft_put_ok(struct nft_batch *b, uint32_t slot, const struct np_ok *del,
    const struct np_ok *add, const uint32_t *ids, const struct np_site *site);
/* Empties sb<slot>_ok4 or _ok6, and with `some` the map beside it. */
void nft_put_ok_flush(
    struct nft_batch *b, uint32_t slot, enum np_family f, bool some);

/*
 * Sets and rules for ports, of a slot that has none: the rules behind the one
 * with that handle, the last of those that allow.  With nft_put_birth() in the
 * same batch, the sets alone, before it.
 */
void nft_put_ports_objects(struct nft_batch *b, const struct nft_conf *h,
    const struct nft_slot *s, uint64_t behind);
void nft_put_ports_sets(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s);
/* The ports of one id: there from now on, or no more. */
void nft_put_ports(struct nft_batch *b, uint32_t slot, uint32_t id,
    const struct np_ports *p, bool there);
/* Empties maps and sets for ports. */
void nft_put_ports_flush(struct nft_batch *b, uint32_t slot, bool v6);
/* What is live: `from` no more, `to` from now on; 0 is none. */
void nft_put_gen(
    struct nft_batch *b, uint32_t slot, uint32_t from, uint32_t to);

struct nft_sock {
	int fd; /* NETLINK_NETFILTER, bound */
	uint32_t portid;
	uint32_t seq;
	uint64_t ncommits;
	char *room; /* for answers */
};

/* Takes fd: a NETLINK_NETFILTER socket.  On failure it is closed. */
int nft_sock_init(struct nft_sock *s, int fd, struct err *e);
void nft_sock_fini(struct nft_sock *s);

/*
 * Sends the batch and reads until no answer is left, so that the next batch
 * never meets a stale one.  On failure nothing has changed, and e->sys_errno
 * is the first thing that the kernel said; ENOBUFS: we do not know what
 * happened.  An empty batch is not sent.
 */
int nft_send(struct nft_sock *s, struct nft_batch *b, struct err *e);

#endif
