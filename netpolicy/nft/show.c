#include "nft/show.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "nft/lists.h"
#include "ok.h"

enum { SLOT_MAX = 16383, TEXT_MAX = 1024 * 1024, SENTENCE = 700 };

/* --- names and numbers ------------------------------------------------------
 */

/* sbN and the rest behind it, "" or "_ok4"; NULL: another name. */
static const char *
slot_in(const char *name, uint32_t *slot)
{
	char *end;
	unsigned long n;

	if (strncmp(name, "sb", 2) != 0 || name[2] < '1' || name[2] > '9')
		return NULL;
	n = strtoul(name + 2, &end, 10);
	if (n > SLOT_MAX || (*end != '\0' && *end != '_'))
		return NULL;
	*slot = (uint32_t)n;
	return end;
}

/* 0x00000101; -1: no number, or another one behind it. */
static int
take_hex(const char *s, uint32_t *out)
{
	char *end;
	unsigned long long n;

	if (s == NULL || strncmp(s, "0x", 2) != 0)
		return -1;
	n = strtoull(s, &end, 16);
	if ((*end != '\0' && *end != ' ') || n > UINT32_MAX)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

/* 0:203; nft has words for two of them. */
static int
take_id(const char *s, size_t len, uint32_t *out)
{
	char text[16];
	unsigned hi, lo;
	int n = 0;

	if (len >= sizeof(text))
		return -1;
	memcpy(text, s, len);
	text[len] = '\0';
	if (strcmp(text, "root") == 0) {
		*out = UINT32_MAX;
		return 0;
	}
	if (sscanf(text, "%4x:%4x%n", &hi, &lo, &n) != 2 || text[n] != '\0')
		return -1;
	*out = hi << 16 | lo;
	return *out == 0 ? -1 : 0;
}

static int
take_range(const char *s, enum np_family f, struct np_range *out)
{
	const char *dash = strchr(s, '-');
	char first[NP_ADDR_TEXT];
	struct np_prefix p;
	struct np_addr a, b;

	if (dash == NULL) {
		if (np_prefix_parse(s, &p) < 0 || p.family != f)
			return -1;
		*out = np_prefix_range(&p);
		return 0;
	}
	if ((size_t)(dash - s) >= sizeof(first))
		return -1;
	memcpy(first, s, (size_t)(dash - s));
	first[dash - s] = '\0';
	if (np_addr_parse(first, &a) < 0 || np_addr_parse(dash + 1, &b) < 0 ||
	    a.family != f || b.family != f || a.n > b.n)
		return -1;
	*out = (struct np_range){ a.n, b.n };
	return 0;
}

/* 443 or 8000-8100 */
static int
take_ports(const char *s, uint16_t *lo, uint16_t *hi)
{
	unsigned a, b;
	int n = 0;

	if (sscanf(s, "%5u-%5u%n", &a, &b, &n) == 2 && s[n] == '\0')
		;
	else if (sscanf(s, "%5u%n", &a, &n) == 1 && s[n] == '\0')
		b = a;
	else
		return -1;
	if (a > b || b > UINT16_MAX)
		return -1;
	*lo = (uint16_t)a;
	*hi = (uint16_t)b;
	return 0;
}

/* --- one slot ---------------------------------------------------------------
 */

static const struct nft_text_thing *
of_slot(const struct nft_text *t, uint32_t slot, const char *what)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "sb%u%s", slot, what);
	return nft_text_find(t, name);
}

static int
strange(const char *what, const struct nft_text_thing *x,
    const struct nft_text_elem *el, struct err *e)
{
	return err_set(
	    e, ERR_INVALID, "%.40s: %.80s is not %s", x->name, el->key, what);
}

static int
add_why(struct nft_shown *s, const char *text, uint32_t *item, struct err *e)
{
	if (s->nwhy == s->why_cap) {
		size_t cap = s->why_cap == 0 ? 64 : s->why_cap * 2;
		void *p = realloc(s->why, cap * sizeof(*s->why));

		if (p == NULL)
			return err_sys(e, "table");
		s->why = p;
		s->why_cap = cap;
	}
	*item = (uint32_t)s->nwhy;
	s->why[s->nwhy++] = text == NULL ? "" : text;
	return 0;
}

static int
take_set(struct nft_shown *s, const struct nft_text_thing *x, struct np_ok *to,
    bool map, struct err *e)
{
	for (size_t i = 0; x != NULL && i < x->nelems; i++) {
		const struct nft_text_elem *el = &x->elems[i];
		struct np_ok_range r = { .class = NP_WHOLE };
		uint32_t id = 0;

		if (take_range(el->key, to->family, &r.range) < 0)
			return strange("a range of addresses", x, el, e);
		if (map && (el->value == NULL ||
			       take_id(el->value, strlen(el->value), &id) < 0))
			return strange("mapped to a class", x, el, e);
		r.class = nft_take_id(id, s->ids, &s->odd);
		if (add_why(s, el->comment, &r.origin.item, e) < 0 ||
		    np_ok_add(to, &r, false, e) < 0)
			return -1;
	}
	return 0;
}

