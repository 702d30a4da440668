#include "batch_int.h"

#include <string.h>
#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

/* libnftnl's numbering of what nft writes into userdata. */
enum { UDATA_COMMENT = 0 };

struct nft_rule
nft_rule_begin(struct nft_batch *b, const char *chain)
{
	return nft_rule_behind(b, chain, 0);
}

struct nft_rule
nft_rule_behind(struct nft_batch *b, const char *chain, uint64_t handle)
{
	struct nft_rule r = { .b = b };

	r.h = nft_msg(
	    b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE);
	if (r.h == NULL)
		return r;
	mnl_attr_put_strz(r.h, NFTA_RULE_CHAIN, chain);
	if (handle != 0)
		mnl_attr_put_u64(r.h, NFTA_RULE_POSITION, htobe64(handle));
	r.exprs = mnl_attr_nest_start(r.h, NFTA_RULE_EXPRESSIONS);
	return r;
}

void
nft_rule_end(struct nft_rule *r, const char *comment)
{
	if (r->h == NULL)
		return;
	mnl_attr_nest_end(r->h, r->exprs);
	if (comment != NULL) {
		char u[2 + 128];
		size_t n = strlen(comment) + 1;

		u[0] = UDATA_COMMENT;
		u[1] = (char)n;
		memcpy(u + 2, comment, n);
		mnl_attr_put(r->h, NFTA_RULE_USERDATA, 2 + n, u);
	}
	nft_msg_end(r->b, r->h);
}

struct expr {
	struct nlmsghdr *h;
	struct nlattr *elem, *data;
};

static struct expr
begin(struct nft_rule *r, const char *name)
{
	struct expr x = { .h = r->h };

	if (x.h == NULL)
		return x;
	x.elem = mnl_attr_nest_start(x.h, NFTA_LIST_ELEM);
	mnl_attr_put_strz(x.h, NFTA_EXPR_NAME, name);
	x.data = mnl_attr_nest_start(x.h, NFTA_EXPR_DATA);
	return x;
}

static void
put32(struct expr *x, uint16_t attr, uint32_t v)
{
	if (x->h != NULL)
		mnl_attr_put_u32(x->h, attr, htonl(v));
}

