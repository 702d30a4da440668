/*
 * anchor.c - what holds while our table is gone.
 *
 * Then nothing translates the answers to sandboxes' connections back, and they
 * are packets to the host itself, whose TCP would reset connections that it
 * does not know: the far end of every busy flow would be dead before the table
 * is made anew.  A table with an owner is left alone by `flush ruleset` and by
 * everybody else.  This one keeps conntrack going, which knows whose answers
 * they are, and drops them, so that they are sent again.  While our table
 * stands no packet of that kind comes to `input` from a link, and none of what
 * is forwarded passes here at all.  What the host says to its own end of a
 * sandbox's link comes in by lo, and is left alone.
 *
 *	table inet coppice_guard {
 *		flags owner
 *		chain input {
 *			type filter hook input priority filter; policy accept;
 *			iif != "lo" ct direction reply
 *			    ct original ip saddr 10.78.0.0/16 counter drop
 *			iif != "lo" ct direction reply
 *			    ct original ip6 saddr fd77::/64 counter drop
 *		}
 *	}
 */
#include "nft/batch.h"

#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include "batch_int.h"

static void
put_table(struct nft_batch *b)
{
	struct nlmsghdr *h =
	    nft_msg(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);

	if (h == NULL)
		return;
	mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_F_OWNER));
	nft_msg_end(b, h);
}

static void
put_chain(struct nft_batch *b)
{
	struct nlmsghdr *h = nft_msg(
	    b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, NFTA_CHAIN_TABLE);
	struct nlattr *n;

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, "input");
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	n = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(NF_INET_LOCAL_IN));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, 0);
	mnl_attr_nest_end(h, n);
	nft_msg_end(b, h);
}

static void
rule_answers(struct nft_batch *b, const struct np_prefix *net)
{
	struct nft_rule r = nft_rule_begin(b, "input");
	const uint8_t reply = IP_CT_DIR_REPLY;
	const uint32_t lo = 1; /* in every network namespace */
	bool v4 = net->family == NP_V4;
	size_t len = v4 ? 4 : 16;
	uint8_t addr[16], mask[16] = { 0 };

	np_addr_bytes((struct np_addr){ net->addr, net->family }, addr);
	for (unsigned i = 0; i < net->len; i++)
		mask[i / 8] = (uint8_t)(mask[i / 8] | 0x80u >> i % 8);
	x_meta(&r, NFT_META_IIF, NFT_R1);
	x_cmp(&r, NFT_CMP_NEQ, NFT_R1, &lo, sizeof(lo));
	x_ct(&r, NFT_CT_DIRECTION, NFT_R1);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, &reply, sizeof(reply));
	x_ct_original(&r, v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, NFT_R1);
	x_mask(&r, NFT_R1, mask, len);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, addr, len);
	x_counter(&r);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "answers to sandboxes, while table coppice is gone");
}

void
nft_put_anchor(struct nft_batch *b, const struct np_prefix *net4,
    const struct np_prefix *net6)
{
	b->table = NFT_ANCHOR;
	put_table(b);
	put_chain(b);
	rule_answers(b, net4);
	if (net6 != NULL)
		rule_answers(b, net6);
	b->table = NULL;
}
