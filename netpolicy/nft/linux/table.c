/*
 * table.c - every set, chain and rule of the table; docs/policy.md shows them
 * as text, and nft/emit.c prints that.  The expressions are those that nft
 * makes of the text, so that its listing says the same.
 */
#include "nft/batch.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>

#include "batch_int.h"

enum {
	TYPE_SRC4 =
	    NFT_TYPE_IFNAME << 12 | NFT_TYPE_ETHERADDR << 6 | NFT_TYPE_IPADDR,
	TYPE_SRC6 =
	    NFT_TYPE_IFNAME << 12 | NFT_TYPE_ETHERADDR << 6 | NFT_TYPE_IP6ADDR,
};
#define TYPE_VERDICT 0xffffff00u

/* nft's notes on a set. */
enum { NOTE_KEY_ORDER, NOTE_DATA_ORDER };

/* --- sets -------------------------------------------------------------------
 */

/* How many there may be, or how long each field of a range's key is. */
static void
put_desc(struct nlmsghdr *h, const struct nft_set_decl *s)
{
	struct nlattr *desc = mnl_attr_nest_start(h, NFTA_SET_DESC), *list;

	if (s->size != 0)
		mnl_attr_put_u32(h, NFTA_SET_DESC_SIZE, htonl(s->size));
	if (s->fields[0] != 0) {
		list = mnl_attr_nest_start(h, NFTA_SET_DESC_CONCAT);
		for (size_t i = 0; i < 2; i++) {
			struct nlattr *n =
			    mnl_attr_nest_start(h, NFTA_LIST_ELEM);

			mnl_attr_put_u32(
			    h, NFTA_SET_FIELD_LEN, htonl(s->fields[i]));
			mnl_attr_nest_end(h, n);
		}
		mnl_attr_nest_end(h, list);
	}
	mnl_attr_nest_end(h, desc);
}

static size_t
note(uint8_t *to, uint8_t what, uint32_t order)
{
	if (order == 0)
		return 0;
	to[0] = what;
	to[1] = sizeof(order);
	memcpy(to + 2, &order, sizeof(order));
	return 2 + sizeof(order);
}

void
nft_put_set(struct nft_batch *b, const struct nft_set_decl *s)
{
	struct nlmsghdr *h = nft_msg(
	    b, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, NFTA_SET_TABLE);
	uint8_t notes[16];
	size_t n;

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_SET_NAME, s->name);
	mnl_attr_put_u32(h, NFTA_SET_FLAGS, htonl(s->flags));
	mnl_attr_put_u32(h, NFTA_SET_KEY_TYPE, htonl(s->type));
	mnl_attr_put_u32(h, NFTA_SET_KEY_LEN, htonl(s->len));
	if (s->flags & NFT_SET_MAP) {
		mnl_attr_put_u32(h, NFTA_SET_DATA_TYPE, htonl(s->data_type));
		mnl_attr_put_u32(h, NFTA_SET_DATA_LEN, htonl(s->data_len));
	}
	if (s->fields[0] != 0 || s->size != 0)
		put_desc(h, s);
	/* Unique in this batch: the message's own number. */
	mnl_attr_put_u32(h, NFTA_SET_ID, htonl(h->nlmsg_seq | 1u << 31));
	n = note(notes, NOTE_KEY_ORDER, s->key_order);
	n += note(notes + n, NOTE_DATA_ORDER, s->data_order);
	if (n > 0)
		mnl_attr_put(h, NFTA_SET_USERDATA, n, notes);
	nft_msg_end(b, h);
}

static void
put_cap_sets(struct nft_batch *b, const struct nft_conf *h)
{
	struct nft_cap caps[NFT_NCAPS];

	nft_caps(h, caps);
	for (size_t i = 0; i < NFT_NCAPS; i++) {
		const struct nft_set_decl s = { .name = caps[i].set,
			.flags = NFT_SET_EVAL,
			.type = NFT_TYPE_IFNAME,
			.len = 16,
			.key_order = NFT_ORDER_HOST,
			.size = h->cap_slots };

		if (caps[i].a_second > 0)
			nft_put_set(b, &s);
	}
}

