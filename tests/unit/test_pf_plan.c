/*
 * Plans, executed step by step in the model of pf: for random policies and
 * flows that stand, exactly the revoked ones lose their states, every new
 * packet is judged by the new policy from the first step on, and whatever
 * fails leads back to the old one.  SEED=n repeats a run.
 */
#include "test_pf_world.h"

#include "pf/model_int.h"
#include "pf/plan.h"

enum { ROUNDS = 3000, FLOWS = 24, SAMPLES = 16 };

/* One that stands: what the sandbox sent, and its state where it leaves. */
struct standing {
	struct np_flow flow;
	struct pfm_packet p, out;
	bool names; /* the resolver's: it ends on the host */
};

struct round {
	struct world w;
	struct np_site site;
	struct gen_made old, new;
	bool from_closed, to_closed;
	struct standing v[FLOWS];
	size_t n;
	struct standing beside; /* another sandbox's */
	struct pf_plan plan;
};

/* What was met on the way, so that nothing goes untested. */
static unsigned long tables, anchors, selected, judged, kept, cut, late;

static const struct np_reach *
reach(const struct gen_made *m, bool closed)
{
	return closed ? NULL : &m->reach;
}

/* --- flows that stand ----------------------------------------------------- */

static bool
stand(struct world *w, struct standing *s, struct err *e)
{
	struct pfm_judged j;

	if (pf_model_packet(w->m, &s->p, &j, e) < 0 || !j.pass || !j.keeps)
		return false;
	if (s->names)
		return true;
	s->out = w_leaving(&s->p, &j);
	return pf_model_packet(w->m, &s->out, &j, e) == 0 && j.pass && j.keeps;
}

static struct np_flow
some_flow(const struct round *r)
{
	struct np_flow f = gen_flow(gen_below(2) ? &r->old.ir : &r->new.ir);

	if (gen_below(10) == 0)
		f = (struct np_flow){ gen_below(2) ? r->w.conf.resolver6
						   : r->w.conf.resolver4,
			53, IPPROTO_UDP };
	return f;
}

static void
stand_some(struct round *r, struct err *e)
{
	for (int i = 0; i < 3 * FLOWS && r->n < FLOWS; i++) {
		struct standing *s = &r->v[r->n];

		*s = (struct standing){ .flow = some_flow(r) };
		if (!w_passes(&r->w, &r->old, &s->flow))
			continue;
		s->names = w_asks_names(&r->w, &s->flow);
		s->p = w_packet(&r->w, &s->flow, (uint16_t)(2000 + i));
		if (!stand(&r->w, s, e)) {
			CHECK(!"an allowed flow stands");
			return;
		}
		r->n++;
	}
}

/* The same address from the sandbox beside it, under the same ports. */
static void
stand_beside(struct round *r, struct err *e)
{
	struct pf_slot other;
	struct world *w = &r->w;
	struct np_flow f = { { 0x08080808, NP_V4 }, 443, IPPROTO_TCP };

	pf_slot_default(w->slot.slot == 7 ? 8 : 7, &other);
	r->beside = (struct standing){ .flow = f, .p = w_packet(w, &f, 2000) };
	r->beside.p.ifname = w->names[1];
	r->beside.p.src = other.sb4;
	CHECK(stand(w, &r->beside, e));
}

static bool
known(const struct world *w, const struct pfm_packet *p)
{
	struct pfm_packet q = *p;
	struct pfm_judged j;

	q.mid = true;
	pf_model_judge(w->m, &q, &j);
	return j.by_state;
}

static bool
has_both(const struct world *w, const struct standing *s)
{
	return known(w, &s->p) && (s->names || known(w, &s->out));
}

static bool
has_none(const struct world *w, const struct standing *s)
{
	return !known(w, &s->p) && (s->names || !known(w, &s->out));
}

/* --- packets of new flows ------------------------------------------------- */

static bool
passes_now(const struct world *w, const struct np_flow *f)
{
	struct pfm_packet p = w_packet(w, f, 999);
	struct pfm_judged j;

	pf_model_judge(w->m, &p, &j);
	return j.pass;
}

static bool
allowed(const struct round *r, const struct gen_made *m, bool closed,
    const struct np_flow *f)
{
	return !closed && w_passes(&r->w, m, f);
}

