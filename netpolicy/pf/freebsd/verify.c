#include "pf/freebsd/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

static void PRINTF(2, 3) differ(struct pf_differences *d, const char *fmt, ...)
{
	char text[2 * PFM_RULE_TEXT + 128];
	va_list ap;

	if (d->n++ >= d->max)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->say(d, text);
}

/* --- rules ---------------------------------------------------------------- */

static void
compare_rules(const char *name, const struct pfm_rules *is,
    const struct pfm_rules *want, struct pf_differences *d)
{
	char a[PFM_RULE_TEXT], b[PFM_RULE_TEXT];
	size_t n = is->n > want->n ? is->n : want->n;

	for (size_t i = 0; i < n; i++) {
		const struct pfm_rule *x = i < is->n ? &is->v[i] : NULL;
		const struct pfm_rule *y = i < want->n ? &want->v[i] : NULL;

		if (x != NULL && y != NULL && pfm_rule_same(x, y))
			continue;
		if (x == NULL)
			differ(d, "%s: rule %zu is missing: %s", name, i + 1,
			    pfm_rule_text(y, b));
		else if (y == NULL)
			differ(d, "%s: rule %zu is not ours: %s", name, i + 1,
			    pfm_rule_text(x, a));
		else
			differ(d,
			    "%s: rule %zu is not as we make it: %s; "
			    "and not %s",
			    name, i + 1, pfm_rule_text(x, a),
			    pfm_rule_text(y, b));
		if (is->n != want->n)
			return; /* all behind it are shifted */
	}
}

/* --- tables --------------------------------------------------------------- */

static int
by_entry(const struct pfm_entry *a, const struct pfm_entry *b)
{
	const struct np_prefix *x = &a->prefix, *y = &b->prefix;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return 0;
}

/* Both are sorted the same way. */
static void
compare_table(const char *name, const struct pfm_table *is,
    const struct pfm_table *want, struct pf_differences *d)
{
	char text[NP_PREFIX_TEXT];
	size_t i = 0, k = 0;

	while (i < is->n || k < want->n) {
		int c = i == is->n     ? 1
			: k == want->n ? -1
				       : by_entry(&is->v[i], &want->v[k]);

		if (c < 0)
			differ(d, "%s: table <%s> has %s, which is not ours",
			    name, is->name,
			    np_prefix_text(&is->v[i].prefix, text));
		else if (c > 0)
			differ(d, "%s: table <%s> lacks %s", name, is->name,
			    np_prefix_text(&want->v[k].prefix, text));
		i += c <= 0;
		k += c >= 0;
	}
}

static void
compare_tables(const struct pfm_ruleset *is, const struct pfm_ruleset *want,
    struct pf_differences *d)
{
	for (size_t i = 0; i < is->ntables; i++) {
		const struct pfm_table *t = &is->tables[i];
		const struct pfm_table *w = pfm_table_find(want, t->name);

		if (w == NULL)
			differ(
			    d, "%s: table <%s> is not ours", is->name, t->name);
		else
			compare_table(is->name, t, w, d);
	}
	for (size_t i = 0; i < want->ntables; i++)
		if (pfm_table_find(is, want->tables[i].name) == NULL)
			differ(d, "%s: table <%s> is missing", is->name,
			    want->tables[i].name);
}

int
pf_compare(const struct pf_found *is, const struct pfm_ruleset *want,
    struct pf_differences *d)
{
	d->n = 0;
	if (is->odd)
		differ(d, "%s: %s", is->rs.name, is->why);
	compare_rules(is->rs.name, &is->rs.rdr, &want->rdr, d);
	compare_rules(is->rs.name, &is->rs.filter, &want->filter, d);
	compare_tables(&is->rs, want, d);
	return d->n;
}

int
pf_verify(struct pf_dev *d, const char *anchor, const char *text, size_t len,
    unsigned freebsd, struct pf_differences *say, struct err *e)
{
	struct pfm_ruleset want;
	struct pf_found is;
	int n = -1;

	if (pfm_parse(text, len, anchor, PFM_CHILD, freebsd, &want, e) < 0)
		return -1;
	if (pf_read(d, anchor, &is, e) == 0) {
		n = pf_compare(&is, &want, say);
		pf_found_fini(&is);
	}
	pfm_ruleset_fini(&want);
	return n;
}
