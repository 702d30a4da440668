/*
 * ports.c - what a slot gets when its policy first speaks of ports: an address
 * is looked up for its class, and the class and the port for a pass.  The
 * class rides in the packet's priority from the one look-up to the other, and
 * is taken off where the packet passes; nft's text has no other way to say it.
 */
#include "nft/batch.h"

#include <stdio.h>
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "batch_int.h"

enum {
	TYPE_CLASS_PORT = NFT_TYPE_CLASSID << 6 | NFT_TYPE_SERVICE,
	REG_PORT = NFT_REG32_01, /* behind a class in NFT_R1 */
};

void
nft_put_ports_sets(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s)
{
	char name[32];
	struct nft_set_decl some4 = { .name = name,
		.flags = NFT_SET_INTERVAL | NFT_SET_MAP,
		.type = NFT_TYPE_IPADDR,
		.len = 4,
		.data_type = NFT_TYPE_CLASSID,
		.data_len = 4,
		.key_order = NFT_ORDER_BIG,
		.data_order = NFT_ORDER_HOST };
	struct nft_set_decl some6 = some4;
	const struct nft_set_decl ports = { .name = name,
		.flags = NFT_SET_INTERVAL | NFT_SET_CONCAT,
		.type = TYPE_CLASS_PORT,
		.len = 8,
		.fields = { 4, 2 } };
	const struct nft_set_decl rest = { .name = name,
		.type = NFT_TYPE_CLASSID,
		.len = 4,
		.key_order = NFT_ORDER_HOST };

	some6.type = NFT_TYPE_IP6ADDR;
	some6.len = 16;
	(void)snprintf(name, sizeof(name), "sb%u_some4", s->slot);
	nft_put_set(b, &some4);
	(void)snprintf(name, sizeof(name), "sb%u_some6", s->slot);
	if (h->v6)
		nft_put_set(b, &some6);
	(void)snprintf(name, sizeof(name), "sb%u_tcp", s->slot);
	nft_put_set(b, &ports);
	(void)snprintf(name, sizeof(name), "sb%u_udp", s->slot);
	nft_put_set(b, &ports);
	(void)snprintf(name, sizeof(name), "sb%u_rest", s->slot);
	nft_put_set(b, &rest);
}

/* --- rules ------------------------------------------------------------------
 */

static void
want_ct8(struct nft_rule *r, uint32_t key, uint32_t op, uint8_t value)
{
	x_ct(r, key, NFT_R1);
	x_cmp(r, op, NFT_R1, &value, sizeof(value));
}

static void
want_sandbox(struct nft_rule *r, struct np_addr a)
{
	const bool v4 = a.family == NP_V4;
	uint8_t bytes[16];

	np_addr_bytes(a, bytes);
	x_ct_original(r, v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, NFT_R1);
	x_cmp(r, NFT_CMP_EQ, NFT_R1, bytes, v4 ? 4 : 16);
}

static void
find_class(struct nft_rule *r, uint32_t slot, bool v4)
{
	char map[32];

	(void)snprintf(map, sizeof(map), "sb%u_some%c", slot, v4 ? '4' : '6');
	x_ct_original(r, v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, NFT_R1);
	x_map(r, NFT_R1, map, NFT_R1);
	x_meta_set(r, NFT_META_PRIORITY, NFT_R1);
	x_meta(r, NFT_META_PRIORITY, NFT_R1);
}

static void
allowed(struct nft_rule *r, const char *comment)
{
	const uint32_t none = 0;

	x_imm(r, NFT_R1, &none, sizeof(none));
	x_meta_set(r, NFT_META_PRIORITY, NFT_R1);
	x_meta(r, NFT_META_MARK, NFT_R1);
	x_ct_set(r, NFT_CT_MARK, NFT_R1);
	x_counter(r);
	x_verdict(r, NF_ACCEPT, NULL);
	nft_rule_end(r, comment);
}

struct place {
	struct nft_batch *b;
	char chain[32];
	uint64_t behind;
	uint32_t slot;
	struct np_addr sandbox;
};

static void
rule_port(const struct place *p, uint8_t proto)
{
	struct nft_rule r = nft_rule_behind(p->b, p->chain, p->behind);
	const bool v4 = p->sandbox.family == NP_V4;
	char set[32];

	(void)snprintf(set, sizeof(set), "sb%u_%s", p->slot,
	    proto == IPPROTO_TCP ? "tcp" : "udp");
	want_sandbox(&r, p->sandbox);
	/* Or nft has no type for what is behind. */
	want_ct8(&r, NFT_CT_L3PROTOCOL, NFT_CMP_EQ,
	    v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	want_ct8(&r, NFT_CT_PROTOCOL, NFT_CMP_EQ, proto);
	find_class(&r, p->slot, v4);
	x_hton(&r, NFT_R1); /* ranges compare bytes, the highest first */
	x_ct_original(&r, NFT_CT_PROTO_DST, REG_PORT);
	x_lookup(&r, NFT_R1, set);
	allowed(&r, "allowed on this port");
}

static void
rule_rest(const struct place *p)
{
	struct nft_rule r = nft_rule_behind(p->b, p->chain, p->behind);
	char set[32];

	(void)snprintf(set, sizeof(set), "sb%u_rest", p->slot);
	want_sandbox(&r, p->sandbox);
	want_ct8(&r, NFT_CT_PROTOCOL, NFT_CMP_NEQ, IPPROTO_TCP);
	want_ct8(&r, NFT_CT_PROTOCOL, NFT_CMP_NEQ, IPPROTO_UDP);
	find_class(&r, p->slot, p->sandbox.family == NP_V4);
	x_lookup(&r, NFT_R1, set);
	allowed(&r, "allowed: has no port");
}

void
nft_put_ports_rules(struct nft_batch *b, const struct nft_conf *h,
    const struct nft_slot *s, uint64_t behind)
{
	const int n = h->v6 ? 6 : 3;
	struct place p = { .b = b, .behind = behind, .slot = s->slot };

	(void)snprintf(p.chain, sizeof(p.chain), "sb%u", s->slot);
	for (int i = 0; i < n; i++) {
		/* What comes behind one and the same rule comes backwards. */
		const int k = behind == 0 ? i : n - 1 - i;

		p.sandbox = k < 3 ? s->sb4 : s->sb6;
		if (k % 3 == 2)
			rule_rest(&p);
		else
			rule_port(&p, k % 3 == 0 ? IPPROTO_TCP : IPPROTO_UDP);
	}
}

void
nft_put_ports_objects(struct nft_batch *b, const struct nft_conf *h,
    const struct nft_slot *s, uint64_t behind)
{
	nft_put_ports_sets(b, h, s);
	nft_put_ports_rules(b, h, s, behind);
}