/* The first ones are found fastest: those that every policy touches. */
static void
put_base_sets(struct nft_batch *b, const struct nft_conf *h)
{
	static const struct nft_set_decl live = { .name = "live",
		.type = NFT_TYPE_MARK,
		.len = 4,
		.key_order = NFT_ORDER_HOST };
	static const struct nft_set_decl gen = { .name = "gen",
		.flags = NFT_SET_MAP,
		.type = NFT_TYPE_IFNAME,
		.len = 16,
		.data_type = NFT_TYPE_MARK,
		.data_len = 4,
		.key_order = NFT_ORDER_HOST,
		.data_order = NFT_ORDER_HOST };
	static const struct nft_set_decl src4 = {
		.name = "src4", .type = TYPE_SRC4, .len = 28
	};
	static const struct nft_set_decl src6 = {
		.name = "src6", .type = TYPE_SRC6, .len = 40
	};
	static const struct nft_set_decl out = { .name = "out",
		.flags = NFT_SET_MAP,
		.type = NFT_TYPE_IFNAME,
		.len = 16,
		.data_type = TYPE_VERDICT,
		.key_order = NFT_ORDER_HOST };
	struct nft_set_decl in = out;

	in.name = "in";
	nft_put_set(b, &live);
	nft_put_set(b, &gen);
	nft_put_set(b, &src4);
	if (h->v6)
		nft_put_set(b, &src6);
	nft_put_set(b, &out);
	nft_put_set(b, &in);
	put_cap_sets(b, h);
}

/* --- chains -----------------------------------------------------------------
 */

static void
put_chain(struct nft_batch *b, const char *name)
{
	struct nlmsghdr *h = nft_msg(
	    b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, NFTA_CHAIN_TABLE);

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
	nft_msg_end(b, h);
}

static void
put_base_chain(struct nft_batch *b, const char *name, const char *type,
    uint32_t hook, int32_t priority)
{
	struct nlmsghdr *h = nft_msg(
	    b, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, NFTA_CHAIN_TABLE);
	struct nlattr *n;

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, name);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, type);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	n = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)priority));
	mnl_attr_nest_end(h, n);
	nft_msg_end(b, h);
}

static void
put_base_chains(struct nft_batch *b)
{
	put_base_chain(b, "prerouting", "filter", NF_INET_PRE_ROUTING, -300);
	put_chain(b, "source");
	put_base_chain(b, "resolver", "nat", NF_INET_PRE_ROUTING, -100);
	put_base_chain(b, "input", "filter", NF_INET_LOCAL_IN, 0);
	put_chain(b, "host");
	put_base_chain(b, "forward", "filter", NF_INET_FORWARD, 0);
	put_chain(b, "judge_out");
	put_chain(b, "judge_in");
	put_chain(b, "refuse");
	put_base_chain(b, "leave", "nat", NF_INET_POST_ROUTING, 100);
}

/* --- parts of rules ---------------------------------------------------------
 */

static void
want_group(
    struct nft_rule *r, const struct nft_conf *h, uint32_t key, uint32_t op)
{
	x_meta(r, key, NFT_R1);
	x_cmp32(r, op, NFT_R1, h->group);
}

static void
want_family(struct nft_rule *r, uint8_t family)
{
	x_meta(r, NFT_META_NFPROTO, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, &family, sizeof(family));
}

static void
want_port(struct nft_rule *r, uint8_t proto, uint16_t port)
{
	uint16_t be = htons(port);

	x_meta(r, NFT_META_L4PROTO, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, &proto, sizeof(proto));
	x_payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, &be, sizeof(be));
}

