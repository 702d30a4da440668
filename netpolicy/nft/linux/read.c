#include "nft/read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "base/own.h"
#include "batch_int.h"
#include "attr.h"
#include "dump.h"
#include "nft/lists.h"

static const struct nlattr *
find(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *a;

	attr_for_each (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == type)
			return a;
	}
	return NULL;
}

/* --- the whole --------------------------------------------------------------
 */

static int
on_genid(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct nlattr *a = find(h, NFTA_GEN_ID);

	if (!attr_is(a, sizeof(uint32_t)))
		return err_set(e, ERR_BUG, "nftables: no generation id");
	*(uint32_t *)arg = ntohl(mnl_attr_get_u32(a));
	return 0;
}

int
nft_read_genid(struct nft_sock *s, uint32_t *id, struct err *e)
{
	char buf[NFT_ASK_ROOM];

	return nft_read(
	    s, nft_ask(s, buf, NFT_MSG_GETGEN, 0), on_genid, NULL, id, e);
}

static int
on_table(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct nlattr *a = find(h, NFTA_TABLE_HANDLE);

	if (!attr_is(a, sizeof(uint64_t)))
		return err_set(e, ERR_BUG, "nftables: table without a handle");
	*(uint64_t *)arg = be64toh(mnl_attr_get_u64(a));
	return 0;
}

int
nft_read_table(struct nft_sock *s, uint64_t *handle, struct err *e)
{
	char buf[NFT_ASK_ROOM];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETTABLE, 0);

	*handle = 0;
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, NFT_TABLE);
	if (nft_read(s, h, on_table, NULL, handle, e) == 0)
		return 0;
	return e->kind == ERR_SYS && e->sys_errno == ENOENT ? 0 : -1;
}

/* --- one slot's sets --------------------------------------------------------
 */

struct bound {
	np_u128 at;
	uint32_t id; /* of a map: what it says; else 0 */
	bool is_end;
};

struct bounds {
	struct bound *v;
	size_t n, cap;
	enum np_family family;
};

static int
add_bound(struct bounds *b, struct bound x, struct err *e)
{
	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 64 : b->cap * 2;
		void *p = realloc(b->v, cap * sizeof(*b->v));

		if (p == NULL)
			return err_sys(e, "ok set");
		b->v = p;
		b->cap = cap;
	}
	b->v[b->n++] = x;
	return 0;
}

static int
on_ok(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct bounds *b = arg;
	const struct nlattr *list = find(h, NFTA_SET_ELEM_LIST_ELEMENTS), *a;
	const size_t len = b->family == NP_V4 ? 4 : 16;

	if (list == NULL)
		return 0;
	attr_for_each_in (a, list) {
		const struct nlattr *flags =
		    attr_find_in(a, NFTA_SET_ELEM_FLAGS);
		const struct nlattr *key = attr_find_in(
		    attr_find_in(a, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
		const struct nlattr *value = attr_find_in(
		    attr_find_in(a, NFTA_SET_ELEM_DATA), NFTA_DATA_VALUE);
		struct bound x = { 0 };

		if (key == NULL || mnl_attr_get_payload_len(key) != len)
			return err_set(e, ERR_BUG, "ok set: a strange element");
		x.at =
		    np_addr_from_bytes(b->family, mnl_attr_get_payload(key)).n;
		x.is_end = flags != NULL &&
			   mnl_attr_get_payload_len(flags) == 4 &&
			   (ntohl(mnl_attr_get_u32(flags)) &
			       NFT_SET_ELEM_INTERVAL_END);
		if (value != NULL &&
		    mnl_attr_get_payload_len(value) == sizeof(x.id))
			x.id = mnl_attr_get_u32(value);
		if (add_bound(b, x, e) < 0)
			return -1;
	}
	return 0;
}

static void
forget_bounds(void *arg)
{
	((struct bounds *)arg)->n = 0;
}

/* The end of one range comes before the start of its neighbour. */
static int
by_place(const void *pa, const void *pb)
{
	const struct bound *a = pa, *b = pb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)b->is_end - (int)a->is_end;
}

static int
ranges(const struct bounds *b, uint32_t ids[NP_NCLASSES], bool *odd,
    struct np_ok *out, struct err *e)
{
	out->family = b->family;
	out->n = 0;
	out->cap = b->n + 1;
	out->v = calloc(out->cap, sizeof(*out->v));
	if (out->v == NULL)
		return err_sys(e, "ok set");
	for (size_t i = 0; i < b->n; i++) {
		struct np_range r = { b->v[i].at, np_last(b->family) };

		if (b->v[i].is_end)
			continue; /* nft puts one in front of the first */
		if (i + 1 < b->n)
			r.hi = b->v[i + 1].at - 1;
		out->v[out->n].range = r;
		out->v[out->n++].class = nft_take_id(b->v[i].id, ids, odd);
	}
	return 0;
}

static int
read_set(struct nft_sock *s, const char *name, enum np_family f,
    uint32_t ids[NP_NCLASSES], bool *odd, struct np_ok *out, struct err *e)
{
	char buf[NFT_ASK_ROOM];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	struct bounds b = { .family = f };
	int rc;

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name);
	rc = nft_read(s, h, on_ok, forget_bounds, &b, e);
	if (rc == 0) {
		if (b.n > 0)
			qsort(b.v, b.n, sizeof(*b.v), by_place);
		rc = ranges(&b, ids, odd, out, e);
	}
	free(b.v);
	return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

static int
read_family(struct nft_sock *s, uint32_t slot, enum np_family f, bool ports,
    uint32_t ids[NP_NCLASSES], bool *odd, struct np_ok *out, struct err *e)
{
	struct np_ok some = { .family = f };
	const char v = f == NP_V4 ? '4' : '6';
	char name[32];
	int rc;

	(void)snprintf(name, sizeof(name), "sb%u_ok%c", slot, v);
	rc = read_set(s, name, f, ids, odd, out, e);
	if (rc == 0 && ports) {
		(void)snprintf(name, sizeof(name), "sb%u_some%c", slot, v);
		rc = read_set(s, name, f, ids, odd, &some, e);
		if (rc == 0)
			rc = nft_join_some(out, &some, odd, e);
	}
	np_ok_fini(&some);
	return rc;
}

int
nft_read_reach(struct nft_sock *s, uint32_t slot, bool v6, bool ports,
    struct np_reach *out, uint32_t ids[NP_NCLASSES], bool *odd, struct err *e)
{
	np_reach_init(out);
	for (size_t i = 0; i < NP_NCLASSES; i++)
		ids[i] = 0;
	*odd = false;
	if (read_family(s, slot, NP_V4, ports, ids, odd, &out->ok4, e) < 0 ||
	    (v6 && read_family(s, slot, NP_V6, ports, ids, odd, &out->ok6, e) <
		       0) ||
	    (ports && nft_read_ports(s, slot, ids, odd, out->ports, e) < 0)) {
		np_reach_fini(out);
		return -1;
	}
	if (*odd)
		nft_keep_whole(out, ids);
	return 0;
}

/* --- one slot's rules -------------------------------------------------------
 */

static int
on_rule(void *arg, const struct nlmsghdr *h, struct err *e)
{
	/* As nft writes a comment: what it is, its length, its bytes. */
	static const char comment[] = "\0\10allowed";
	const struct nlattr *handle = find(h, NFTA_RULE_HANDLE);
	const struct nlattr *data = find(h, NFTA_RULE_USERDATA);

	(void)e;
	if (handle != NULL && data != NULL &&
	    mnl_attr_get_payload_len(handle) == sizeof(uint64_t) &&
	    mnl_attr_get_payload_len(data) == sizeof(comment) &&
	    memcmp(mnl_attr_get_payload(data), comment, sizeof(comment)) == 0)
		*(uint64_t *)arg = be64toh(mnl_attr_get_u64(handle));
	return 0;
}

int
nft_read_allowed(
    struct nft_sock *s, uint32_t slot, uint64_t *handle, struct err *e)
{
	char buf[NFT_ASK_ROOM], chain[32];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETRULE, NLM_F_DUMP);

	*handle = 0;
	(void)snprintf(chain, sizeof(chain), "sb%u", slot);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
	if (nft_read(s, h, on_rule, NULL, handle, e) < 0)
		return -1;
	if (*handle == 0)
		return err_set(
		    e, ERR_CONFLICT, "%s has no rule that allows", chain);
	return 0;
}

