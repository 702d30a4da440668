/*
 * rules_apply.c - a slot's policy.  An update is two transactions: first what
 * the sets hold, then what is live.  With both in one, packets that had read
 * the old set were stamped with the new generation.  Where an address passes
 * on some ports alone, and did not or will not or on others, the first is two:
 * see nft/steps.h.
 */
#include "rules_linux.h"

#include <errno.h>
#include <string.h>

#include "io/log.h"
#include "nft/read.h"
#include "nft/steps.h"

/* From so many ranges on, the kernel's reports to us cost more than a look. */
enum { LARGE = 24 };

static int
count_revoked(const struct rules_slot *s, const struct rules_want *w,
    uint32_t *n, struct err *e)
{
	struct np_gone gone;

	if (np_revoked(&s->reach, &w->reach, &gone, e) < 0)
		return -1;
	*n = (uint32_t)(gone.gone4.n + gone.gone6.n);
	np_gone_fini(&gone);
	return 0;
}

/* The sets of an adopted slot are read when they are needed first. */
static int
learn(struct rules *r, uint32_t slot, struct err *e)
{
	struct rules_slot *s = &r->slots[slot];
	uint32_t ids[NP_NCLASSES];
	struct np_reach is;
	bool odd;

	if (s->known)
		return 0;
	if (nft_read_reach(
		&r->k->nl, slot, r->k->c.v6, s->ports, &is, ids, &odd, e) < 0)
		return -1;
	if (odd)
		log_warn("rules.odd slot=%u", slot);
	np_reach_fini(&s->reach);
	s->reach = is;
	memcpy(s->ids, ids, sizeof(ids));
	s->odd = odd;
	s->known = true;
	return 0;
}

static void
put_family(struct rules *r, uint32_t slot, const uint32_t *ids,
    const struct np_ok *has, const struct np_ok *del, const struct np_ok *add)
{
	const struct np_ok none = { .family = del->family };
	/* If all of them go, saying so is cheaper. */
	bool all = has != NULL && del->n == has->n && del->n > LARGE;

	if (all)
		nft_put_ok_flush(&r->k->b, slot, del->family, ids != NULL);
	nft_put_ok(&r->k->b, slot, all ? &none : del, add, ids, &r->site);
}

/* has: what the sets hold; NULL: not known. */
static void
put_step(struct rules *r, uint32_t slot, const struct nft_steps *s,
    const struct nft_step *step, const struct np_reach *has)
{
	const uint32_t *ids = r->slots[slot].ports ? s->ids : NULL;

	put_family(r, slot, ids, has == NULL ? NULL : &has->ok4, &step->del4,
	    &step->add4);
	if (r->k->c.v6)
		put_family(r, slot, ids, has == NULL ? NULL : &has->ok6,
		    &step->del6, &step->add6);
}

static size_t
step_size(const struct nft_step *s)
{
	return s->del4.n + s->add4.n + s->del6.n + s->add6.n;
}

static int
send_sets(struct rules *r, size_t size, struct err *e)
{
	struct rules_kernel *k = r->k;
	int rc;

	if (size > LARGE)
		guard_rest(k, true);
	rc = nft_send(&k->nl, &k->b, e);
	if (size > LARGE)
		guard_rest(k, false);
	return rc < 0 ? err_wrap(e, "sets") : 0;
}

/* The lists of `which` come, or go. */
static void
put_lists(struct rules *r, uint32_t slot, const struct nft_steps *s,
    const struct np_ports *const which[NFT_NIDS], bool there)
{
	for (size_t i = 0; i < NFT_NIDS; i++)
		if (which[i] != NULL)
			nft_put_ports(
			    &r->k->b, slot, s->ids[i], which[i], there);
}

/* What policies with ports need; behind: see nft_put_ports_objects(). */
static int
need_ports(struct rules *r, uint32_t slot, bool rules_come, struct err *e)
{
	struct rules_kernel *k = r->k;
	uint64_t behind = 0;

	if (!rules_come && nft_read_allowed(&k->nl, slot, &behind, e) < 0)
		return -1;
	if (rules_come)
		nft_put_ports_sets(&k->b, &k->c, rules_slot(r, slot));
	else
		nft_put_ports_objects(
		    &k->b, &k->c, rules_slot(r, slot), behind);
	return 0;
}