static void
want_destination(struct nft_rule *r, struct np_addr a)
{
	bool v4 = a.family == NP_V4;
	uint8_t bytes[16];
	size_t len = v4 ? 4 : 16;

	np_addr_bytes(a, bytes);
	want_family(r, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	x_payload(
	    r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, (uint32_t)len, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, bytes, len);
}

static void
want_flag(struct nft_rule *r, uint32_t key, uint32_t bit)
{
	x_ct(r, key, NFT_R1);
	x_mask(r, NFT_R1, &bit, sizeof(bit));
	x_cmp32(r, NFT_CMP_NEQ, NFT_R1, 0);
}

static void
want_direction(struct nft_rule *r, uint8_t dir)
{
	x_ct(r, NFT_CT_DIRECTION, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, &dir, sizeof(dir));
}

static void
set_meta_mark(struct nft_rule *r, uint32_t mark)
{
	x_imm(r, NFT_R1, &mark, sizeof(mark));
	x_meta_set(r, NFT_META_MARK, NFT_R1);
}

/* --- whole rules ------------------------------------------------------------
 */

static void
rule_group(struct nft_batch *b, const struct nft_conf *h, const char *chain,
    uint32_t key, const char *to)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	want_group(&r, h, key, NFT_CMP_EQ);
	x_verdict(&r, NFT_GOTO, to);
	nft_rule_end(&r, NULL);
}

static void
rule_count(struct nft_batch *b, const char *chain, int32_t verdict,
    const char *to, const char *comment)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	x_counter(&r);
	x_verdict(&r, verdict, to);
	nft_rule_end(&r, comment);
}

static void
rule_source(struct nft_batch *b, bool v4)
{
	struct nft_rule r = nft_rule_begin(b, "source");
	uint16_t arp = ARPHRD_ETHER, ether = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	uint8_t host = PACKET_HOST;

	x_meta(&r, NFT_META_IIFTYPE, NFT_R1);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, &arp, sizeof(arp));
	x_payload(&r, NFT_PAYLOAD_LL_HEADER, 12, 2, NFT_R1);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, &ether, sizeof(ether));
	x_meta(&r, NFT_META_IIFNAME, NFT_R1);
	x_payload(&r, NFT_PAYLOAD_LL_HEADER, 6, 6, NFT_R2);
	x_payload(
	    &r, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, v4 ? 4 : 16, NFT_R3);
	x_lookup(&r, NFT_R1, v4 ? "src4" : "src6");
	x_imm(&r, NFT_R1, &host, sizeof(host));
	x_meta_set(&r, NFT_META_PKTTYPE, NFT_R1);
	x_verdict(&r, NF_ACCEPT, NULL);
	nft_rule_end(&r, NULL);
}

/* Counts towards the limit of the interface, and drops what is over it. */
static void
rules_cap(struct nft_batch *b, const struct nft_conf *h, bool in)
{
	struct nft_cap caps[NFT_NCAPS];

	nft_caps(h, caps);
	for (size_t i = 0; i < NFT_NCAPS; i++) {
		struct nft_rule r;

		if (caps[i].a_second == 0 || caps[i].in != in)
			continue;
		r = nft_rule_begin(b, in ? "judge_in" : "source");
		x_meta(&r, in ? NFT_META_OIFNAME : NFT_META_IIFNAME, NFT_R1);
		x_update_limit(&r, NFT_R1, &caps[i]);
		x_counter(&r);
		x_verdict(&r, NF_DROP, NULL);
		nft_rule_end(&r, caps[i].comment);
	}
}

static void
rules_source(struct nft_batch *b, const struct nft_conf *h)
{
	struct nft_rule r = nft_rule_begin(b, "source");
	uint8_t mask = 0x0f, five = 5;

	want_family(&r, NFPROTO_IPV4);
	x_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 0, 1, NFT_R1);
	x_mask(&r, NFT_R1, &mask, sizeof(mask));
	x_cmp(&r, NFT_CMP_NEQ, NFT_R1, &five, sizeof(five));
	x_counter(&r);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "IP options");

	rules_cap(b, h, false);
	rule_source(b, true);
	if (h->v6)
		rule_source(b, false);
	rule_count(b, "source", NF_DROP, NULL, "not the slot's own address");
}

