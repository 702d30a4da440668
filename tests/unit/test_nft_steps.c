/*
 * nft/steps.c, by a packet that looks at the sets one after the other while
 * they change: whatever it sees of each transaction, a flow that both policies
 * pass is passed, and one that neither passes is not; at the end the sets hold
 * the new policy.
 */
#include "t.h"

#include <stdlib.h>

#include "nft/steps.h"
#include "ok.h"
#include "test_policy_gen.h"

enum { ROUNDS = 600, FLOWS = 60, STATES = 4, LISTS = 8 };

/* What the kernel's sets of one slot hold. */
struct sets {
	struct np_ok ok[2], some[2]; /* of both families; class: place in ids */
	struct {
		uint32_t id;
		const struct np_ports *ports;
	} lists[LISTS];
};

static struct np_ok
copy(const struct np_ok *from, bool some, struct err *e)
{
	struct np_ok to = { .family = from->family };

	for (size_t i = 0; i < from->n; i++)
		if ((from->v[i].class != NP_WHOLE) == some)
			CHECK(np_ok_add(&to, &from->v[i], false, e) == 0);
	return to;
}

static void
sets_fini(struct sets *s)
{
	for (size_t f = 0; f < 2; f++) {
		np_ok_fini(&s->ok[f]);
		np_ok_fini(&s->some[f]);
	}
}

/* Ranges must be there to go, and what comes must not overlap: or EEXIST. */
static void
change(struct np_ok *set, const struct np_ok *del, const struct np_ok *add,
    bool some, struct err *e)
{
	for (size_t i = 0; i < del->n; i++) {
		size_t k = 0;

		if ((del->v[i].class != NP_WHOLE) != some)
			continue;
		while (
		    k < set->n && (set->v[k].range.lo != del->v[i].range.lo ||
				      set->v[k].range.hi != del->v[i].range.hi))
			k++;
		CHECK(k < set->n);
		if (k < set->n)
			set->v[k] = set->v[--set->n];
	}
	for (size_t i = 0; i < add->n; i++) {
		if ((add->v[i].class != NP_WHOLE) != some)
			continue;
		for (size_t k = 0; k < set->n; k++)
			CHECK(set->v[k].range.hi < add->v[i].range.lo ||
			      set->v[k].range.lo > add->v[i].range.hi);
		CHECK(np_ok_add(set, &add->v[i], false, e) == 0);
	}
}

static void
step(struct sets *s, const struct nft_step *x, struct err *e)
{
	change(&s->ok[0], &x->del4, &x->add4, false, e);
	change(&s->some[0], &x->del4, &x->add4, true, e);
	change(&s->ok[1], &x->del6, &x->add6, false, e);
	change(&s->some[1], &x->del6, &x->add6, true, e);
}

static void
put_list(struct sets *s, uint32_t id, const struct np_ports *ports)
{
	size_t i = 0;

	while (i < LISTS && s->lists[i].id != (ports == NULL ? id : 0))
		i++;
	CHECK(i < LISTS);
	if (i == LISTS)
		return;
	s->lists[i].id = ports == NULL ? 0 : id;
	s->lists[i].ports = ports;
}

static struct sets
clone(const struct sets *from, struct err *e)
{
	struct sets to = *from;

	for (size_t f = 0; f < 2; f++) {
		to.ok[f] = copy(&from->ok[f], false, e);
		to.some[f] = copy(&from->some[f], true, e);
	}
	return to;
}

static const struct np_ok_range *
find(const struct np_ok *ok, np_u128 at)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].range.lo <= at && at <= ok->v[i].range.hi)
			return &ok->v[i];
	return NULL;
}

/* Looks at ok in state a, at some in state b, at the ports in state c. */
static bool
passes(const struct sets v[STATES], size_t a, size_t b, size_t c,
    const uint32_t ids[NFT_NIDS], const struct np_flow *flow)
{
	const size_t f = flow->to.family == NP_V4 ? 0 : 1;
	const struct np_ok_range *r = find(&v[a].ok[f], flow->to.n);

	if (r != NULL)
		return true;
	r = find(&v[b].some[f], flow->to.n);
	for (size_t i = 0; r != NULL && i < LISTS; i++)
		if (v[c].lists[i].id == ids[r->class])
			return np_ports_has(
			    v[c].lists[i].ports, flow->proto, flow->port);
	return false;
}

/*
 * A transaction shows in each set at a moment of its own: the packet may look
 * at one set after it and at the next one before it.  But it takes less than a
 * whole transaction: what it read of the map is gone with the second, and the
 * list it then looks into goes with the last.
 */
static void
one_flow(const struct sets v[STATES], const struct gen_made *old,
    const struct gen_made *new, const uint32_t ids[NFT_NIDS],
    const struct np_flow *flow)
{
	const bool was = gen_ok_has(old, flow), is = gen_ok_has(new, flow);

	CHECK(passes(v, 0, 0, 0, ids, flow) == was);
	CHECK(passes(v, 3, 3, 3, ids, flow) == is);
	for (size_t t = 0; t < STATES - 1; t++)
		for (size_t bits = 0; bits < 8 && was == is; bits++) {
			const size_t a = t + (bits & 1),
				     b = t + (bits >> 1 & 1),
				     c = t + (bits >> 2);

			if (t == 2 && b != c && b == 2)
				continue;
			CHECK(passes(v, a, b, c, ids, flow) == was);
		}
}

