/*
 * verify.c - is the kernel's table the one that we would send?
 *
 * What we would send is a batch: its messages are parsed by libnftnl as the
 * kernel's are, printed, and the texts compared, chain by chain, in order.
 */
#include "nft/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>

#include "base/own.h"
#include "batch_int.h"
#include "attr.h"
#include "dump.h"

#define EXPECTED_MAX ((size_t)256 * 1024 * 1024)
#define TEXT_MAX     4096

/* A chain or set, and a sum over everything in it, in order. */
struct thing {
	char name[40];
	uint64_t sum, start; /* start: before any rule */
	uint32_t n, birth;
};

struct things {
	struct thing *v;
	size_t n, cap;
};

struct picture {
	struct things chains, sets;
};

static void
picture_free(struct picture *p)
{
	free(p->chains.v);
	free(p->sets.v);
	*p = (struct picture){ 0 };
}

static struct thing *
add_thing(struct things *t, const char *name, struct err *e)
{
	struct thing *x;

	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 64 : t->cap * 2;
		void *p = realloc(t->v, cap * sizeof(*t->v));

		if (p == NULL) {
			err_sys(e, "table");
			return NULL;
		}
		t->v = p;
		t->cap = cap;
	}
	x = &t->v[t->n++];
	*x = (struct thing){ 0 };
	(void)snprintf(x->name, sizeof(x->name), "%s", name);
	return x;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct thing *)a)->name, ((const struct thing *)b)->name);
}

static struct thing *
find_thing(const struct things *t, const char *name)
{
	struct thing key = { .n = 0 };

	(void)snprintf(key.name, sizeof(key.name), "%s", name);
	return t->n == 0 ? NULL
			 : bsearch(&key, t->v, t->n, sizeof(*t->v), by_name);
}

static void
sort(struct things *t)
{
	if (t->n > 1)
		qsort(t->v, t->n, sizeof(*t->v), by_name);
}

static void
mix(uint64_t *sum, const char *text)
{
	for (; *text != '\0'; text++)
		*sum = (*sum ^ (uint8_t)*text) * 0x100000001b3u;
}

/* --- chains and sets --------------------------------------------------------
 */

static int
take_chain(struct picture *p, const struct nlmsghdr *h, struct err *e)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct thing *x;
	char text[128];

	if (c == NULL || nftnl_chain_nlmsg_parse(h, c) < 0) {
		nftnl_chain_free(c);
		return err_set(e, ERR_BUG, "a chain I cannot read");
	}
	x = add_thing(&p->chains, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME), e);
	if (x != NULL && nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM)) {
		(void)snprintf(text, sizeof(text), "%s %u %d %u",
		    nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE),
		    nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
		    nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO),
		    nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
		mix(&x->sum, text);
		x->start = x->sum;
	}
	nftnl_chain_free(c);
	return x == NULL ? -1 : 0;
}

static int
take_set(struct picture *p, const struct nlmsghdr *h, struct err *e)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct thing *x;
	char text[128];

	if (s == NULL || nftnl_set_nlmsg_parse(h, s) < 0) {
		nftnl_set_free(s);
		return err_set(e, ERR_BUG, "a set I cannot read");
	}
	x = add_thing(&p->sets, nftnl_set_get_str(s, NFTNL_SET_NAME), e);
	if (x != NULL) {
		(void)snprintf(text, sizeof(text), "%x %x %u",
		    nftnl_set_get_u32(s, NFTNL_SET_FLAGS),
		    nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE),
		    nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN));
		mix(&x->sum, text);
	}
	nftnl_set_free(s);
	return x == NULL ? -1 : 0;
}

/* --- rules ------------------------------------------------------------------
 */