static void
rule_redirect(struct nft_batch *b, const struct nft_conf *h, struct np_addr to,
    uint8_t proto)
{
	struct nft_rule r = nft_rule_begin(b, "resolver");
	uint16_t be = htons(h->resolver_port);

	want_group(&r, h, NFT_META_IIFGROUP, NFT_CMP_EQ);
	want_destination(&r, to);
	want_port(&r, proto, 53);
	x_imm(&r, NFT_R1, &be, sizeof(be));
	x_redirect(&r, NFT_R1);
	nft_rule_end(&r, NULL);
}

static void
rules_resolver(struct nft_batch *b, const struct nft_conf *h)
{
	rule_redirect(b, h, h->resolver4, IPPROTO_UDP);
	rule_redirect(b, h, h->resolver4, IPPROTO_TCP);
	if (!h->v6)
		return;
	rule_redirect(b, h, h->resolver6, IPPROTO_UDP);
	rule_redirect(b, h, h->resolver6, IPPROTO_TCP);
}

/* What was redirected to us, and nothing that only looks like it. */
static void
rule_redirected(struct nft_batch *b, uint8_t proto, uint16_t port)
{
	struct nft_rule r = nft_rule_begin(b, "host");

	want_flag(&r, NFT_CT_STATUS, IPS_DST_NAT);
	want_port(&r, proto, port);
	x_verdict(&r, NF_ACCEPT, NULL);
	nft_rule_end(&r, NULL);
}

static void
rule_live(struct nft_batch *b, bool out)
{
	struct nft_rule r = nft_rule_begin(b, out ? "judge_out" : "judge_in");

	if (out) {
		x_ct(&r, NFT_CT_STATE, NFT_R1);
		x_cmp32(
		    &r, NFT_CMP_NEQ, NFT_R1, NF_CT_STATE_BIT(IP_CT_RELATED));
	} else {
		want_direction(&r, IP_CT_DIR_REPLY);
	}
	x_ct(&r, NFT_CT_MARK, NFT_R1);
	x_lookup(&r, NFT_R1, "live");
	x_verdict(&r, NF_ACCEPT, NULL);
	nft_rule_end(&r, "judged under a current generation");
}

/* Who has none is nobody's yet, or no more. */
static void
rules_generation(struct nft_batch *b, const char *chain, uint32_t name)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	set_meta_mark(&r, 0);
	nft_rule_end(&r, NULL);

	r = nft_rule_begin(b, chain);
	x_meta(&r, name, NFT_R1);
	x_map(&r, NFT_R1, "gen", NFT_R1);
	x_meta_set(&r, NFT_META_MARK, NFT_R1);
	nft_rule_end(&r, NULL);

	r = nft_rule_begin(b, chain);
	x_meta(&r, NFT_META_MARK, NFT_R1);
	x_cmp32(&r, NFT_CMP_EQ, NFT_R1, 0);
	x_counter(&r);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "closed: no generation");
}

/*
 * The generation is read before any set: a packet that sees an old set then
 * carries an old generation too.
 */
static void
rules_judge(struct nft_batch *b, const struct nft_conf *h, bool out)
{
	const char *chain = out ? "judge_out" : "judge_in";
	const uint32_t name = out ? NFT_META_IIFNAME : NFT_META_OIFNAME;
	struct nft_rule r;

	if (!out)
		rules_cap(b, h, true);
	rule_live(b, out);
	if (out) {
		r = nft_rule_begin(b, chain);
		want_group(&r, h, NFT_META_OIFGROUP, NFT_CMP_EQ);
		x_counter(&r);
		x_verdict(&r, NFT_GOTO, "refuse");
		nft_rule_end(&r, "sandboxes do not reach one another");
	}
	rules_generation(b, chain, name);

	r = nft_rule_begin(b, chain);
	x_meta(&r, name, NFT_R1);
	x_map(&r, NFT_R1, out ? "out" : "in", NFT_REG_VERDICT);
	nft_rule_end(&r, NULL);
	rule_count(b, chain, NF_DROP, NULL, "no such slot");
}

