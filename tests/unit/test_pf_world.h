/*
 * test_pf_world.h - a FreeBSD host in the model: an uplink, the sandbox that
 * a test is about, and others beside it whose anchors let everything go.
 */
#ifndef TEST_PF_WORLD_H
#define TEST_PF_WORLD_H

#include <netinet/in.h>

#include "base/own.h"
#include "pf/apply.h"
#include "pf/emit.h"
#include "pf/model.h"
#include "t.h"
#include "test_policy_gen.h"

/* 203.0.113.5 and 2001:db8::5, which no built-in range denies */
#define W_OWN4 ((np_u128)0xcb007105)
#define W_OWN6 (((np_u128)0x20010db8 << 96) + 5)

struct world {
	struct pf_conf conf;
	struct pf_slot slot;
	struct pf_model *m;
	char names[4][PFM_IF];
	struct pfm_if ifs[6];
};

/* Of 16383; sb7, sb70 and sb700 begin alike. */
static inline uint32_t
w_slot(void)
{
	static const uint32_t some[] = { 1, 7, 70, 700, 16383 };

	return gen_below(2) ? some[gen_below(5)] : 1 + gen_below(16383);
}

/* The numbers to come, and what a policy without entries reaches. */
static inline void
w_begin(
    uint64_t seed, struct np_site *site, struct gen_made *open, struct err *e)
{
	struct gen_lists none = { .nallow = 0 };

	gen_start(seed);
	np_site_init(site);
	CHECK(np_site_builtin(site, e) == 0);
	CHECK(gen_make(&none, site, open, e) == 0);
}

static inline int
w_load(struct world *w, const struct pf_slot *s, const struct np_site *site,
    struct err *e)
{
	char name[PF_ANCHOR_NAME];
	struct pfm_text t = { pf_anchor_name(s->slot, name), NULL, 0 };
	struct buf b;
	int rc;

	buf_init(&b, 64 << 20);
	rc = pf_emit_anchor(&b, &w->conf, s, site, e);
	t.text = b.data;
	t.len = b.len;
	if (rc == 0)
		rc = pf_model_load(w->m, &t, e);
	buf_fini(&b);
	return rc;
}

static inline void
w_interfaces(struct world *w, const uint32_t others[3])
{
	struct np_addr none = { 0 };

	pf_if_name(w->slot.slot, w->names[0]);
	for (int i = 0; i < 3; i++)
		pf_if_name(others[i], w->names[i + 1]);
	for (int i = 0; i < 4; i++)
		w->ifs[i] =
		    (struct pfm_if){ w->names[i], "coppice", none, none };
	w->ifs[4] = (struct pfm_if){ "lo0", NULL, w->conf.resolver4,
		w->conf.resolver6 };
	w->ifs[5] = (struct pfm_if){ "vtnet0", "egress", { W_OWN4, NP_V4 },
		{ W_OWN6, NP_V6 } };
}

/* A model with the root rules and the others' anchors; slot's is missing. */
static inline int
w_open(struct world *w, uint32_t slot, unsigned freebsd, bool v6,
    const struct np_reach *others, struct err *e)
{
	const uint32_t beside[3] = { slot == 7 ? 8 : 7, slot == 70 ? 71 : 70,
		slot == 700 ? 701 : 700 };
	struct pfm_text root = { NULL, NULL, 0 };
	struct buf b;
	int rc;

	*w = (struct world){ .m = NULL };
	pf_conf_default(&w->conf);
	w->conf.freebsd = freebsd;
	w->conf.v6 = v6;
	pf_slot_default(slot, &w->slot);
	w_interfaces(w, beside);
	buf_init(&b, 1 << 16);
	rc = pf_emit_root(&b, &w->conf, e);
	root.text = b.data;
	root.len = b.len;
	if (rc == 0)
		rc = pf_model_new(
		    &w->m, freebsd, w->ifs, countof(w->ifs), &root, e);
	buf_fini(&b);
	for (int i = 0; rc == 0 && i < 3 && others != NULL; i++) {
		struct pf_slot s;

		pf_slot_default(beside[i], &s);
		s.reach = others;
		rc = w_load(w, &s, NULL, e);
	}
	return rc;
}

static inline void
w_close(struct world *w)
{
	pf_model_free(w->m);
	w->m = NULL;
}

/* What the sandbox sends to open a flow. */
static inline struct pfm_packet
w_packet(const struct world *w, const struct np_flow *f, uint16_t sport)
{
	struct pfm_packet p = { .ifname = w->names[0],
		.dir = PFM_IN,
		.src = f->to.family == NP_V4 ? w->slot.sb4 : w->slot.sb6,
		.dst = f->to,
		.proto = f->proto,
		.sport = sport,
		.dport = f->port };

	return p;
}

/* The same packet where it leaves. */
static inline struct pfm_packet
w_leaving(const struct pfm_packet *p, const struct pfm_judged *j)
{
	struct pfm_packet q = *p;

	q.ifname = "vtnet0";
	q.dir = PFM_OUT;
	q.src = j->src;
	q.dst = j->dst;
	q.sport = j->sport;
	q.dport = j->dport;
	memcpy(q.tag, j->tag, sizeof(q.tag));
	return q;
}

static inline bool
w_same(struct np_addr a, struct np_addr b)
{
	return a.family == b.family && a.n == b.n;
}

static inline bool
w_is_resolver(const struct world *w, struct np_addr a)
{
	return w_same(a, w->conf.resolver4) || w_same(a, w->conf.resolver6);
}

/* Addresses of the host that some rule has to know. */
static inline bool
w_is_own(const struct world *w, struct np_addr a)
{
	return w_is_resolver(w, a) ||
	       a.n == (a.family == NP_V4 ? W_OWN4 : W_OWN6);
}

static inline bool
w_asks_names(const struct world *w, const struct np_flow *f)
{
	return w_is_resolver(w, f->to) && f->port == 53 &&
	       (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP);
}

/* What pf is to say of a flow, by the compiler's own judgement. */
static inline bool
w_passes(
    const struct world *w, const struct gen_made *m, const struct np_flow *f)
{
	if (!w->conf.v6 && f->to.family == NP_V6)
		return false;
	if (w_asks_names(w, f))
		return true;
	return !w_is_own(w, f->to) && gen_passes(m, f);
}

#endif
