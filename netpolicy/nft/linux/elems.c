/* elems.c - elements of the table's sets and maps. */
#include "nft/batch.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>

#include "base/own.h"
#include "batch_int.h"

enum { UDATA_COMMENT = 0 };

/* Elements of one set, in as few messages as they fit into. */
struct elems {
	struct nft_batch *b;
	uint16_t type; /* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM */
	const char *set;
	struct nlmsghdr *h;
	struct nlattr *list;
};

static void
close_message(struct elems *l)
{
	if (l->h == NULL)
		return;
	mnl_attr_nest_end(l->h, l->list);
	nft_msg_end(l->b, l->h);
	l->h = NULL;
}

/* NULL when the batch is full. */
static struct nlattr *
elem_begin(struct elems *l)
{
	if (l->h != NULL && l->h->nlmsg_len > NFT_NEST_FULL)
		close_message(l);
	if (l->h == NULL) {
		uint16_t flags = l->type == NFT_MSG_NEWSETELEM
				     ? NLM_F_CREATE | NLM_F_EXCL
				     : 0;

		l->h = nft_msg(l->b, l->type, flags, NFTA_SET_ELEM_LIST_TABLE);
		if (l->h == NULL)
			return NULL;
		mnl_attr_put_strz(l->h, NFTA_SET_ELEM_LIST_SET, l->set);
		l->list =
		    mnl_attr_nest_start(l->h, NFTA_SET_ELEM_LIST_ELEMENTS);
	}
	return mnl_attr_nest_start(l->h, NFTA_LIST_ELEM);
}