static void
put_value(struct expr *x, uint16_t attr, const void *data, size_t len)
{
	struct nlattr *n;

	if (x->h == NULL)
		return;
	n = mnl_attr_nest_start(x->h, attr);
	mnl_attr_put(x->h, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(x->h, n);
}

static void
put_name(struct expr *x, uint16_t attr, const char *name)
{
	if (x->h != NULL)
		mnl_attr_put_strz(x->h, attr, name);
}

static void
end(struct expr *x)
{
	if (x->h == NULL)
		return;
	mnl_attr_nest_end(x->h, x->data);
	mnl_attr_nest_end(x->h, x->elem);
}

void
x_meta(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = begin(r, "meta");

	put32(&x, NFTA_META_KEY, key);
	put32(&x, NFTA_META_DREG, reg);
	end(&x);
}

void
x_meta_set(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = begin(r, "meta");

	put32(&x, NFTA_META_KEY, key);
	put32(&x, NFTA_META_SREG, reg);
	end(&x);
}

void
x_ct(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = begin(r, "ct");

	put32(&x, NFTA_CT_KEY, key);
	put32(&x, NFTA_CT_DREG, reg);
	end(&x);
}

void
x_ct_original(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = begin(r, "ct");

	put32(&x, NFTA_CT_KEY, key);
	put32(&x, NFTA_CT_DREG, reg);
	if (x.h != NULL)
		mnl_attr_put_u8(x.h, NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL);
	end(&x);
}

void
x_ct_set(struct nft_rule *r, uint32_t key, uint32_t reg)
{
	struct expr x = begin(r, "ct");

	put32(&x, NFTA_CT_KEY, key);
	put32(&x, NFTA_CT_SREG, reg);
	end(&x);
}

void
x_payload(
    struct nft_rule *r, uint32_t base, uint32_t off, uint32_t len, uint32_t reg)
{
	struct expr x = begin(r, "payload");

	put32(&x, NFTA_PAYLOAD_DREG, reg);
	put32(&x, NFTA_PAYLOAD_BASE, base);
	put32(&x, NFTA_PAYLOAD_OFFSET, off);
	put32(&x, NFTA_PAYLOAD_LEN, len);
	end(&x);
}

void
x_mask(struct nft_rule *r, uint32_t reg, const void *mask, size_t len)
{
	static const uint8_t zero[16];
	struct expr x = begin(r, "bitwise");

	put32(&x, NFTA_BITWISE_SREG, reg);
	put32(&x, NFTA_BITWISE_DREG, reg);
	put32(&x, NFTA_BITWISE_LEN, (uint32_t)len);
	put_value(&x, NFTA_BITWISE_MASK, mask, len);
	put_value(&x, NFTA_BITWISE_XOR, zero, len);
	end(&x);
}

void
x_hton(struct nft_rule *r, uint32_t reg)
{
	struct expr x = begin(r, "byteorder");

	put32(&x, NFTA_BYTEORDER_SREG, reg);
	put32(&x, NFTA_BYTEORDER_DREG, reg);
	put32(&x, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	put32(&x, NFTA_BYTEORDER_LEN, 4);
	put32(&x, NFTA_BYTEORDER_SIZE, 4);
	end(&x);
}

void
x_cmp(
    struct nft_rule *r, uint32_t op, uint32_t reg, const void *data, size_t len)
{
	struct expr x = begin(r, "cmp");

	put32(&x, NFTA_CMP_SREG, reg);
	put32(&x, NFTA_CMP_OP, op);
	put_value(&x, NFTA_CMP_DATA, data, len);
	end(&x);
}

void
x_cmp32(struct nft_rule *r, uint32_t op, uint32_t reg, uint32_t v)
{
	x_cmp(r, op, reg, &v, sizeof(v));
}

void
x_lookup(struct nft_rule *r, uint32_t reg, const char *set)
{
	struct expr x = begin(r, "lookup");

	put_name(&x, NFTA_LOOKUP_SET, set);
	put32(&x, NFTA_LOOKUP_SREG, reg);
	put32(&x, NFTA_LOOKUP_FLAGS, 0);
	end(&x);
}

void
x_map(struct nft_rule *r, uint32_t reg, const char *map, uint32_t dreg)
{
	struct expr x = begin(r, "lookup");

	put_name(&x, NFTA_LOOKUP_SET, map);
	put32(&x, NFTA_LOOKUP_SREG, reg);
	put32(&x, NFTA_LOOKUP_DREG, dreg);
	put32(&x, NFTA_LOOKUP_FLAGS, 0);
	end(&x);
}

void
x_imm(struct nft_rule *r, uint32_t reg, const void *data, size_t len)
{
	struct expr x = begin(r, "immediate");

	put32(&x, NFTA_IMMEDIATE_DREG, reg);
	put_value(&x, NFTA_IMMEDIATE_DATA, data, len);
	end(&x);
}

void
x_verdict(struct nft_rule *r, int32_t code, const char *chain)
{
	struct expr x = begin(r, "immediate");
	struct nlattr *data, *verdict;

	if (x.h == NULL)
		return;
	put32(&x, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(x.h, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(x.h, NFTA_DATA_VERDICT);
	put32(&x, NFTA_VERDICT_CODE, (uint32_t)code);
	if (chain != NULL)
		put_name(&x, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(x.h, verdict);
	mnl_attr_nest_end(x.h, data);
	end(&x);
}

void
x_counter(struct nft_rule *r)
{
	struct expr x = begin(r, "counter");

	end(&x);
}

void
x_limit(struct nft_rule *r, uint64_t per_second, uint32_t burst)
{
	struct expr x = begin(r, "limit");

	if (x.h == NULL)
		return;
	mnl_attr_put_u64(x.h, NFTA_LIMIT_RATE, htobe64(per_second));
	mnl_attr_put_u64(x.h, NFTA_LIMIT_UNIT, htobe64(1));
	put32(&x, NFTA_LIMIT_BURST, burst);
	put32(&x, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	end(&x);
}

void
x_update_limit(struct nft_rule *r, uint32_t reg, const struct nft_cap *cap)
{
	struct expr x = begin(r, "dynset");
	struct nlattr *limit, *data;

	if (x.h == NULL)
		return;
	put_name(&x, NFTA_DYNSET_SET_NAME, cap->set);
	put32(&x, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	put32(&x, NFTA_DYNSET_SREG_KEY, reg);
	limit = mnl_attr_nest_start(x.h, NFTA_DYNSET_EXPR);
	put_name(&x, NFTA_EXPR_NAME, "limit");
	data = mnl_attr_nest_start(x.h, NFTA_EXPR_DATA);
	mnl_attr_put_u64(x.h, NFTA_LIMIT_RATE, htobe64(cap->a_second));
	mnl_attr_put_u64(x.h, NFTA_LIMIT_UNIT, htobe64(1));
	put32(&x, NFTA_LIMIT_BURST, cap->burst);
	put32(&x, NFTA_LIMIT_TYPE,
	    cap->bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS);
	put32(&x, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	mnl_attr_nest_end(x.h, data);
	mnl_attr_nest_end(x.h, limit);
	end(&x);
}

void
x_log(struct nft_rule *r, uint16_t group, uint32_t snaplen)
{
	struct expr x = begin(r, "log");

	if (x.h == NULL)
		return;
	mnl_attr_put_u16(x.h, NFTA_LOG_GROUP, htons(group));
	put32(&x, NFTA_LOG_SNAPLEN, snaplen);
	end(&x);
}

void
x_reject(struct nft_rule *r, uint32_t type, uint8_t code)
{
	struct expr x = begin(r, "reject");

	if (x.h == NULL)
		return;
	put32(&x, NFTA_REJECT_TYPE, type);
	mnl_attr_put_u8(x.h, NFTA_REJECT_ICMP_CODE, code);
	end(&x);
}

void
x_ct_count_over(struct nft_rule *r, uint32_t count)
{
	struct expr x = begin(r, "connlimit");

	put32(&x, NFTA_CONNLIMIT_COUNT, count);
	put32(&x, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	end(&x);
}

void
x_redirect(struct nft_rule *r, uint32_t reg)
{
	struct expr x = begin(r, "redir");

	put32(&x, NFTA_REDIR_REG_PROTO_MIN, reg);
	put32(&x, NFTA_REDIR_REG_PROTO_MAX, reg);
	put32(&x, NFTA_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
	end(&x);
}

void
x_masquerade(struct nft_rule *r)
{
	struct expr x = begin(r, "masq");

	end(&x);
}