/* The first transaction: lists and addresses that come, and what they need. */
static int
send_first(struct rules *r, const struct rules_want *w,
    const struct nft_steps *steps, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct rules_slot *s = &r->slots[w->slot];
	const uint32_t was_birth = s->birth;
	const bool had_ports = s->ports, birth = w->birth && !s->fresh;

	nft_batch_begin(&k->b);
	if (!had_ports && nft_wants_ports(&w->reach)) {
		if (need_ports(r, w->slot, birth, e) < 0)
			return -1;
		s->ports = true;
	}
	if (birth) {
		s->birth = w->gen;
		nft_put_birth(&k->b, &k->c, rules_slot(r, w->slot));
	}
	if (s->odd)
		nft_put_ports_flush(&k->b, w->slot, k->c.v6);
	put_lists(r, w->slot, steps, steps->comes, true);
	put_step(r, w->slot, steps, &steps->step[0], &s->reach);
	if (send_sets(r, step_size(&steps->step[0]), e) < 0) {
		s->birth = was_birth;
		s->ports = had_ports;
		return -1;
	}
	s->odd = false;
	return 0;
}

static int
send_second(struct rules *r, uint32_t slot, const struct nft_steps *steps,
    struct err *e)
{
	if (!steps->two)
		return 0;
	nft_batch_begin(&r->k->b);
	put_step(r, slot, steps, &steps->step[1], NULL);
	return send_sets(r, step_size(&steps->step[1]), e);
}

/* The last one: what is live, and lists that nobody points to any more. */
static int
send_last(struct rules *r, const struct rules_want *w,
    const struct nft_steps *steps, struct err *e)
{
	struct rules_kernel *k = r->k;

	nft_batch_begin(&k->b);
	nft_put_gen(&k->b, w->slot, r->slots[w->slot].gen, w->gen);
	put_lists(r, w->slot, steps, steps->goes, false);
	return nft_send(&k->nl, &k->b, e) < 0 ? err_wrap(e, "generation") : 0;
}

/*
 * The old policy comes back, by the same steps; `done` of them have been made.
 * If not even that works, the slot is closed, and if that does not either, the
 * table is made anew by the guard.
 */
static void
undo(struct rules *r, uint32_t slot, const struct nft_steps *steps, int done)
{
	struct rules_kernel *k = r->k;
	struct err e;
	int rc = 0;

	for (int i = done - 1; i >= 0 && rc == 0; i--) {
		const struct nft_step *s = &steps->step[i];
		const struct nft_step back = { s->add4, s->del4, s->add6,
			s->del6 };

		nft_batch_begin(&k->b);
		put_step(r, slot, steps, &back, NULL);
		if (i == 0)
			put_lists(r, slot, steps, steps->comes, false);
		rc = nft_send(&k->nl, &k->b, &e);
	}
	if (rc == 0)
		return;
	log_error("rules.undo slot=%u err=\"%s\"", slot, e.msg);
	nft_batch_begin(&k->b);
	nft_put_gen(&k->b, slot, r->slots[slot].gen, 0);
	if (nft_send(&k->nl, &k->b, &e) < 0)
		log_error("rules.close slot=%u err=\"%s\"", slot, e.msg);
	r->slots[slot].gen = 0;
	r->slots[slot].known = false;
}

static void
swap(struct np_reach *a, struct np_reach *b)
{
	struct np_reach x = *a;

	*a = *b;
	*b = x;
}

static int
make_steps(struct rules *r, const struct rules_want *w, struct nft_steps *steps,
    struct err *e)
{
	const struct rules_slot *s = &r->slots[w->slot];

	return nft_steps_make(&s->reach, s->ids, &w->reach, w->gen, steps, e);
}

static int
run_steps(struct rules *r, const struct rules_want *w,
    const struct nft_steps *steps, struct err *e)
{
	if (send_first(r, w, steps, e) < 0)
		return -1;
	if (send_second(r, w->slot, steps, e) < 0) {
		undo(r, w->slot, steps, 1);
		return -1;
	}
	if (send_last(r, w, steps, e) < 0) {
		undo(r, w->slot, steps, steps->two ? 2 : 1);
		return -1;
	}
	return 0;
}