/* What may differ from what we send is made the same; BIRTH is taken out. */
static void
neutralise(struct nftnl_rule *r, uint32_t *birth)
{
	struct nftnl_expr_iter *it = nftnl_expr_iter_create(r);
	struct nftnl_expr *x;
	uint32_t op, len;

	while (it != NULL && (x = nftnl_expr_iter_next(it)) != NULL) {
		const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);

		if (strcmp(name, "counter") == 0) {
			nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_PACKETS, 0);
			nftnl_expr_set_u64(x, NFTNL_EXPR_CTR_BYTES, 0);
		}
		/* Sending none is the only way to say the kernel's 0. */
		if (strcmp(name, "dynset") == 0)
			nftnl_expr_set_u64(x, NFTNL_EXPR_DYNSET_TIMEOUT, 0);
		if (strcmp(name, "cmp") != 0)
			continue;
		op = nftnl_expr_get_u32(x, NFTNL_EXPR_CMP_OP);
		if (op == NFT_CMP_LT) {
			const void *v =
			    nftnl_expr_get(x, NFTNL_EXPR_CMP_DATA, &len);
			uint32_t be = 0;

			if (len == sizeof(be))
				memcpy(&be, v, sizeof(be));
			*birth = ntohl(be);
			be = 0;
			nftnl_expr_set(x, NFTNL_EXPR_CMP_DATA, &be, sizeof(be));
		}
	}
	if (it != NULL)
		nftnl_expr_iter_destroy(it);
	nftnl_rule_unset(r, NFTNL_RULE_HANDLE);
	nftnl_rule_unset(r, NFTNL_RULE_POSITION);
}

static int
take_rule(struct picture *p, const struct nlmsghdr *h, struct err *e)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	uint32_t birth = 0;
	char text[TEXT_MAX];
	struct thing *x;

	if (r == NULL || nftnl_rule_nlmsg_parse(h, r) < 0) {
		nftnl_rule_free(r);
		return err_set(e, ERR_BUG, "a rule I cannot read");
	}
	x = find_thing(&p->chains, nftnl_rule_get_str(r, NFTNL_RULE_CHAIN));
	if (x != NULL) {
		neutralise(r, &birth);
		(void)nftnl_rule_snprintf(
		    text, sizeof(text), r, NFTNL_OUTPUT_DEFAULT, 0);
		mix(&x->sum, text);
		x->n++;
		if (birth != 0)
			x->birth = birth;
	}
	nftnl_rule_free(r);
	return 0;
}

/* --- elements of dispatch ---------------------------------------------------
 */

struct elems {
	const char *set;
	struct nft_found *found; /* for `gen`: whom to tell */
	struct things *into;	 /* else: name and value of each */
	struct things *marks;	 /* for `gen` and `live`: the marks alone */
	uint32_t n;
};

static int
take_mark(struct things *t, const void *be, size_t len, struct err *e)
{
	char name[16];
	uint32_t mark;

	if (len != sizeof(mark))
		return err_set(e, ERR_BUG, "a strange generation");
	memcpy(&mark, be, sizeof(mark));
	(void)snprintf(name, sizeof(name), "%08x", mark);
	return add_thing(t, name, e) == NULL ? -1 : 0;
}

static const void *
value_in(const struct nlattr *elem, uint16_t what, size_t *len)
{
	const struct nlattr *a, *b;

	attr_for_each_in (a, elem) {
		if (mnl_attr_get_type(a) != what)
			continue;
		attr_for_each_in (b, a) {
			*len = mnl_attr_get_payload_len(b);
			return mnl_attr_get_payload(b);
		}
	}
	return NULL;
}