static int
take_family(const struct nft_text *t, struct nft_shown *s, struct np_ok *ok,
    struct err *e)
{
	const bool v4 = ok->family == NP_V4;
	struct np_ok some = { .family = ok->family };
	int rc = -1;

	if (take_set(s, of_slot(t, s->slot, v4 ? "_ok4" : "_ok6"), ok, false,
		e) == 0 &&
	    take_set(s, of_slot(t, s->slot, v4 ? "_some4" : "_some6"), &some,
		true, e) == 0)
		rc = nft_join_some(ok, &some, &s->odd, e);
	np_ok_fini(&some);
	return rc;
}

/* 0:203 . 8000-8100 */
static int
take_list(const struct nft_text_thing *x, struct nft_port_elems *to, bool whole,
    struct err *e)
{
	for (size_t i = 0; x != NULL && i < x->nelems; i++) {
		const struct nft_text_elem *el = &x->elems[i];
		const char *dot = strstr(el->key, " . ");
		struct nft_port_elem p = { .lo = 0 };
		size_t len =
		    dot == NULL ? strlen(el->key) : (size_t)(dot - el->key);

		if (take_id(el->key, len, &p.id) < 0 ||
		    whole != (dot == NULL) ||
		    (!whole && take_ports(dot + 3, &p.lo, &p.hi) < 0))
			return strange(
			    whole ? "a class" : "a class and ports", x, el, e);
		if (nft_port_elems_add(to, p, e) < 0)
			return -1;
	}
	return 0;
}

static int
take_lists(const struct nft_text *t, struct nft_shown *s, struct err *e)
{
	struct nft_lists l = { 0 };
	int rc = -1;

	if (take_list(of_slot(t, s->slot, "_tcp"), &l.tcp, false, e) == 0 &&
	    take_list(of_slot(t, s->slot, "_udp"), &l.udp, false, e) == 0 &&
	    take_list(of_slot(t, s->slot, "_rest"), &l.rest, true, e) == 0)
		rc = nft_lists_make(&l, s->ids, &s->odd, s->reach.ports, e);
	nft_lists_fini(&l);
	return rc;
}

static void
take_birth(struct nft_shown *s)
{
	static const char words[] = "ct mark < ";
	const char *at = NULL;

	if (s->chain->nrules > 0)
		at = strstr(s->chain->rules[0].text, words);
	if (at != NULL)
		(void)take_hex(at + strlen(words), &s->birth);
}

static int
take_gen(const struct nft_text *t, struct nft_shown *s, struct err *e)
{
	const struct nft_text_thing *gen = nft_text_find(t, "gen");
	char key[32];

	(void)snprintf(key, sizeof(key), "cop%u", s->slot);
	for (size_t i = 0; gen != NULL && i < gen->nelems; i++) {
		const struct nft_text_elem *el = &gen->elems[i];

		if (strcmp(el->key, key) != 0)
			continue;
		if (take_hex(el->value, &s->gen) < 0)
			return strange("mapped to a generation", gen, el, e);
	}
	return 0;
}

void
nft_shown_fini(struct nft_shown *s)
{
	np_reach_fini(&s->reach);
	free(s->why);
	s->why = NULL;
	s->nwhy = s->why_cap = 0;
}

int
nft_show_slot(const struct nft_text *t, uint32_t slot, struct nft_shown *out,
    struct err *e)
{
	struct nft_shown s = { .slot = slot };

	*out = s;
	np_reach_init(&s.reach);
	np_reach_init(&out->reach);
	s.chain = of_slot(t, slot, "");
	if (s.chain == NULL || strcmp(s.chain->kind, "chain") != 0)
		return err_set(
		    e, ERR_INVALID, "slot %u is not in the table", slot);
	s.ports = of_slot(t, slot, "_some4") != NULL;
	take_birth(&s);
	if (take_gen(t, &s, e) < 0 || take_family(t, &s, &s.reach.ok4, e) < 0 ||
	    take_family(t, &s, &s.reach.ok6, e) < 0 ||
	    take_lists(t, &s, e) < 0) {
		nft_shown_fini(&s);
		return -1;
	}
	if (s.odd)
		nft_keep_whole(&s.reach, s.ids);
	*out = s;
	return 0;
}

int
nft_show_slots(const struct nft_text *t, uint32_t **v, size_t *n, struct err *e)
{
	uint32_t *slots = calloc(t->n + 1, sizeof(*slots));

	*v = NULL;
	*n = 0;
	if (slots == NULL)
		return err_sys(e, "slots");
	for (size_t i = 0; i < t->n; i++) {
		const char *rest = slot_in(t->v[i].name, &slots[*n]);

		if (strcmp(t->v[i].kind, "chain") == 0 && rest != NULL &&
		    *rest == '\0')
			(*n)++;
	}
	*v = slots;
	return 0;
}

