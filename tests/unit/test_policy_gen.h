/*
 * test_policy_gen.h - random policies and flows that meet one another often:
 * few distinct addresses, all lengths, both ends of each family.
 * SEED=n in the environment repeats a run; a failing one prints its own.
 */
#ifndef TEST_POLICY_GEN_H
#define TEST_POLICY_GEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir.h"

/* Ranges and classes; origins may differ. */
static inline bool
same_ok(const struct np_ok *a, const struct np_ok *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].range.lo != b->v[i].range.lo ||
		    a->v[i].range.hi != b->v[i].range.hi ||
		    a->v[i].class != b->v[i].class)
			return false;
	return true;
}

static uint64_t gen_seed, gen_state;

static inline uint64_t
gen_rnd(void)
{
	gen_state ^= gen_state << 13;
	gen_state ^= gen_state >> 7;
	gen_state ^= gen_state << 17;
	return gen_state;
}

static inline uint32_t
gen_below(uint32_t n)
{
	return (uint32_t)(gen_rnd() >> 16) % n;
}

static inline void
gen_start(uint64_t fallback)
{
	const char *s = getenv("SEED");

	gen_seed = s == NULL ? fallback : strtoull(s, NULL, 0);
	gen_state = gen_seed * 2654435761u + 88172645463325252u;
	for (int i = 0; i < 8; i++)
		(void)gen_rnd();
}

static inline struct np_addr
gen_addr(void)
{
	static const uint8_t tops[] = { 1, 8, 9, 11, 127, 128, 192, 223, 239,
		255 };
	static const uint16_t six[] = { 0x2000, 0x2001, 0x2600, 0x2fff, 0x3fff,
		0xfd77, 0xff02, 0xffff, 0x0064 };
	static const uint8_t lows[] = { 0, 1, 2, 127, 128, 254, 255 };
	struct np_addr a = { 0, gen_below(3) == 0 ? NP_V6 : NP_V4 };

	if (a.family == NP_V4) {
		a.n = (np_u128)tops[gen_below(sizeof(tops))] << 24;
		for (int shift = 16; shift >= 0; shift -= 8)
			a.n |= (np_u128)lows[gen_below(sizeof(lows))] << shift;
		return a;
	}
	a.n = (np_u128)six[gen_below(sizeof(six) / sizeof(six[0]))] << 112;
	for (int shift = 104; shift >= 0; shift -= 8)
		if (gen_below(4) == 0)
			a.n |= (np_u128)lows[gen_below(sizeof(lows))] << shift;
	return a;
}

static inline struct np_prefix
gen_prefix(void)
{
	struct np_addr a = gen_addr();
	uint32_t bits = a.family == NP_V4 ? 32 : 128;
	struct np_prefix p = { a.n, a.family, 0 };

	p.len = (uint8_t)(gen_below(4) == 0 ? bits : 1 + gen_below(bits));
	if (p.len < bits)
		p.addr &= ~(np_last(a.family) >> p.len);
	return p;
}

/* What a client would write; host bits and all. */
static inline const char *
gen_entry(char to[NP_PREFIX_TEXT])
{
	struct np_addr a;
	char text[NP_ADDR_TEXT];

	if (gen_below(12) == 0) {
		(void)snprintf(to, NP_PREFIX_TEXT, "0.0.0.0/0");
		return to;
	}
	a = gen_addr();
	np_addr_text(a, text);
	if (gen_below(4) == 0)
		(void)snprintf(to, NP_PREFIX_TEXT, "%s", text);
	else
		(void)snprintf(to, NP_PREFIX_TEXT, "%s/%u", text,
		    1 + gen_below(a.family == NP_V4 ? 32 : 128));
	return to;
}

enum { GEN_ENTRIES = 12, GEN_PORTS = 6 };

struct gen_lists {
	char allow[GEN_ENTRIES][NP_PREFIX_TEXT];
	char deny[GEN_ENTRIES][NP_PREFIX_TEXT];
	uint32_t nallow, ndeny, nports;
	struct np_port ports[GEN_PORTS];
	bool no_internet;
};

/* Few distinct ports, both ends, ranges that overlap. */
static inline uint16_t
gen_port(void)
{
	static const uint16_t some[] = { 1, 22, 25, 53, 80, 443, 1023, 1024,
		8000, 8080, 65534, 65535 };

	return some[gen_below(sizeof(some) / sizeof(some[0]))];
}

static inline uint8_t
gen_proto(void)
{
	static const uint8_t some[] = { 0, 1, 5, 6, 6, 6, 7, 16, 17, 17, 18, 47,
		132, 255 };

	return some[gen_below(sizeof(some))];
}