static void
elem_value(struct elems *l, uint16_t attr, const void *data, size_t len)
{
	struct nlattr *n = mnl_attr_nest_start(l->h, attr);

	mnl_attr_put(l->h, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(l->h, n);
}

static void
elem_jump(struct elems *l, const char *chain)
{
	struct nlattr *data = mnl_attr_nest_start(l->h, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(l->h, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(
	    l->h, NFTA_VERDICT_CODE, htonl((uint32_t)(int32_t)NFT_JUMP));
	mnl_attr_put_strz(l->h, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(l->h, verdict);
	mnl_attr_nest_end(l->h, data);
}

static void
elem_comment(struct elems *l, const char *text)
{
	size_t n = strlen(text) + 1;
	uint8_t u[2 + 128];

	if (n > sizeof(u) - 2)
		return;
	u[0] = UDATA_COMMENT;
	u[1] = (uint8_t)n;
	memcpy(u + 2, text, n);
	mnl_attr_put(l->h, NFTA_SET_ELEM_USERDATA, 2 + n, u);
}

/* --- who may send from where, and where it is judged -------------------------
 */

static void
put_source(struct nft_batch *b, const struct nft_slot *s, bool v4)
{
	struct elems l = { b, NFT_MSG_NEWSETELEM, v4 ? "src4" : "src6", NULL,
		NULL };
	struct nlattr *n = elem_begin(&l);
	uint8_t key[40] = { 0 };
	char text[32];

	if (n == NULL)
		return;
	(void)snprintf((char *)key, NFT_NAME_MAX, "cop%u", s->slot);
	memcpy(key + 16, s->mac, sizeof(s->mac));
	np_addr_bytes(v4 ? s->sb4 : s->sb6, key + 24);
	elem_value(&l, NFTA_SET_ELEM_KEY, key, v4 ? 28 : 40);
	(void)snprintf(text, sizeof(text), "slot %u", s->slot);
	elem_comment(&l, text);
	mnl_attr_nest_end(l.h, n);
	close_message(&l);
}

static void
put_jump(struct nft_batch *b, const struct nft_slot *s, const char *map)
{
	struct elems l = { b, NFT_MSG_NEWSETELEM, map, NULL, NULL };
	struct nlattr *n = elem_begin(&l);
	char key[NFT_NAME_MAX] = "", chain[32];

	if (n == NULL)
		return;
	(void)snprintf(key, sizeof(key), "cop%u", s->slot);
	(void)snprintf(chain, sizeof(chain), "sb%u", s->slot);
	elem_value(&l, NFTA_SET_ELEM_KEY, key, sizeof(key));
	elem_jump(&l, chain);
	mnl_attr_nest_end(l.h, n);
	close_message(&l);
}

void
nft_put_dispatch(
    struct nft_batch *b, const struct nft_conf *h, const struct nft_slot *s)
{
	put_source(b, s, true);
	if (h->v6)
		put_source(b, s, false);
	put_jump(b, s, "out");
	put_jump(b, s, "in");
}

/* --- what a sandbox may reach ------------------------------------------------
 */

/* value: of a map's element; NULL: a set's, or one that goes. */
static void
put_bound(struct elems *l, struct np_addr a, bool is_end, const uint32_t *value,
    const char *comment)
{
	struct nlattr *n = elem_begin(l);
	uint8_t key[16];

	if (n == NULL)
		return;
	np_addr_bytes(a, key);
	if (is_end)
		mnl_attr_put_u32(l->h, NFTA_SET_ELEM_FLAGS,
		    htonl(NFT_SET_ELEM_INTERVAL_END));
	elem_value(l, NFTA_SET_ELEM_KEY, key, a.family == NP_V4 ? 4 : 16);
	if (value != NULL)
		elem_value(l, NFTA_SET_ELEM_DATA, value, sizeof(*value));
	if (comment != NULL)
		elem_comment(l, comment);
	mnl_attr_nest_end(l->h, n);
}

/* The kernel's ends are exclusive; a range up to the last address has none. */
static void
put_range(struct elems *l, enum np_family f, struct np_range r,
    const uint32_t *value, const char *comment)
{
	put_bound(l, (struct np_addr){ r.lo, f }, false, value, comment);
	if (r.hi != np_last(f))
		put_bound(l, (struct np_addr){ r.hi + 1, f }, true, NULL, NULL);
}

static void
set_name(char to[32], uint32_t slot, enum np_family f, bool some)
{
	(void)snprintf(to, 32, "sb%u_%s%c", slot, some ? "some" : "ok",
	    f == NP_V4 ? '4' : '6');
}

static void
put_ok(struct nft_batch *b, uint32_t slot, const struct np_ok *del,
    const struct np_ok *add, const uint32_t *ids, const struct np_site *site)
{
	char name[32], why[NP_ORIGIN_TEXT];
	struct elems l = { b, NFT_MSG_DELSETELEM, name, NULL, NULL };
	const bool some = ids != NULL;

	set_name(name, slot, del->family, some);
	for (size_t i = 0; i < del->n; i++)
		if ((del->v[i].class != NP_WHOLE) == some)
			put_range(&l, del->family, del->v[i].range, NULL, NULL);
	close_message(&l);
	l.type = NFT_MSG_NEWSETELEM;
	for (size_t i = 0; i < add->n; i++)
		if ((add->v[i].class != NP_WHOLE) == some)
			put_range(&l, add->family, add->v[i].range,
			    some ? &ids[add->v[i].class] : NULL,
			    np_origin_text(add->v[i].origin, site, why));
	close_message(&l);
}

void
nft_put_ok(struct nft_batch *b, uint32_t slot, const struct np_ok *del,
    const struct np_ok *add, const uint32_t *ids, const struct np_site *site)
{
	put_ok(b, slot, del, add, NULL, site);
	if (ids != NULL)
		put_ok(b, slot, del, add, ids, site);
}

static void
put_flush(struct nft_batch *b, const char *name)
{
	struct nlmsghdr *h =
	    nft_msg(b, NFT_MSG_DELSETELEM, 0, NFTA_SET_ELEM_LIST_TABLE);

	if (h == NULL)
		return;
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name);
	nft_msg_end(b, h);
}

void
nft_put_ok_flush(
    struct nft_batch *b, uint32_t slot, enum np_family f, bool some)
{
	char name[32];

	set_name(name, slot, f, false);
	put_flush(b, name);
	set_name(name, slot, f, true);
	if (some)
		put_flush(b, name);
}

/* --- ports -------------------------------------------------------------------
 */

static const struct {
	const char *name;
	uint8_t proto;
} lists[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP } };

/* Class and port, as in the set: both in network order. */
static void
put_port(struct elems *l, uint32_t id, uint16_t lo, uint16_t hi)
{
	struct nlattr *n = elem_begin(l);
	const uint32_t be = htonl(id);
	const uint16_t ports[2] = { htons(lo), htons(hi) };
	uint8_t key[8] = { 0 };

	if (n == NULL)
		return;
	for (size_t i = 0; i < 2; i++) {
		memcpy(key, &be, sizeof(be));
		memcpy(key + sizeof(be), &ports[i], sizeof(ports[i]));
		elem_value(l,
		    i == 0 ? NFTA_SET_ELEM_KEY : NFTA_SET_ELEM_KEY_END, key,
		    sizeof(key));
	}
	mnl_attr_nest_end(l->h, n);
}

/* Rules are for TCP and UDP alone: all other protocols are alike. */
static void
put_rest(struct nft_batch *b, uint16_t type, uint32_t slot, uint32_t id)
{
	char name[32];
	struct elems l = { b, type, name, NULL, NULL };
	struct nlattr *n;

	(void)snprintf(name, sizeof(name), "sb%u_rest", slot);
	n = elem_begin(&l);
	if (n == NULL)
		return;
	elem_value(&l, NFTA_SET_ELEM_KEY, &id, sizeof(id));
	mnl_attr_nest_end(l.h, n);
	close_message(&l);
}

static void
put_ports(struct nft_batch *b, uint16_t type, uint32_t slot, uint32_t id,
    const struct np_ports *p)
{
	for (size_t k = 0; k < countof(lists); k++) {
		char name[32];
		struct elems l = { b, type, name, NULL, NULL };

		(void)snprintf(
		    name, sizeof(name), "sb%u_%s", slot, lists[k].name);
		for (size_t i = 0; i < p->n; i++)
			if (p->v[i].proto_lo <= lists[k].proto &&
			    lists[k].proto <= p->v[i].proto_hi)
				put_port(&l, id, p->v[i].lo, p->v[i].hi);
		close_message(&l);
	}
	if (np_ports_has(p, NFT_PROTO_REST, 0))
		put_rest(b, type, slot, id);
}

void
nft_put_ports(struct nft_batch *b, uint32_t slot, uint32_t id,
    const struct np_ports *p, bool there)
{
	put_ports(
	    b, there ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, slot, id, p);
}

void
nft_put_ports_flush(struct nft_batch *b, uint32_t slot, bool v6)
{
	static const char *const sets[] = { "some4", "tcp", "udp", "rest",
		"some6" };

	for (size_t i = 0; i < countof(sets) - !v6; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "sb%u_%s", slot, sets[i]);
		put_flush(b, name);
	}
}

/* --- what is live ------------------------------------------------------------
 */

static void
put_live(struct nft_batch *b, uint16_t type, uint32_t mark)
{
	struct elems l = { b, type, "live", NULL, NULL };
	struct nlattr *n = elem_begin(&l);

	if (n == NULL)
		return;
	elem_value(&l, NFTA_SET_ELEM_KEY, &mark, sizeof(mark));
	mnl_attr_nest_end(l.h, n);
	close_message(&l);
}

static void
put_gen(struct nft_batch *b, uint16_t type, uint32_t slot, uint32_t mark)
{
	struct elems l = { b, type, "gen", NULL, NULL };
	struct nlattr *n = elem_begin(&l);
	char key[NFT_NAME_MAX] = "";

	if (n == NULL)
		return;
	(void)snprintf(key, sizeof(key), "cop%u", slot);
	elem_value(&l, NFTA_SET_ELEM_KEY, key, sizeof(key));
	if (type == NFT_MSG_NEWSETELEM)
		elem_value(&l, NFTA_SET_ELEM_DATA, &mark, sizeof(mark));
	mnl_attr_nest_end(l.h, n);
	close_message(&l);
}

void
nft_put_gen(struct nft_batch *b, uint32_t slot, uint32_t from, uint32_t to)
{
	if (from != 0) {
		put_live(b, NFT_MSG_DELSETELEM, from);
		put_gen(b, NFT_MSG_DELSETELEM, slot, 0);
	}
	if (to != 0) {
		put_live(b, NFT_MSG_NEWSETELEM, to);
		put_gen(b, NFT_MSG_NEWSETELEM, slot, to);
	}
}