/* --- is it ours? ------------------------------------------------------------
 */

struct comparing {
	const struct nft_text *is, *want;
	const struct nft_shown *s;
	struct nft_differ *d;
};

static void PRINTF(2, 3) say(const struct comparing *c, const char *fmt, ...)
{
	char text[SENTENCE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->d->on(c->d, text);
}

static void
compare_rules(const struct comparing *c, const struct nft_text_thing *is,
    const struct nft_text_thing *want)
{
	for (size_t i = 0; i < is->nrules || i < want->nrules; i++) {
		const char *a = i < is->nrules ? is->rules[i].text : NULL;
		const char *b = i < want->nrules ? want->rules[i].text : NULL;

		if (a != NULL && b != NULL && strcmp(a, b) == 0)
			continue;
		if (b == NULL)
			say(c, "%.40s %.40s, line %zu: `%.250s` is too much",
			    is->kind, is->name, i + 1, a);
		else if (a == NULL)
			say(c, "%.40s %.40s, line %zu: `%.250s` is missing",
			    is->kind, is->name, i + 1, b);
		else
			say(c,
			    "%.40s %.40s, line %zu: `%.250s` instead of "
			    "`%.250s`",
			    is->kind, is->name, i + 1, a, b);
		return; /* the lines behind it follow from this one */
	}
}

static bool
has_elem(const struct nft_text_thing *x, const struct nft_text_elem *el)
{
	for (size_t i = 0; i < x->nelems; i++) {
		const char *v = x->elems[i].value;

		if (strcmp(x->elems[i].key, el->key) == 0 &&
		    (v == NULL) == (el->value == NULL) &&
		    (v == NULL || strcmp(v, el->value) == 0))
			return true;
	}
	return false;
}

/* What the slot has in the sets of all: who it is, and that it is judged. */
static void
compare_elems(const struct comparing *c, const struct nft_text_thing *is,
    const struct nft_text_thing *want)
{
	uint32_t slot;

	if (slot_in(want->name, &slot) != NULL)
		return;
	for (size_t i = 0; i < want->nelems; i++)
		if (!has_elem(is, &want->elems[i]))
			say(c, "%.40s %.40s: no element %.100s%s%.60s",
			    is->kind, is->name, want->elems[i].key,
			    want->elems[i].value == NULL ? "" : " : ",
			    want->elems[i].value == NULL
				? ""
				: want->elems[i].value);
}

/* Marks that pass belong to some slot's generation. */
static void
compare_live(const struct comparing *c)
{
	const struct nft_text_thing *live = nft_text_find(c->is, "live");
	const struct nft_text_thing *gen = nft_text_find(c->is, "gen");

	for (size_t i = 0; live != NULL && gen != NULL && i < live->nelems;
	     i++) {
		const char *mark = live->elems[i].key;
		size_t k = 0;

		while (k < gen->nelems &&
		       (gen->elems[k].value == NULL ||
			   strcmp(gen->elems[k].value, mark) != 0))
			k++;
		if (k == gen->nelems)
			say(c, "set live: %.40s is no slot's generation", mark);
	}
}

static void
compare_things(const struct comparing *c)
{
	uint32_t slot;

	for (size_t i = 0; i < c->want->n; i++) {
		const struct nft_text_thing *want = &c->want->v[i];
		const struct nft_text_thing *is =
		    nft_text_find(c->is, want->name);

		if (is == NULL || strcmp(is->kind, want->kind) != 0) {
			say(c, "there is no %.40s %.40s", want->kind,
			    want->name);
			continue;
		}
		compare_rules(c, is, want);
		compare_elems(c, is, want);
	}
	for (size_t i = 0; i < c->is->n; i++) {
		const struct nft_text_thing *is = &c->is->v[i];

		if (slot_in(is->name, &slot) != NULL && slot != c->s->slot)
			continue;
		if (nft_text_find(c->want, is->name) == NULL)
			say(c, "%.40s %.200s is not ours", is->kind, is->name);
	}
}

int
nft_show_compare(const struct nft_text *t, const struct nft_conf *c,
    const struct nft_shown *s, struct nft_differ *d, struct err *e)
{
	struct nft_text want = { 0 };
	struct comparing x = { t, &want, s, d };
	struct nft_slot slot;
	struct buf b;
	int rc = -1;

	nft_slot_default(s->slot, &slot);
	slot.gen = s->gen;
	slot.birth = s->birth;
	slot.ports = s->ports;
	buf_init(&b, TEXT_MAX);
	if (nft_emit(&b, c, &slot, 1, NULL, e) == 0)
		rc = nft_text_parse(b.data, b.len, &want, e);
	if (rc == 0) {
		compare_things(&x);
		compare_live(&x);
		if (s->odd)
			say(&x,
			    "sb%u_some4 and what goes with it is of no single "
			    "policy",
			    s->slot);
	}
	nft_text_fini(&want);
	buf_fini(&b);
	return rc;
}
