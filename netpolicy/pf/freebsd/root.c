/* root.c - does the operator's rule set call our anchors as it must? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pf/freebsd/verify.h"

enum { ROOT_MAX = 64 * 1024 };

/* Calls are told apart by what the parser keeps of them. */
static bool
same(const struct pfm_rule *a, const struct pfm_rule *b)
{
	struct pfm_rule x = *a, y = *b;

	/* Tickets of counters: the operator may name his own. */
	if (x.action == PFM_ANCHOR_CALL || x.action == PFM_RDR_ANCHOR_CALL ||
	    x.action == PFM_NAT)
		x.label[0] = y.label[0] = '\0';
	return pfm_rule_same(&x, &y);
}

/* Where it stands behind `from`; n: nowhere. */
static size_t
find(const struct pfm_rules *in, size_t from, const struct pfm_rule *want)
{
	for (size_t i = from; i < in->n; i++)
		if (same(&in->v[i], want))
			return i;
	return in->n;
}

static int
look(const struct pfm_rules *is, const struct pfm_rules *want, bool ordered,
    struct buf *missing)
{
	char text[PFM_RULE_TEXT];
	size_t at = 0;
	int n = 0;

	for (size_t i = 0; i < want->n; i++) {
		size_t found = find(is, ordered ? at : 0, &want->v[i]);

		if (found < is->n) {
			at = found + 1;
			continue;
		}
		n++;
		(void)buf_printf(
		    missing, "%s\n", pfm_rule_text(&want->v[i], text));
	}
	return n;
}

/* Could it have the last word about a packet of a sandbox before we do? */
static uint32_t
count_before(const struct pfm_rules *is, const struct pfm_rule *first)
{
	size_t end = find(is, 0, first);
	uint32_t n = 0;

	for (size_t i = 0; i < end && end < is->n; i++) {
		const struct pfm_rule *r = &is->v[i];

		n +=
		    r->quick && r->dir != PFM_OUT &&
		    (r->ifname[0] == '\0' || strncmp(r->ifname, "cop", 3) == 0);
	}
	return n;
}

int
pf_root_missing(const struct pf_found *root, const struct pf_conf *c,
    struct buf *missing, uint32_t *before, struct err *e)
{
	struct pfm_ruleset want;
	struct buf text;
	int n = -1;

	*before = 0;
	buf_init(&text, ROOT_MAX);
	if (pf_emit_root(&text, c, e) == 0 &&
	    pfm_parse(
		text.data, text.len, "", PFM_ROOT, c->freebsd, &want, e) == 0) {
		n = look(&root->rs.nat, &want.nat, false, missing);
		n += look(&root->rs.rdr, &want.rdr, false, missing);
		n += look(&root->rs.filter, &want.filter, true, missing);
		if (want.filter.n > 0)
			*before =
			    count_before(&root->rs.filter, &want.filter.v[0]);
		pfm_ruleset_fini(&want);
	}
	buf_fini(&text);
	return n;
}

void
pf_root_uplink(const struct pf_found *root, char to[PFM_IF])
{
	const struct pfm_rules *v = &root->rs.filter;

	to[0] = '\0';
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].action == PFM_PASS && v->v[i].dir == PFM_OUT &&
		    strcmp(v->v[i].tagged, "COPPICE") == 0 &&
		    !v->v[i].not_tagged)
			memcpy(to, v->v[i].ifname, PFM_IF);
}