/* --- one slot's counters ----------------------------------------------------
 */

struct counting {
	struct nft_counts *out;
	struct nftnl_rule *rule;
};

static void
forget_counts(void *arg)
{
	struct counting *c = arg;

	*c->out = (struct nft_counts){ 0 };
}

static int
on_counter(void *arg, const struct nlmsghdr *h, struct err *e)
{
	struct counting *c = arg;
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct nftnl_expr_iter *it;
	struct nftnl_expr *x;
	uint64_t packets = 0;
	bool counts = false, accepts = false, stamps = false, first = true;
	uint32_t verdict = 0;

	if (r == NULL || nftnl_rule_nlmsg_parse(h, r) < 0) {
		nftnl_rule_free(r);
		return err_set(e, ERR_BUG, "nftables: a rule I cannot read");
	}
	it = nftnl_expr_iter_create(r);
	while (it != NULL && (x = nftnl_expr_iter_next(it)) != NULL) {
		const char *name = nftnl_expr_get_str(x, NFTNL_EXPR_NAME);

		if (strcmp(name, "counter") == 0) {
			packets = nftnl_expr_get_u64(x, NFTNL_EXPR_CTR_PACKETS);
			counts = true;
		}
		if (strcmp(name, "immediate") == 0 &&
		    nftnl_expr_is_set(x, NFTNL_EXPR_IMM_VERDICT)) {
			verdict = nftnl_expr_get_u32(x, NFTNL_EXPR_IMM_VERDICT);
			accepts = verdict == NF_ACCEPT;
		}
		/* The first rule alone begins by looking at the ct mark. */
		if (first && strcmp(name, "ct") == 0)
			stamps = nftnl_expr_get_u32(x, NFTNL_EXPR_CT_KEY) ==
				 NFT_CT_MARK;
		first = false;
	}
	if (it != NULL)
		nftnl_expr_iter_destroy(it);
	nftnl_rule_free(r);
	if (counts && accepts)
		c->out->passed += packets;
	else if (counts && stamps)
		c->out->stale += packets;
	else if (counts)
		c->out->denied += packets;
	return 0;
}

int
nft_read_counts(
    struct nft_sock *s, uint32_t slot, struct nft_counts *out, struct err *e)
{
	char buf[NFT_ASK_ROOM], chain[32];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	struct counting c = { .out = out };

	*out = (struct nft_counts){ 0 };
	(void)snprintf(chain, sizeof(chain), "sb%u", slot);
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
	return nft_read(s, h, on_counter, forget_counts, &c, e);
}