static int
apply(struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];
	struct nft_steps steps;
	int rc;

	if (learn(r, w->slot, e) < 0 || count_revoked(s, w, revoked, e) < 0 ||
	    make_steps(r, w, &steps, e) < 0)
		return -1;
	rc = run_steps(r, w, &steps, e);
	if (rc == 0)
		memcpy(s->ids, steps.becomes, sizeof(s->ids));
	nft_steps_fini(&steps);
	return rc;
}

int
rules_kernel_apply(
    struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];
	int rc = apply(r, w, revoked, e);

	/* What we believed about the sets was wrong: look, and once more. */
	if (rc < 0 && e->kind == ERR_SYS &&
	    (e->sys_errno == ENOENT || e->sys_errno == EEXIST ||
		e->sys_errno == ENOBUFS)) {
		log_warn("rules.surprise slot=%u err=\"%s\"", w->slot, e->msg);
		guard_repair(r->k);
		s->known = false;
		rc = apply(r, w, revoked, e);
	}
	if (rc < 0)
		return -1;
	s->gen = r->max_gen = w->gen;
	s->fresh = false;
	swap(&s->reach, &w->reach);
	return 0;
}

/*
 * Nothing is live any more, and the sets are emptied first, so that nothing is
 * stamped on the way.  BIRTH is raised here, not when the next tenant comes:
 * a rule costs a walk through the whole table, and nobody waits for this one.
 */
int
rules_kernel_clear(struct rules *r, uint32_t slot, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct rules_slot *s = &r->slots[slot];
	uint32_t was = s->birth;

	if (s->gen == 0 && s->fresh)
		return 0;
	nft_batch_begin(&k->b);
	nft_put_ok_flush(&k->b, slot, NP_V4, false);
	if (k->c.v6)
		nft_put_ok_flush(&k->b, slot, NP_V6, false);
	if (s->ports)
		nft_put_ports_flush(&k->b, slot, k->c.v6);
	if (nft_send(&k->nl, &k->b, e) < 0)
		return err_wrap(e, "sets");
	np_reach_fini(&s->reach);
	memset(s->ids, 0, sizeof(s->ids));
	s->odd = false;
	s->known = true;

	s->birth = r->max_gen + 1;
	nft_batch_begin(&k->b);
	nft_put_gen(&k->b, slot, s->gen, 0);
	nft_put_birth(&k->b, &k->c, rules_slot(r, slot));
	if (nft_send(&k->nl, &k->b, e) < 0) {
		s->birth = was;
		return err_wrap(e, "generation");
	}
	s->gen = 0;
	s->fresh = true;
	return 0;
}

static int
prepare(struct rules *r, const struct rules_want *w, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];
	struct nft_steps steps;
	int rc;

	if (learn(r, w->slot, e) < 0 || make_steps(r, w, &steps, e) < 0)
		return -1;
	rc = send_first(r, w, &steps, e);
	if (rc == 0 && send_second(r, w->slot, &steps, e) < 0) {
		undo(r, w->slot, &steps, 1);
		rc = -1;
	}
	if (rc == 0)
		memcpy(s->ids, steps.becomes, sizeof(s->ids));
	nft_steps_fini(&steps);
	return rc;
}

int
rules_kernel_prepare(struct rules *r, struct rules_want *w, struct err *e)
{
	if (prepare(r, w, e) < 0)
		return -1;
	swap(&r->slots[w->slot].reach, &w->reach);
	return 0;
}

int
rules_kernel_state(
    struct rules *r, uint32_t slot, struct rules_state *out, struct err *e)
{
	const struct rules_slot *s = &r->slots[slot];
	struct nft_counts n;

	if (learn(r, slot, e) < 0 ||
	    nft_read_counts(&r->k->nl, slot, &n, e) < 0)
		return -1;
	*out = (struct rules_state){
		.slot = slot,
		.gen = s->gen,
		.nok4 = (uint32_t)s->reach.ok4.n,
		.nok6 = (uint32_t)s->reach.ok6.n,
		.passed = n.passed,
		.denied = n.denied,
		.stale = n.stale,
	};
	return 0;
}