static void
mix_bytes(uint64_t *sum, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*sum = (*sum ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

/* A verdict, part by part: what fills up its last word may be anything. */
static void
mix_data(uint64_t *sum, const struct nlattr *data)
{
	const struct nlattr *verdict = attr_find_in(data, NFTA_DATA_VERDICT);
	const struct nlattr *a;

	if (verdict == NULL)
		return;
	attr_for_each_in (a, verdict) {
		mix_bytes(
		    sum, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	}
}

static int
take_elem(struct elems *l, const struct nlattr *a, struct err *e)
{
	size_t klen = 0, dlen = 0;
	const char *key = value_in(a, NFTA_SET_ELEM_KEY, &klen);
	const void *data = value_in(a, NFTA_SET_ELEM_DATA, &dlen);
	char name[40];
	struct thing *x;
	unsigned slot;

	if (key != NULL && l->marks != NULL && l->found == NULL)
		return take_mark(l->marks, key, klen, e);
	if (key == NULL || klen < NFT_NAME_MAX)
		return err_set(e, ERR_BUG, "%s: a strange element", l->set);
	l->n++;
	if (l->found != NULL) {
		uint32_t gen;

		if (dlen != sizeof(gen) || sscanf(key, "cop%u", &slot) != 1)
			return err_set(e, ERR_BUG, "a strange generation");
		memcpy(&gen, data, sizeof(gen));
		l->found->on_gen(l->found, slot, gen);
		return take_mark(l->marks, data, dlen, e);
	}
	(void)snprintf(name, sizeof(name), "%.15s", key);
	x = add_thing(l->into, name, e);
	if (x == NULL)
		return -1;
	mix_bytes(&x->sum, key, klen);
	mix_data(&x->sum, attr_find_in(a, NFTA_SET_ELEM_DATA));
	return 0;
}

static int
on_elems(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct elems *l = arg;
	const struct nlattr *a, *x;

	attr_for_each (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each_in (x, a) {
			if (take_elem(l, x, e) < 0)
				return -1;
		}
	}
	return 0;
}

static void
forget_elems(void *arg)
{
	struct elems *l = arg;

	l->n = 0;
	if (l->into != NULL)
		l->into->n = 0;
	if (l->marks != NULL)
		l->marks->n = 0;
}

static int
read_elems(struct nft_sock *s, struct elems *l, struct err *e)
{
	char buf[NFT_ASK_ROOM];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, l->set);
	return nft_read(s, h, on_elems, forget_elems, l, e);
}

/* Of a batch: the elements that its messages put into the set. */
static int
wanted_elems(const struct nft_batch *b, struct elems *l, struct err *e)
{
	const struct nlmsghdr *h = (const void *)b->data;
	int left = (int)b->len;

	for (; nlmsg_fits(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlattr *a;
		bool is_it = false;

		if ((h->nlmsg_type & 0xff) != NFT_MSG_NEWSETELEM ||
		    h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			continue;
		attr_for_each (a, h, sizeof(struct nfgenmsg)) {
			if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_SET)
				is_it =
				    strcmp(mnl_attr_get_str(a), l->set) == 0;
		}
		if (is_it && on_elems(l, h, e) < 0)
			return -1;
	}
	return 0;
}

/* --- pictures ---------------------------------------------------------------
 */

static int
on_chain(void *arg, const struct nlmsghdr *h, struct err *e)
{
	return nft_is_ours(h) ? take_chain(arg, h, e) : 0;
}

static int
on_set(void *arg, const struct nlmsghdr *h, struct err *e)
{
	return nft_is_ours(h) ? take_set(arg, h, e) : 0;
}

static int
on_rule(void *arg, const struct nlmsghdr *h, struct err *e)
{
	return nft_is_ours(h) ? take_rule(arg, h, e) : 0;
}

static void
forget_chains(void *arg)
{
	((struct picture *)arg)->chains.n = 0;
}

static void
forget_sets(void *arg)
{
	((struct picture *)arg)->sets.n = 0;
}

static void
forget_rules(void *arg)
{
	struct picture *p = arg;

	for (size_t i = 0; i < p->chains.n; i++) {
		p->chains.v[i].sum = p->chains.v[i].start;
		p->chains.v[i].n = 0;
	}
}

static int
read_picture(struct nft_sock *s, struct picture *p, struct err *e)
{
	char buf[NFT_ASK_ROOM];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETCHAIN, NLM_F_DUMP);

	if (nft_read(s, h, on_chain, forget_chains, p, e) < 0)
		return -1;
	sort(&p->chains);
	h = nft_ask(s, buf, NFT_MSG_GETSET, NLM_F_DUMP);
	mnl_attr_put_strz(h, NFTA_SET_TABLE, NFT_TABLE);
	if (nft_read(s, h, on_set, forget_sets, p, e) < 0)
		return -1;
	sort(&p->sets);
	h = nft_ask(s, buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, NFT_TABLE);
	return nft_read(s, h, on_rule, forget_rules, p, e);
}

static int
draw_messages(const struct nft_batch *b, struct picture *p, uint16_t type,
    nft_on_msg *on, struct err *e)
{
	const struct nlmsghdr *h = (const void *)b->data;
	const uint16_t want = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	int left = (int)b->len;

	for (; nlmsg_fits(h, left); h = mnl_nlmsg_next(h, &left))
		if (h->nlmsg_type == want && on(p, h, e) < 0)
			return -1;
	return 0;
}

static int
draw_picture(const struct nft_batch *b, struct picture *p, struct err *e)
{
	if (b->failed)
		return err_set(e, ERR_LIMIT, "table: too many slots");
	if (draw_messages(b, p, NFT_MSG_NEWCHAIN, on_chain, e) < 0 ||
	    draw_messages(b, p, NFT_MSG_NEWSET, on_set, e) < 0)
		return -1;
	sort(&p->chains);
	sort(&p->sets);
	return draw_messages(b, p, NFT_MSG_NEWRULE, on_rule, e);
}

/* 0 same, 1 different. */
static int
compare(const struct things *is, const struct things *want, const char *what,
    struct err *e)
{
	for (size_t i = 0; i < is->n || i < want->n; i++) {
		const struct thing *a = i < is->n ? &is->v[i] : NULL;
		const struct thing *b = i < want->n ? &want->v[i] : NULL;

		if (a != NULL && b != NULL && strcmp(a->name, b->name) == 0 &&
		    a->sum == b->sum && a->n == b->n)
			continue;
		err_set(e, ERR_CONFLICT, "%s %s is not as we make it", what,
		    a != NULL ? a->name : b->name);
		return 1;
	}
	return 0;
}

/* One of the sets for ports is there: so must be all that goes with it. */
static bool
has_ports(const struct picture *is, uint32_t slot)
{
	static const char *const sets[] = { "some4", "some6", "tcp", "udp",
		"rest" };

	for (size_t i = 0; i < countof(sets); i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "sb%u_%s", slot, sets[i]);
		if (find_thing(&is->sets, name) != NULL)
			return true;
	}
	return false;
}

/* Puts into b what the table with these slots looks like. */
static void
draw_slots(struct nft_batch *b, const struct nft_conf *c,
    const struct picture *is, struct nft_found *f)
{
	nft_batch_begin(b);
	nft_put_base(b, c);
	for (size_t i = 0; i < is->chains.n; i++) {
		struct nft_slot s = { 0 };
		unsigned slot;
		int end = 0;

		if (sscanf(is->chains.v[i].name, "sb%u%n", &slot, &end) != 1 ||
		    is->chains.v[i].name[end] != '\0')
			continue;
		f->want_slot(f, slot, &s);
		s.slot = slot;
		s.birth = is->chains.v[i].birth;
		s.ports = s.ports || has_ports(is, slot);
		f->on_slot(f, slot, s.birth);
		if (s.ports)
			f->on_ports(f, slot);
		nft_put_slot(b, c, &s);
	}
}

static int
compare_dispatch(struct nft_sock *s, const struct nft_conf *c,
    const struct nft_batch *b, struct err *e)
{
	static const char *const sets[] = { "out", "in", "src4", "src6" };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < (c->v6 ? 4 : 3); i++) {
		struct things is = { 0 }, want = { 0 };
		struct elems a = { .set = sets[i], .into = &is };
		struct elems w = { .set = sets[i], .into = &want };

		rc = read_elems(s, &a, e);
		if (rc == 0)
			rc = wanted_elems(b, &w, e);
		sort(&is);
		sort(&want);
		if (rc == 0)
			rc = compare(&is, &want, sets[i], e);
		free(is.v);
		free(want.v);
	}
	return rc;
}