static inline bool
gen_clash(const struct np_port *v, uint32_t n, const struct np_port *p)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i].proto == p->proto && v[i].deny != p->deny &&
		    v[i].lo <= p->hi && p->lo <= v[i].hi)
			return true;
	return false;
}

/* Half of all policies have none. */
static inline uint32_t
gen_ports(struct np_port v[GEN_PORTS])
{
	uint32_t n = 0, tries = gen_below(2) * gen_below(GEN_PORTS + 1);

	for (uint32_t i = 0; i < tries; i++) {
		uint16_t a = gen_port(), b = gen_below(2) ? gen_port() : a;
		struct np_port p = { a < b ? a : b, a < b ? b : a,
			gen_below(2) ? 6 : 17, gen_below(2) != 0, n };

		if (!gen_clash(v, n, &p))
			v[n++] = p;
	}
	return n;
}

static inline void
gen_lists(struct gen_lists *l)
{
	l->nallow = gen_below(GEN_ENTRIES - 2);
	l->ndeny = gen_below(GEN_ENTRIES - 2);
	l->no_internet = gen_below(8) == 0;
	l->nports = gen_ports(l->ports);
	for (uint32_t i = 0; i < GEN_ENTRIES; i++) {
		gen_entry(l->allow[i]);
		gen_entry(l->deny[i]);
	}
}

/* The built-in ranges, more denied ones, and holes. */
static inline int
gen_site(struct np_site *s, struct err *e)
{
	np_site_init(s);
	if (np_site_builtin(s, e) < 0)
		return -1;
	for (uint32_t i = gen_below(4); i > 0; i--) {
		struct np_prefix p = gen_prefix();
		int rc = gen_below(2) == 0 ? np_site_deny(s, &p, i, e)
					   : np_site_carve(s, &p, e);

		if (rc < 0)
			return -1;
	}
	return 0;
}

static inline int
gen_policy(const struct gen_lists *l, struct np_policy *p, struct err *e)
{
	np_policy_init(p);
	for (uint32_t i = 0; i < l->nallow; i++)
		if (np_policy_allow(p, l->allow[i], i, e) < 0)
			return -1;
	for (uint32_t i = 0; i < l->ndeny; i++)
		if (np_policy_deny(p, l->deny[i], i, e) < 0)
			return -1;
	for (uint32_t i = 0; i < l->nports; i++)
		if (np_policy_port(p, &l->ports[i], e) < 0)
			return -1;
	p->no_internet = l->no_internet;
	return np_policy_finish(p, e);
}

/* A policy, all the way. */
struct gen_made {
	struct np_policy policy;
	struct np_ir ir;
	struct np_reach reach;
};

static inline int
gen_make(const struct gen_lists *l, const struct np_site *s, struct gen_made *m,
    struct err *e)
{
	if (gen_policy(l, &m->policy, e) < 0)
		return -1;
	if (np_lower(&m->policy, s, &m->ir, e) < 0)
		return -1;
	return np_reach_make(&m->ir, true, &m->reach, e);
}

static inline void
gen_unmake(struct gen_made *m)
{
	np_policy_fini(&m->policy);
	np_ir_fini(&m->ir);
	np_reach_fini(&m->reach);
}

/* Where verdicts change: beside both ends of some rule; or anywhere. */
static inline struct np_addr
gen_to(const struct np_ir *ir)
{
	const struct np_rule *r = &ir->v[gen_below((uint32_t)ir->n)];
	struct np_addr a = { r->to.lo, r->family };

	switch (gen_below(5)) {
	case 0:
		return gen_addr();
	case 1:
		a.n = r->to.hi;
		break;
	case 2:
		a.n = r->to.lo - 1;
		break;
	case 3:
		a.n = r->to.hi + 1;
		break;
	default:
		break;
	}
	a.n &= np_last(a.family);
	return a;
}

static inline struct np_flow
gen_flow(const struct np_ir *ir)
{
	struct np_flow f = { .to = gen_to(ir), .proto = gen_proto() };

	if (f.proto == 6 || f.proto == 17)
		f.port = (uint16_t)(gen_port() + gen_below(3) - 1);
	return f;
}

static inline bool
gen_passes(const struct gen_made *m, const struct np_flow *f)
{
	return np_judge(&m->ir, f)->verdict == NP_PASS;
}

static inline bool
gen_ok_has(const struct gen_made *m, const struct np_flow *f)
{
	return np_reach_has(&m->reach, f);
}

#endif