static void
check_packets(const struct round *r, bool by_new)
{
	for (int i = 0; i < SAMPLES && t_failed == 0; i++) {
		struct np_flow f = some_flow(r);
		bool old = allowed(r, &r->old, r->from_closed, &f);
		bool new = allowed(r, &r->new, r->to_closed, &f);

		CHECK(passes_now(&r->w, &f) == (by_new ? new : old));
	}
}

/* --- after the plan ------------------------------------------------------- */

static bool
is_revoked(
    const struct round *r, const struct standing *s, const struct np_gone *gone)
{
	if (r->to_closed)
		return true;
	return !s->names && np_gone_has(gone, &s->flow);
}

static void
check_states(const struct round *r, struct err *e)
{
	struct np_gone gone = { 0 };

	if (!r->to_closed && !r->from_closed)
		CHECK(np_revoked(&r->old.reach, &r->new.reach, &gone, e) == 0);
	for (size_t i = 0; i < r->n && t_failed == 0; i++) {
		if (is_revoked(r, &r->v[i], &gone)) {
			CHECK(has_none(&r->w, &r->v[i]));
			cut++;
		} else {
			CHECK(has_both(&r->w, &r->v[i]));
			kept++;
		}
	}
	CHECK(has_both(&r->w, &r->beside));
	np_gone_fini(&gone);
}

/* --- steps ---------------------------------------------------------------- */

static void
count(const struct pf_steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		tables += s->v[i].kind == PF_TABLE_REPLACE;
		anchors += s->v[i].kind == PF_ANCHOR_LOAD;
		selected += s->v[i].kind == PF_KILL_STATES;
		judged += s->v[i].kind == PF_KILL_BY_JUDGE;
	}
}

static bool
changes_rules(const struct pf_step *s)
{
	return s->kind == PF_TABLE_REPLACE || s->kind == PF_ANCHOR_LOAD;
}

static bool
is_there(const struct pf_model *m, uint64_t id)
{
	for (size_t i = 0; i < m->nstates; i++)
		if (m->states[i].id == id)
			return true;
	return false;
}

/*
 * A packet under way when the rules changed leaves its state behind, and
 * often the one where it leaves: they stand in pairs.
 */
static void
come_late(
    struct round *r, const struct pfm_state *before, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (before[i].dir != PFM_IN || is_there(r->w.m, before[i].id) ||
		    gen_below(3) != 0)
			continue;
		CHECK(pfm_state_add(r->w.m, &before[i], e) == 0);
		if (i + 1 < n && before[i + 1].dir == PFM_OUT && gen_below(2))
			CHECK(pfm_state_add(r->w.m, &before[i + 1], e) == 0);
		late++;
	}
}

static void
run_plan(struct round *r, struct err *e)
{
	size_t n = r->w.m->nstates;
	autofree struct pfm_state *before = calloc(n + 1, sizeof(*before));
	bool by_new =
	    r->plan.steps.n == 0 || !changes_rules(&r->plan.steps.v[0]);

	CHECK(before != NULL);
	if (before == NULL)
		return;
	if (n > 0)
		memcpy(before, r->w.m->states, n * sizeof(*before));
	check_packets(r, by_new);
	for (size_t i = 0; i < r->plan.steps.n && t_failed == 0; i++) {
		const struct pf_step *s = &r->plan.steps.v[i];

		CHECK(changes_rules(s) == (i == 0 && !by_new));
		if (s->again)
			come_late(r, before, n, e);
		CHECK(pf_model_step(r->w.m, &r->plan, s, e) == 0);
		by_new = true;
		check_packets(r, by_new);
	}
}

/* --- and back ------------------------------------------------------------- */