static void
one_round(struct err *e)
{
	uint32_t ids[NP_NCLASSES] = { 0 };
	struct gen_made a = { 0 }, b = { 0 };
	struct gen_lists la, lb;
	struct np_site site;
	struct nft_steps n;
	struct sets v[STATES] = { 0 };

	gen_lists(&la);
	lb = la;
	if (gen_below(3) != 0)
		gen_lists(&lb);
	if (gen_below(2) == 0) {
		memcpy(lb.ports, la.ports, sizeof(lb.ports));
		lb.nports = la.nports;
	} else if (gen_below(2) == 0) {
		lb.nports = gen_ports(lb.ports);
	}
	CHECK(gen_site(&site, e) == 0);
	CHECK(gen_make(&la, &site, &a, e) == 0);
	CHECK(gen_make(&lb, &site, &b, e) == 0);
	for (size_t c = NP_BUT; c < NP_NCLASSES; c++)
		if (nft_uses(&a.reach, (enum np_class)c))
			ids[c] = nft_class_id(300, (enum np_class)c);
	CHECK(nft_steps_make(&a.reach, ids, &b.reach, 301, &n, e) == 0);

	v[0].ok[0] = copy(&a.reach.ok4, false, e);
	v[0].ok[1] = copy(&a.reach.ok6, false, e);
	v[0].some[0] = copy(&a.reach.ok4, true, e);
	v[0].some[1] = copy(&a.reach.ok6, true, e);
	for (size_t c = NP_BUT; c < NP_NCLASSES; c++)
		if (ids[c] != 0)
			put_list(&v[0], ids[c], &a.reach.ports[c]);
	v[1] = clone(&v[0], e);
	for (size_t i = 0; i < NFT_NIDS; i++)
		if (n.comes[i] != NULL)
			put_list(&v[1], n.ids[i], n.comes[i]);
	step(&v[1], &n.step[0], e);
	v[2] = clone(&v[1], e);
	step(&v[2], &n.step[1], e);
	CHECK(n.two || v[2].ok[0].n == v[1].ok[0].n);
	v[3] = clone(&v[2], e);
	for (size_t i = 0; i < NFT_NIDS; i++)
		if (n.goes[i] != NULL)
			put_list(&v[3], n.ids[i], NULL);
	for (int i = 0; i < FLOWS; i++) {
		const struct np_flow f = gen_flow(gen_below(2) ? &a.ir : &b.ir);

		one_flow(v, &a, &b, n.ids, &f);
	}
	/* Nothing is left over, and new ids are new. */
	for (size_t i = 0; i < LISTS; i++)
		CHECK(v[3].lists[i].id == 0 ||
		      v[3].lists[i].id == n.becomes[NP_BUT] ||
		      v[3].lists[i].id == n.becomes[NP_ONLY]);
	for (size_t i = 0; i < STATES; i++)
		sets_fini(&v[i]);
	nft_steps_fini(&n);
	gen_unmake(&a);
	gen_unmake(&b);
	np_site_fini(&site);
}

/* Lists that stay keep their id, and addresses that stay are not touched. */
static void
nothing_more_than_needed(struct err *e)
{
	const uint32_t ids[NP_NCLASSES] = { 0, 600, 0 };
	struct gen_made a = { 0 }, b = { 0 };
	struct gen_lists la = { .nports = 1 }, lb;
	struct np_site site;
	struct nft_steps n;

	np_site_init(&site);
	CHECK(np_site_builtin(&site, e) == 0);
	la.ports[0] = (struct np_port){ 25, 25, 6, true, 0 };
	lb = la;
	lb.ndeny = 1;
	(void)snprintf(lb.deny[0], sizeof(lb.deny[0]), "9.9.9.9");
	CHECK(gen_make(&la, &site, &a, e) == 0);
	CHECK(gen_make(&lb, &site, &b, e) == 0);
	CHECK(nft_steps_make(&a.reach, ids, &b.reach, 301, &n, e) == 0);
	CHECK(!n.two && n.becomes[NP_BUT] == 600 && n.becomes[NP_ONLY] == 0);
	CHECK(n.step[0].del4.n == 1 && n.step[0].add4.n == 2);
	CHECK(n.step[0].del6.n == 0 && n.step[0].add6.n == 0);
	for (size_t i = 0; i < NFT_NIDS; i++)
		CHECK(n.comes[i] == NULL && n.goes[i] == NULL);
	nft_steps_fini(&n);
	gen_unmake(&a);
	gen_unmake(&b);
	np_site_fini(&site);
}

int
main(void)
{
	struct err e = { 0 };

	gen_start(11);
	for (int round = 0; round < ROUNDS && t_failed == 0; round++) {
		one_round(&e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	nothing_more_than_needed(&e);
	return t_end();
}
