/*
 * rules_apply.c - a slot's policy.  An update is two transactions: first what
 * the sets hold, then what is live.  With both in one, packets that had read
 * the old set were stamped with the new generation.
 */
#include "rules_linux.h"

#include <errno.h>
#include <string.h>

#include "io/log.h"
#include "nft/read.h"

/* From so many ranges on, the kernel's reports to us cost more than a look. */
enum { LARGE = 24 };

struct change {
	struct np_ok del4, add4, del6, add6;
};

static void
change_fini(struct change *c)
{
	np_ok_fini(&c->del4);
	np_ok_fini(&c->add4);
	np_ok_fini(&c->del6);
	np_ok_fini(&c->add6);
}

static int
change_make(const struct rules_slot *s, const struct rules_want *w,
    struct change *c, struct err *e)
{
	*c = (struct change){
		.del4 = { .family = NP_V4 },
		.add4 = { .family = NP_V4 },
		.del6 = { .family = NP_V6 },
		.add6 = { .family = NP_V6 },
	};
	if (np_delta(&s->reach.ok4, &w->reach.ok4, &c->del4, &c->add4, e) < 0 ||
	    np_delta(&s->reach.ok6, &w->reach.ok6, &c->del6, &c->add6, e) < 0) {
		change_fini(c);
		return -1;
	}
	return 0;
}

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
	struct np_reach is;

	if (s->known)
		return 0;
	np_reach_init(&is);
	if (nft_read_ok(&r->k->nl, slot, NP_V4, &is.ok4, e) < 0 ||
	    (r->k->c.v6 &&
		nft_read_ok(&r->k->nl, slot, NP_V6, &is.ok6, e) < 0)) {
		np_reach_fini(&is);
		return -1;
	}
	np_reach_fini(&s->reach);
	s->reach = is;
	s->known = true;
	return 0;
}

/* `has` ranges are in the set: if all of them go, saying so is cheaper. */
static void
put_set(struct rules *r, uint32_t slot, size_t has, const struct np_ok *del,
    const struct np_ok *add)
{
	const struct np_ok none = { .family = del->family };
	bool all = del->n == has && has > LARGE;

	if (all)
		nft_put_ok_flush(&r->k->b, slot, del->family);
	nft_put_ok(&r->k->b, slot, all ? &none : del, add, &r->site);
}

static void
put_change(struct rules *r, uint32_t slot, const struct change *c, size_t has4,
    size_t has6)
{
	put_set(r, slot, has4, &c->del4, &c->add4);
	if (r->k->c.v6)
		put_set(r, slot, has6, &c->del6, &c->add6);
}

static int
send_sets(struct rules *r, const struct rules_want *w, const struct change *c,
    struct err *e)
{
	struct rules_kernel *k = r->k;
	struct rules_slot *s = &r->slots[w->slot];
	uint32_t was = s->birth;
	size_t n = c->del4.n + c->add4.n + c->del6.n + c->add6.n;
	int rc;

	nft_batch_begin(&k->b);
	if (w->birth && !s->fresh) {
		s->birth = w->gen;
		nft_put_birth(&k->b, &k->c, rules_slot(r, w->slot));
	}
	put_change(r, w->slot, c, s->reach.ok4.n, s->reach.ok6.n);
	if (n > LARGE)
		guard_rest(k, true);
	rc = nft_send(&k->nl, &k->b, e);
	if (n > LARGE)
		guard_rest(k, false);
	if (rc < 0) {
		s->birth = was;
		return err_wrap(e, "sets");
	}
	return 0;
}

static int
send_gen(struct rules *r, uint32_t slot, uint32_t to, struct err *e)
{
	struct rules_kernel *k = r->k;

	nft_batch_begin(&k->b);
	nft_put_gen(&k->b, slot, r->slots[slot].gen, to);
	return nft_send(&k->nl, &k->b, e) < 0 ? err_wrap(e, "generation") : 0;
}

/*
 * The old policy comes back.  If not even that works, the slot is closed, and
 * if that does not either, the table is made anew by the guard.
 */
static void
undo_sets(struct rules *r, uint32_t slot, const struct change *c)
{
	const struct change back = { c->add4, c->del4, c->add6, c->del6 };
	struct err e;

	nft_batch_begin(&r->k->b);
	put_change(r, slot, &back, SIZE_MAX, SIZE_MAX);
	if (nft_send(&r->k->nl, &r->k->b, &e) == 0)
		return;
	log_error("rules.undo slot=%u err=\"%s\"", slot, e.msg);
	if (send_gen(r, slot, 0, &e) < 0)
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
apply(struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e)
{
	struct rules_slot *s = &r->slots[w->slot];
	struct change c;
	int rc;

	if (learn(r, w->slot, e) < 0 || count_revoked(s, w, revoked, e) < 0 ||
	    change_make(s, w, &c, e) < 0)
		return -1;
	rc = send_sets(r, w, &c, e);
	if (rc == 0) {
		rc = send_gen(r, w->slot, w->gen, e);
		if (rc < 0)
			undo_sets(r, w->slot, &c);
	}
	change_fini(&c);
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
	nft_put_ok_flush(&k->b, slot, NP_V4);
	if (k->c.v6)
		nft_put_ok_flush(&k->b, slot, NP_V6);
	if (nft_send(&k->nl, &k->b, e) < 0)
		return err_wrap(e, "sets");
	np_reach_fini(&s->reach);
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