/* Rules changed, new flows came, a kill failed: the old policy is back. */
static void
run_back(struct round *r, size_t fail_at, struct err *e)
{
	struct standing opened = { .flow = some_flow(r) };
	struct err said = { 0 };
	bool stood = false;

	for (int i = 0; i < 40 && fail_at > 0 && !stood; i++) {
		opened.flow = some_flow(r);
		stood = !w_asks_names(&r->w, &opened.flow) &&
			allowed(r, &r->new, r->to_closed, &opened.flow) &&
			!allowed(r, &r->old, r->from_closed, &opened.flow);
	}
	if (stood) {
		struct pf_step *s = &r->plan.steps.v[0];

		opened.p = w_packet(&r->w, &opened.flow, 1111);
		CHECK(pf_model_step(r->w.m, &r->plan, s, e) == 0);
		CHECK(stand(&r->w, &opened, e));
	}
	CHECK(pf_model_apply(r->w.m, &r->plan, fail_at, &said) < 0);
	CHECK(said.kind == ERR_SYS);
	check_packets(r, false);
	if (stood)
		CHECK(has_none(&r->w, &opened));
	CHECK(has_both(&r->w, &r->beside));
	if (fail_at > 1)
		return;
	for (size_t i = 0; i < r->n; i++)
		CHECK(has_both(&r->w, &r->v[i]));
}

/* --- rounds --------------------------------------------------------------- */

/* Often a small change, as most updates are. */
static void
two_lists(struct gen_lists *a, struct gen_lists *b)
{
	gen_lists(a);
	gen_lists(b);
	if (gen_below(3) == 0)
		return;
	*b = *a;
	switch (gen_below(4)) {
	case 0:
		gen_entry(b->allow[gen_below(GEN_ENTRIES)]);
		break;
	case 1:
		gen_entry(b->deny[gen_below(GEN_ENTRIES)]);
		break;
	case 2:
		b->nallow = gen_below(GEN_ENTRIES - 2);
		break;
	default:
		b->nports = gen_ports(b->ports);
		break;
	}
}

/* Little is left, so that a few selectors say all that is revoked. */
static int
narrow_site(struct np_site *s, struct err *e)
{
	static const struct np_prefix all[] = { { 0, NP_V4, 0 },
		{ 0, NP_V6, 0 } };

	np_site_init(s);
	for (size_t i = 0; i < countof(all); i++)
		if (np_site_deny(s, &all[i], 1, e) < 0)
			return -1;
	for (uint32_t i = 1 + gen_below(2); i > 0; i--) {
		struct np_prefix p = gen_prefix();

		if (np_site_carve(s, &p, e) < 0)
			return -1;
	}
	return 0;
}

static void
prepare(struct round *r, const struct np_reach *open, struct err *e)
{
	struct gen_lists a, b;
	unsigned closed = gen_below(12);

	*r = (struct round){ .from_closed = closed == 0,
		.to_closed = closed == 1 };
	two_lists(&a, &b);
	CHECK((gen_below(2) ? gen_site : narrow_site)(&r->site, e) == 0);
	CHECK(gen_make(&a, &r->site, &r->old, e) == 0);
	CHECK(gen_make(&b, &r->site, &r->new, e) == 0);
	CHECK(w_open(&r->w, w_slot(), 14 + gen_below(2), gen_below(4) != 0,
		  open, e) == 0);
	r->w.slot.reach = reach(&r->old, r->from_closed);
	CHECK(w_load(&r->w, &r->w.slot, &r->site, e) == 0);
	if (!r->from_closed)
		stand_some(r, e);
	stand_beside(r, e);
	CHECK(
	    pf_plan_make(&r->w.conf, &r->w.slot, reach(&r->old, r->from_closed),
		reach(&r->new, r->to_closed), &r->site, &r->plan, e) == 0);
	count(&r->plan.steps);
}

static void
finish(struct round *r)
{
	pf_plan_fini(&r->plan);
	w_close(&r->w);
	gen_unmake(&r->old);
	gen_unmake(&r->new);
	np_site_fini(&r->site);
}

static void
check_text(const struct pf_plan *p, struct err *e)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	CHECK(pf_plan_text(&b, p, e) == 0);
	CHECK(b.len > 0 && b.data[b.len - 1] == '\n');
	buf_fini(&b);
}

static void
one_round(const struct np_reach *open, struct err *e)
{
	static struct round r;

	prepare(&r, open, e);
	if (t_failed == 0 && r.plan.steps.n > 0 && gen_below(4) == 0) {
		run_back(&r, gen_below((uint32_t)r.plan.steps.n), e);
	} else if (t_failed == 0) {
		run_plan(&r, e);
		check_states(&r, e);
		check_text(&r.plan, e);
	}
	finish(&r);
}