static void
rules_refuse(struct nft_batch *b)
{
	struct nft_rule r = nft_rule_begin(b, "refuse");
	uint8_t tcp = IPPROTO_TCP;

	x_meta(&r, NFT_META_L4PROTO, NFT_R1);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, &tcp, sizeof(tcp));
	x_reject(&r, NFT_REJECT_TCP_RST, 0);
	nft_rule_end(&r, NULL);

	r = nft_rule_begin(b, "refuse");
	x_reject(
	    &r, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
	nft_rule_end(&r, NULL);
}

static void
rules_leave(struct nft_batch *b, const struct nft_conf *h)
{
	struct nft_rule r = nft_rule_begin(b, "leave");

	want_group(&r, h, NFT_META_IIFGROUP, NFT_CMP_EQ);
	want_group(&r, h, NFT_META_OIFGROUP, NFT_CMP_NEQ);
	x_masquerade(&r);
	nft_rule_end(&r, NULL);
}

static void
put_table(struct nft_batch *b, uint16_t type, uint16_t flags)
{
	nft_msg_end(b, nft_msg(b, type, flags, NFTA_TABLE_NAME));
}

void
nft_put_base(struct nft_batch *b, const struct nft_conf *h)
{
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	put_base_sets(b, h);
	put_base_chains(b);
	rule_group(b, h, "prerouting", NFT_META_IIFGROUP, "source");
	rules_source(b, h);
	rules_resolver(b, h);
	rule_group(b, h, "input", NFT_META_IIFGROUP, "host");
	rules_generation(b, "host", NFT_META_IIFNAME);
	rule_redirected(b, IPPROTO_UDP, h->resolver_port);
	rule_redirected(b, IPPROTO_TCP, h->resolver_port);
	rule_count(b, "host", NFT_GOTO, "refuse", "the host's own addresses");
	rule_group(b, h, "forward", NFT_META_IIFGROUP, "judge_out");
	rule_group(b, h, "forward", NFT_META_OIFGROUP, "judge_in");
	rules_judge(b, h, true);
	rules_judge(b, h, false);
	rules_refuse(b);
	rules_leave(b, h);
}

void
nft_put_no_table(struct nft_batch *b)
{
	/* Deleting what is not there is an error; so make sure that it is. */
	put_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_table(b, NFT_MSG_DELTABLE, 0);
}

/* --- one slot ---------------------------------------------------------------
 */

static void
rule_stale(struct nft_batch *b, const char *chain, uint32_t birth)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	x_ct(&r, NFT_CT_MARK, NFT_R1);
	x_cmp32(&r, NFT_CMP_NEQ, NFT_R1, 0);
	x_ct(&r, NFT_CT_MARK, NFT_R1);
	x_hton(&r, NFT_R1); /* cmp compares bytes, the highest first */
	x_cmp32(&r, NFT_CMP_LT, NFT_R1, htonl(birth));
	x_counter(&r);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "the slot's previous tenant");
}

static void
want_inbound(struct nft_rule *r, uint32_t slot)
{
	char name[NFT_NAME_MAX] = "";

	(void)snprintf(name, sizeof(name), "cop%u", slot);
	x_meta(r, NFT_META_OIFNAME, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, name, sizeof(name));
}

static void
rule_inbound(struct nft_batch *b, const char *chain, uint32_t slot)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	want_inbound(&r, slot);
	want_direction(&r, IP_CT_DIR_ORIGINAL);
	x_counter(&r);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "nobody comes in this way");
}

