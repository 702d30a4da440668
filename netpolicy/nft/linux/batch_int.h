/* batch_int.h - messages and expressions, for this directory only. */
#ifndef NFT_BATCH_INT_H
#define NFT_BATCH_INT_H

#include "nft/batch.h"

#include <libmnl/libmnl.h>

/* The longest message: an attribute's length has 16 bits. */
enum { NFT_MSG_ROOM = 72 * 1024, NFT_NEST_FULL = 60000 };

/*
 * A new message of that type (NFT_MSG_*) and flags, with the table's name in
 * it under attribute `table_attr`; NULL when the batch is full.
 */
struct nlmsghdr *nft_msg(
    struct nft_batch *b, uint16_t type, uint16_t flags, uint16_t table_attr);
void nft_msg_end(struct nft_batch *b, struct nlmsghdr *h);
void nft_end_batch(struct nft_batch *b);

/* nft's numbers of data types; a concatenation has six bits for each. */
enum {
	NFT_TYPE_IPADDR = 7,
	NFT_TYPE_IP6ADDR = 8,
	NFT_TYPE_ETHERADDR = 9,
	NFT_TYPE_SERVICE = 13,
	NFT_TYPE_MARK = 19,
	NFT_TYPE_CLASSID = 23,
	NFT_TYPE_IFNAME = 41,
};

/* nft's notes on a set: in which byte order keys and data are. */
enum { NFT_ORDER_HOST = 1, NFT_ORDER_BIG = 2 };

struct nft_set_decl {
	const char *name;
	uint32_t flags, type, len, data_type, data_len;
	uint32_t key_order, data_order; /* 0: nothing to say */
	uint32_t size;	    /* the most that there may be; 0: any number */
	uint32_t fields[2]; /* of a concatenation of intervals: bytes */
};

void nft_put_set(struct nft_batch *b, const struct nft_set_decl *s);

/* One rule at a time: begin, expressions, end. */
struct nft_rule {
	struct nft_batch *b;
	struct nlmsghdr *h; /* NULL: no room; then nothing is written */
	struct nlattr *exprs;
};

enum { NFT_R1 = 1, NFT_R2 = 2, NFT_R3 = 14 }; /* as nft numbers them */

struct nft_rule nft_rule_begin(struct nft_batch *b, const char *chain);
/* Behind the rule with that handle, not at the end. */
struct nft_rule nft_rule_behind(
    struct nft_batch *b, const char *chain, uint64_t handle);
/* comment may be NULL. */
void nft_rule_end(struct nft_rule *r, const char *comment);

void x_meta(struct nft_rule *r, uint32_t key, uint32_t reg);
void x_meta_set(struct nft_rule *r, uint32_t key, uint32_t reg);
void x_ct(struct nft_rule *r, uint32_t key, uint32_t reg);
void x_ct_original(struct nft_rule *r, uint32_t key, uint32_t reg);
void x_ct_set(struct nft_rule *r, uint32_t key, uint32_t reg);
void x_payload(struct nft_rule *r, uint32_t base, uint32_t off, uint32_t len,
    uint32_t reg);
void x_mask(struct nft_rule *r, uint32_t reg, const void *mask, size_t len);
void x_hton(struct nft_rule *r, uint32_t reg);
void x_cmp(struct nft_rule *r, uint32_t op, uint32_t reg, const void *data,
    size_t len);
void x_cmp32(struct nft_rule *r, uint32_t op, uint32_t reg, uint32_t v);
void x_lookup(struct nft_rule *r, uint32_t reg, const char *set);
void x_map(struct nft_rule *r, uint32_t reg, const char *map, uint32_t dreg);
void x_imm(struct nft_rule *r, uint32_t reg, const void *data, size_t len);
void x_verdict(struct nft_rule *r, int32_t code, const char *chain);
void x_counter(struct nft_rule *r);
/* The element of that register in a cap's set, beyond its limit. */
void x_update_limit(
    struct nft_rule *r, uint32_t reg, const struct nft_cap *cap);
void x_limit(struct nft_rule *r, uint64_t per_second, uint32_t burst);
void x_log(struct nft_rule *r, uint16_t group, uint32_t snaplen);
void x_reject(struct nft_rule *r, uint32_t type, uint8_t code);
void x_ct_count_over(struct nft_rule *r, uint32_t count);
void x_redirect(struct nft_rule *r, uint32_t reg);
void x_masquerade(struct nft_rule *r);

/* Parts of a slot: its rules; its elements in src4, src6, out and in. */
void nft_put_dispatch(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s);
void nft_put_slot_rules(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s);
/* behind: the handle of the rule that they come after; 0: at the end. */
void nft_put_ports_rules(struct nft_batch *b, const struct nft_conf *h,
    const struct nft_slot *s, uint64_t behind);

#endif