/* 10,000 single holes are more than pf takes in one request. */
static void
test_too_big(struct err *e)
{
	struct np_policy p;
	struct np_site site;
	struct gen_made m = { 0 };
	struct pf_conf conf;
	struct pf_slot slot;
	struct pf_plan plan;
	char text[NP_ADDR_TEXT];

	np_policy_init(&p);
	np_site_init(&site);
	for (uint32_t i = 0; i < NP_LIST_MAX; i++) {
		struct np_addr a = { 0x14000000 + (np_u128)i * 36893 + 1,
			NP_V4 };

		CHECK(np_policy_deny(&p, np_addr_text(a, text), i, e) == 0);
	}
	CHECK(np_lower(&p, &site, &m.ir, e) == 0);
	CHECK(np_reach_make(&m.ir, true, &m.reach, e) == 0);
	pf_conf_default(&conf);
	pf_slot_default(1, &slot);
	CHECK(pf_plan_make(&conf, &slot, NULL, &m.reach, &site, &plan, e) < 0);
	CHECK(e->kind == ERR_TOOBIG && plan.steps.n == 0 && plan.undo.n == 0);
	np_policy_fini(&p);
	gen_unmake(&m);
}

/* Its address may lie in what is revoked, and its flows are none of that. */
static void
test_resolver_stays(const struct np_reach *open, struct err *e)
{
	struct np_prefix hole;
	struct np_policy none, all;
	static struct round r;

	r = (struct round){ .n = 0 };
	np_policy_init(&none);
	np_policy_init(&all);
	np_site_init(&r.site);
	CHECK(np_prefix_parse("fd77::/64", &hole) == 0);
	CHECK(np_site_builtin(&r.site, e) == 0);
	CHECK(np_site_carve(&r.site, &hole, e) == 0);
	CHECK(np_policy_deny(&none, "fd77::/64", 0, e) == 0);
	CHECK(np_lower(&all, &r.site, &r.old.ir, e) == 0);
	CHECK(np_lower(&none, &r.site, &r.new.ir, e) == 0);
	CHECK(np_reach_make(&r.old.ir, true, &r.old.reach, e) == 0);
	CHECK(np_reach_make(&r.new.ir, true, &r.new.reach, e) == 0);
	CHECK(w_open(&r.w, 9, 15, true, open, e) == 0);
	r.w.slot.reach = &r.old.reach;
	CHECK(w_load(&r.w, &r.w.slot, &r.site, e) == 0);
	r.v[0] =
	    (struct standing){ .flow = { r.w.conf.resolver6, 53, IPPROTO_UDP },
		    .names = true };
	r.v[0].p = w_packet(&r.w, &r.v[0].flow, 2000);
	CHECK(stand(&r.w, &r.v[0], e));
	CHECK(pf_plan_make(&r.w.conf, &r.w.slot, &r.old.reach, &r.new.reach,
		  &r.site, &r.plan, e) == 0);
	CHECK(r.plan.steps.n == 3);
	CHECK(pf_model_apply(r.w.m, &r.plan, SIZE_MAX, e) == 0);
	CHECK(has_both(&r.w, &r.v[0]));
	np_policy_fini(&none);
	np_policy_fini(&all);
	finish(&r);
}

int
main(void)
{
	struct err e = { 0 };
	struct gen_made open = { 0 };
	struct np_site site;

	w_begin(23, &site, &open, &e);
	test_too_big(&e);
	test_resolver_stays(&open.reach, &e);
	for (int round = 0; round < ROUNDS && t_failed == 0; round++) {
		one_round(&open.reach, &e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	printf("# SEED=%llu: tables %lu, anchors %lu, by selectors %lu, by "
	       "judging %lu; flows kept %lu, cut %lu, late %lu\n",
	    (unsigned long long)gen_seed, tables, anchors, selected, judged,
	    kept, cut, late);
	if (t_failed == 0) {
		CHECK(tables > 50 && anchors > 50);
		CHECK(selected > 50 && judged > 50);
		CHECK(kept > 500 && cut > 500 && late > 100);
	}
	gen_unmake(&open);
	np_site_fini(&site);
	return t_end();
}
