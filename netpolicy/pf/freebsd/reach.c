/* reach.c - from tables and rules back to what may be reached. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ok.h"
#include "pf/freebsd/verify.h"

enum { TEXT_MAX = 16 * 1024 * 1024 };

/* --- addresses ------------------------------------------------------------ */

static enum np_class
class_of(const char *table)
{
	for (int c = NP_WHOLE; c < NP_NCLASSES; c++)
		if (strcmp(pf_table_name((enum np_class)c), table) == 0)
			return (enum np_class)c;
	return NP_NCLASSES;
}

static int
by_range(const void *x, const void *y)
{
	const struct np_ok_range *a = x, *b = y;

	return a->range.lo < b->range.lo ? -1 : a->range.lo > b->range.lo;
}

static int
take_table(const struct pfm_table *t, enum np_class class, struct np_reach *out,
    struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct np_prefix *p = &t->v[i].prefix;
		struct np_ok_range r = { np_prefix_range(p),
			{ NP_SRC_DEFAULT, 0 }, class };

		if (np_ok_add(p->family == NP_V4 ? &out->ok4 : &out->ok6, &r,
			false, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * Each CIDR stays a range of its own: neighbours may have had two origins, and
 * were written as two.
 */
static void
sort(struct np_ok *ok)
{
	if (ok->n > 1)
		qsort(ok->v, ok->n, sizeof(*ok->v), by_range);
}

/* --- ports ---------------------------------------------------------------- */

static bool
is_about(const struct pfm_rule *r, enum pfm_action action, const char *table,
    uint8_t proto)
{
	return r->action == action && r->proto == proto &&
	       r->dst.kind == PFM_IN_TABLE && strcmp(r->dst.table, table) == 0;
}

static bool
has(const struct pf_found *f, enum pfm_action action, const char *table,
    uint8_t proto)
{
	for (size_t i = 0; i < f->rs.filter.n; i++)
		if (is_about(&f->rs.filter.v[i], action, table, proto))
			return true;
	return false;
}

static int
add_marked(const struct pf_found *f, const char *table, uint8_t proto,
    struct np_ports *out, struct err *e)
{
	for (size_t i = 0; i < f->rs.filter.n; i++) {
		const struct pfm_rule *r = &f->rs.filter.v[i];
		struct np_port_box b = { proto, proto, 0, UINT16_MAX };

		if (!is_about(r, PFM_MATCH, table, proto))
			continue;
		if (r->has_port) {
			b.lo = r->port_lo;
			b.hi = r->port_hi;
		}
		if (np_ports_add(out, b, e) < 0)
			return -1;
	}
	return 0;
}

static int
add_all(struct np_ports *out, uint8_t lo, uint8_t hi, struct err *e)
{
	return np_ports_add(
	    out, (struct np_port_box){ lo, hi, 0, UINT16_MAX }, e);
}

/* Of <but>: a protocol that no rule holds back passes whatever its port. */
static int
ports_but(const struct pf_found *f, struct np_ports *out, struct err *e)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	uint8_t next = 0;

	for (size_t i = 0; i < countof(protos); i++) {
		uint8_t p = protos[i];

		if (!has(f, PFM_BLOCK, "but", p))
			continue;
		if (add_all(out, next, p - 1, e) < 0 ||
		    add_marked(f, "but", p, out, e) < 0)
			return -1;
		next = p + 1;
	}
	return add_all(out, next, UINT8_MAX, e);
}

static int
read_ports(const struct pf_found *f, struct np_reach *out, struct err *e)
{
	if (pfm_table_find(&f->rs, "but") != NULL &&
	    ports_but(f, &out->ports[NP_BUT], e) < 0)
		return -1;
	if (pfm_table_find(&f->rs, "only") == NULL)
		return 0;
	if (add_marked(f, "only", IPPROTO_TCP, &out->ports[NP_ONLY], e) < 0)
		return -1;
	return add_marked(f, "only", IPPROTO_UDP, &out->ports[NP_ONLY], e);
}

/* --- the whole ------------------------------------------------------------ */

static void
nobody(struct pf_differences *d, const char *sentence)
{
	(void)d;
	(void)sentence;
}

/* What was found out would be written down as it was found. */
static int
is_whole(const struct pf_conf *c, const struct pf_slot *slot,
    const struct pf_found *f, const struct np_reach *reach, bool *whole,
    struct err *e)
{
	struct pf_differences d = { .say = nobody };
	struct pf_slot s = *slot;
	struct pfm_ruleset want;
	struct buf text;
	int rc;

	s.reach = reach;
	buf_init(&text, TEXT_MAX);
	rc = pf_emit_anchor(&text, c, &s, NULL, e);
	if (rc == 0)
		rc = pfm_parse(text.data, text.len, f->rs.name, PFM_CHILD,
		    c->freebsd, &want, e);
	buf_fini(&text);
	if (rc < 0)
		return -1;
	*whole = pf_compare(f, &want, &d) == 0;
	pfm_ruleset_fini(&want);
	return 0;
}

int
pf_reach_of(const struct pf_conf *c, const struct pf_slot *slot,
    const struct pf_found *f, struct np_reach *out, bool *whole, struct err *e)
{
	int rc = 0;

	*whole = false;
	np_reach_init(out);
	for (size_t i = 0; i < f->rs.ntables && rc == 0; i++) {
		const struct pfm_table *t = &f->rs.tables[i];
		enum np_class class = class_of(t->name);

		if (class != NP_NCLASSES)
			rc = take_table(t, class, out, e);
	}
	sort(&out->ok4);
	sort(&out->ok6);
	if (rc == 0)
		rc = read_ports(f, out, e);
	if (rc == 0)
		rc = is_whole(c, slot, f, out, whole, e);
	if (rc < 0)
		np_reach_fini(out);
	return rc;
}
