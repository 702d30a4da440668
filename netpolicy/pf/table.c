/* table.c - pf's tables: sets of prefixes, the most specific decides. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pf/rules.h"

int
pfm_table_add(struct pfm_table *t, const struct pfm_entry *entry, struct err *e)
{
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 64 : t->cap * 2;
		struct pfm_entry *v = realloc(t->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu addresses", cap);
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = *entry;
	return 0;
}

static int
compare(const struct np_prefix *x, const struct np_prefix *y)
{
	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int
by_length(const void *a, const void *b)
{
	const struct pfm_entry *x = a, *y = b;

	return compare(&x->prefix, &y->prefix);
}

int
pfm_table_sort(struct pfm_table *t, struct err *e)
{
	char text[NP_PREFIX_TEXT];

	if (t->n > 0)
		qsort(t->v, t->n, sizeof(*t->v), by_length);
	for (size_t i = 1; i < t->n; i++)
		if (by_length(&t->v[i - 1], &t->v[i]) == 0)
			return err_set(e, ERR_INVALID,
			    "table <%s> holds %s twice", t->name,
			    np_prefix_text(&t->v[i].prefix, text));
	return 0;
}

void
pfm_table_fini(struct pfm_table *t)
{
	free(t->v);
	*t = (struct pfm_table){ 0 };
}

/* The first entry that does not come before p. */
static size_t
lower(const struct pfm_table *t, const struct np_prefix *p)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(&t->v[mid].prefix, p) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static np_u128
masked(struct np_addr a, unsigned len)
{
	unsigned bits = a.family == NP_V4 ? 32 : 128;

	return len == bits ? a.n : a.n & ~(np_last(a.family) >> len);
}

bool
pfm_table_has(const struct pfm_table *t, struct np_addr a)
{
	/* From behind all of its family; each search names the next length */
	struct np_prefix p = { np_last(a.family), a.family, UINT8_MAX };

	for (;;) {
		size_t i = lower(t, &p);

		if (i == 0 || t->v[i - 1].prefix.family != a.family)
			return false;
		p.len = t->v[i - 1].prefix.len;
		p.addr = masked(a, p.len);
		i = lower(t, &p);
		if (i < t->n && compare(&t->v[i].prefix, &p) == 0)
			return !t->v[i].not ;
		p.addr = 0; /* on to the shorter ones */
	}
}

const struct pfm_table *
pfm_table_find(const struct pfm_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->ntables; i++)
		if (strcmp(rs->tables[i].name, name) == 0)
			return &rs->tables[i];
	return NULL;
}