/* Whatever is live is somebody's generation: one more would let all pass. */
static int
compare_live(struct nft_sock *s, struct nft_found *f, struct err *e)
{
	struct things is = { 0 }, want = { 0 };
	struct elems gens = { .set = "gen", .found = f, .marks = &want };
	struct elems live = { .set = "live", .marks = &is };
	int rc = read_elems(s, &gens, e);

	if (rc == 0)
		rc = read_elems(s, &live, e);
	sort(&is);
	sort(&want);
	if (rc == 0)
		rc = compare(&is, &want, "set live: element", e);
	free(is.v);
	free(want.v);
	return rc;
}

int
nft_read_all(struct nft_sock *s, const struct nft_conf *c, struct nft_found *f,
    struct err *e)
{
	struct picture is = { 0 }, want = { 0 };
	struct nft_batch b;
	int rc;

	nft_batch_init(&b, EXPECTED_MAX);
	rc = read_picture(s, &is, e);
	if (rc == 0) {
		draw_slots(&b, c, &is, f);
		rc = draw_picture(&b, &want, e);
	}
	if (rc == 0)
		rc = compare(&is.chains, &want.chains, "chain", e);
	if (rc == 0)
		rc = compare(&is.sets, &want.sets, "set", e);
	if (rc == 0)
		rc = compare_dispatch(s, c, &b, e);
	if (rc == 0)
		rc = compare_live(s, f, e);
	nft_batch_fini(&b);
	picture_free(&is);
	picture_free(&want);
	return rc;
}