static void
rule_flows(struct nft_batch *b, const struct nft_conf *h, const char *chain)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	want_flag(&r, NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
	x_ct_count_over(&r, h->max_flows);
	x_counter(&r);
	x_verdict(&r, NFT_GOTO, "refuse");
	nft_rule_end(&r, "too many flows");
}

static void
rule_allowed(struct nft_batch *b, const char *chain, uint32_t slot,
    struct np_addr sandbox)
{
	struct nft_rule r = nft_rule_begin(b, chain);
	bool v4 = sandbox.family == NP_V4;
	uint8_t bytes[16];
	char set[32];

	(void)snprintf(set, sizeof(set), "sb%u_ok%c", slot, v4 ? '4' : '6');
	np_addr_bytes(sandbox, bytes);
	x_ct_original(&r, v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, NFT_R1);
	x_cmp(&r, NFT_CMP_EQ, NFT_R1, bytes, v4 ? 4 : 16);
	x_ct_original(&r, v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, NFT_R1);
	x_lookup(&r, NFT_R1, set);
	x_meta(&r, NFT_META_MARK, NFT_R1);
	x_ct_set(&r, NFT_CT_MARK, NFT_R1);
	x_counter(&r);
	x_verdict(&r, NF_ACCEPT, NULL);
	nft_rule_end(&r, "allowed");
}

static void
rules_denied(struct nft_batch *b, const char *chain, uint32_t slot)
{
	struct nft_rule r = nft_rule_begin(b, chain);

	x_limit(&r, 20, 40);
	x_log(&r, NFT_LOG_GROUP, 128);
	nft_rule_end(&r, NULL);

	r = nft_rule_begin(b, chain);
	x_counter(&r);
	nft_rule_end(&r, "denied");

	r = nft_rule_begin(b, chain);
	want_inbound(&r, slot);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, "the other end gets no answer");

	r = nft_rule_begin(b, chain);
	x_limit(&r, 1000, 1000);
	x_verdict(&r, NFT_GOTO, "refuse");
	nft_rule_end(&r, NULL);

	r = nft_rule_begin(b, chain);
	x_verdict(&r, NF_DROP, NULL);
	nft_rule_end(&r, NULL);
}

void
nft_put_slot_rules(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s)
{
	char chain[32];

	(void)snprintf(chain, sizeof(chain), "sb%u", s->slot);
	rule_stale(b, chain, s->birth);
	rule_inbound(b, chain, s->slot);
	rule_flows(b, h, chain);
	rule_allowed(b, chain, s->slot, s->sb4);
	if (h->v6)
		rule_allowed(b, chain, s->slot, s->sb6);
	if (s->ports)
		nft_put_ports_rules(b, h, s, 0);
	rules_denied(b, chain, s->slot);
}

void
nft_put_birth(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s)
{
	struct nlmsghdr *m = nft_msg(b, NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE);
	char chain[32];

	if (m == NULL)
		return;
	(void)snprintf(chain, sizeof(chain), "sb%u", s->slot);
	mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
	nft_msg_end(b, m);
	nft_put_slot_rules(b, h, s);
}

void
nft_put_slot(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s)
{
	char name[32];
	struct nft_set_decl ok4 = { .name = name,
		.flags = NFT_SET_INTERVAL,
		.type = NFT_TYPE_IPADDR,
		.len = 4,
		.key_order = NFT_ORDER_BIG };
	struct nft_set_decl ok6 = ok4;

	ok6.type = NFT_TYPE_IP6ADDR;
	ok6.len = 16;
	(void)snprintf(name, sizeof(name), "sb%u_ok4", s->slot);
	nft_put_set(b, &ok4);
	(void)snprintf(name, sizeof(name), "sb%u_ok6", s->slot);
	if (h->v6)
		nft_put_set(b, &ok6);
	if (s->ports)
		nft_put_ports_sets(b, h, s);
	(void)snprintf(name, sizeof(name), "sb%u", s->slot);
	put_chain(b, name);
	nft_put_slot_rules(b, h, s);
	nft_put_dispatch(b, h, s);
}
