/*
 * What an update sends: of 10,000 entries, the one that changed.  Counted in
 * the batch itself, message by message and element by element; opens nothing.
 */
#include "t.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nft/batch.h"
#include "nft/linux/attr.h"
#include "nft/steps.h"
#include "tests/unit/test_policy_gen.h"

enum { MANY = NP_LIST_MAX };

/* Entry i of many that neither touch nor are the site's. */
static const char *
entry(uint32_t i, char to[32])
{
	(void)snprintf(
	    to, 32, "20.%u.%u.%u", i >> 12, i >> 4 & 0xff, (i & 15) * 2);
	return to;
}

struct made {
	struct np_policy p;
	struct np_ir ir;
	struct np_reach r;
};

/* The first n entries, `skip` left out and `front` before all others. */
static void
make(struct made *m, const struct np_site *site, uint32_t n, uint32_t skip,
    const char *front, bool ports, struct err *e)
{
	const struct np_port port = { 443, 443, 6, false, 0 };
	uint32_t item = 0;
	char text[32];

	np_policy_init(&m->p);
	CHECK(np_policy_deny(&m->p, "0.0.0.0/0", 0, e) == 0);
	if (front != NULL)
		CHECK(np_policy_allow(&m->p, front, item++, e) == 0);
	for (uint32_t i = 0; i < n; i++)
		if (i != skip)
			CHECK(np_policy_allow(
				  &m->p, entry(i, text), item++, e) == 0);
	if (ports)
		CHECK(np_policy_port(&m->p, &port, e) == 0);
	CHECK(np_lower(&m->p, site, &m->ir, e) == 0);
	CHECK(np_reach_make(&m->ir, true, &m->r, e) == 0);
}

static void
unmake(struct made *m)
{
	np_policy_fini(&m->p);
	np_ir_fini(&m->ir);
	np_reach_fini(&m->r);
}

static size_t
elements(const struct nft_batch *b)
{
	const struct nlmsghdr *h = (const void *)b->data;
	int left = (int)b->len;
	size_t n = 0;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlattr *a, *x;

		if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
			continue;
		attr_for_each (a, h, sizeof(struct nfgenmsg))
			if (mnl_attr_get_type(a) == NFTA_SET_ELEM_LIST_ELEMENTS)
				attr_for_each_in (x, a)
					n++;
	}
	return n;
}

struct sent {
	size_t msgs, elems, transactions;
};

/* All that an update from a to b puts into sets. */
static struct sent
update(const struct made *a, const struct made *b, const struct np_site *site,
    struct err *e)
{
	uint32_t ids[NP_NCLASSES] = { 0 };
	struct sent s = { 0 };
	struct nft_batch nl;
	struct nft_steps n;

	for (size_t c = NP_BUT; c < NP_NCLASSES; c++)
		if (nft_uses(&a->r, (enum np_class)c))
			ids[c] = nft_class_id(300, (enum np_class)c);
	CHECK(nft_steps_make(&a->r, ids, &b->r, 301, &n, e) == 0);
	nft_batch_init(&nl, 64 << 20);
	for (size_t i = 0; i < 2; i++) {
		const struct nft_step *x = &n.step[i];

		nft_batch_begin(&nl);
		for (size_t k = 0; k < NFT_NIDS; k++) {
			if (i == 0 && n.comes[k] != NULL)
				nft_put_ports(
				    &nl, 7, n.ids[k], n.comes[k], true);
			if (i == 1 && n.goes[k] != NULL)
				nft_put_ports(
				    &nl, 7, n.ids[k], n.goes[k], false);
		}
		nft_put_ok(&nl, 7, &x->del4, &x->add4, n.ids, site);
		nft_put_ok(&nl, 7, &x->del6, &x->add6, n.ids, site);
		CHECK(!nl.failed);
		s.msgs += nl.nmsgs;
		s.elems += elements(&nl);
		s.transactions += nl.nmsgs > 0;
	}
	nft_batch_fini(&nl);
	nft_steps_fini(&n);
	return s;
}

static void
check(bool ports, struct err *e)
{
	struct made all, less, other, none;
	struct np_site site;
	struct sent s;

	np_site_init(&site);
	CHECK(np_site_builtin(&site, e) == 0);
	make(&all, &site, MANY, MANY, NULL, ports, e);
	CHECK(all.r.ok4.n >= MANY);
	/* A range is two elements: where it starts and where it ends. */
	make(&none, &site, 0, 0, NULL, ports, e);
	s = update(&none, &all, &site, e);
	CHECK(s.elems >= (size_t)2 * MANY);
	/* The same again. */
	s = update(&all, &all, &site, e);
	CHECK(s.msgs == 0 && s.elems == 0);
	/*
	 * One goes from the middle, whose place every other entry behind it
	 * takes; with ports it goes to the map, first alone, then as one with
	 * the ranges beside it: five ranges that come or go.
	 */
	make(&less, &site, MANY, MANY / 2, NULL, ports, e);
	s = update(&all, &less, &site, e);
	CHECK(s.msgs == (ports ? 4 : 1));
	CHECK(s.elems == (ports ? 2 + 2 * 5 : 2));
	CHECK(s.transactions == (ports ? 2 : 1));
	s = update(&less, &all, &site, e);
	CHECK(s.elems == (ports ? 2 + 2 * 3 : 2));
	/*
	 * One more, in front of 9,999: all of them have another origin now, and
	 * nothing is said of those.
	 */
	make(&other, &site, MANY, MANY / 2, "30.1.2.3", ports, e);
	CHECK(other.r.ok4.v[other.r.ok4.n - 1].origin.item !=
		  less.r.ok4.v[less.r.ok4.n - 1].origin.item ||
	      ports);
	s = update(&less, &other, &site, e);
	CHECK(s.elems == (ports ? 2 + 2 * 3 : 2));
	unmake(&all);
	unmake(&less);
	unmake(&other);
	unmake(&none);
	np_site_fini(&site);
}

int
main(void)
{
	struct err e = { 0 };

	check(false, &e);
	check(true, &e);
	return t_end();
}
