/*
 * What pf would make of our text: a model of the grammar that we use, which
 * is `table`, `rdr pass`, and `block`/`pass ... quick` rules, judged against
 * np_judge() for random policies.
 */
#include "t.h"

#include "pf/emit.h"
#include "test_policy_gen.h"

enum { ROUNDS = 400, FLOWS = 60, MAX_CIDRS = 8192, MAX_RULES = 16 };

enum action { BLOCK, PASS };

struct rule {
	enum action action;
	enum np_family family; /* 0: both */
	bool not_from, to_ok;
	struct np_addr from;
};

struct anchor {
	struct np_prefix ok[MAX_CIDRS];
	size_t nok;
	struct rule rules[MAX_RULES];
	size_t nrules;
	bool bad;
};

/* "1.1.1.0/24 # /network/allowOut/0" */
static void
take_cidr(struct anchor *a, char *line)
{
	char *rest, *word = strtok_r(line, " \t", &rest);

	if (a->nok == MAX_CIDRS || np_prefix_parse(word, &a->ok[a->nok]) < 0)
		a->bad = true;
	else
		a->nok++;
}

static void
take_rule(struct anchor *a, char *line)
{
	struct rule *r = &a->rules[a->nrules];
	char *rest, *w = strtok_r(line, " ", &rest);
	bool quick = false;

	if (a->nrules == MAX_RULES) {
		a->bad = true;
		return;
	}
	*r = (struct rule){ .action = strcmp(w, "pass") == 0 ? PASS : BLOCK };
	while ((w = strtok_r(NULL, " ", &rest)) != NULL) {
		if (strcmp(w, "quick") == 0)
			quick = true;
		else if (strcmp(w, "inet") == 0)
			r->family = NP_V4;
		else if (strcmp(w, "inet6") == 0)
			r->family = NP_V6;
		else if (strcmp(w, "!") == 0)
			r->not_from = true;
		else if (strcmp(w, "<ok>") == 0)
			r->to_ok = true;
		else if (r->not_from && r->from.family == 0)
			a->bad |= np_addr_parse(w, &r->from) < 0;
		else if (strcmp(w, "label") == 0)
			break;
	}
	a->bad |= !quick;
	a->nrules++;
}

static void
read_anchor(struct anchor *a, char *text)
{
	bool in_table = false;
	char *save = text;

	a->nok = a->nrules = 0;
	a->bad = false;
	for (char *line; (line = strsep(&save, "\n")) != NULL;) {
		if (strncmp(line, "table <ok> persist {", 20) == 0)
			in_table = true;
		else if (strcmp(line, "}") == 0)
			in_table = false;
		else if (in_table)
			take_cidr(a, line);
		else if (strncmp(line, "block ", 6) == 0 ||
			 strncmp(line, "pass ", 5) == 0)
			take_rule(a, line);
		else if (*line != '\0' && strncmp(line, "rdr pass ", 9) != 0 &&
			 strcmp(line, "table <ok> persist") != 0)
			a->bad = true;
	}
}

static bool
in_table(const struct anchor *a, struct np_addr to)
{
	for (size_t i = 0; i < a->nok; i++)
		if (np_prefix_has(&a->ok[i], to))
			return true;
	return false;
}

/* The first quick rule that matches; the root rules block the rest. */
static enum action
evaluate(const struct anchor *a, struct np_addr from, struct np_addr to)
{
	for (size_t i = 0; i < a->nrules; i++) {
		const struct rule *r = &a->rules[i];

		if (r->family != 0 && r->family != to.family)
			continue;
		if (r->from.family != 0 && r->from.n == from.n)
			continue;
		if (r->to_ok && !in_table(a, to))
			continue;
		return r->action;
	}
	return BLOCK;
}

static bool
says_the_same(const struct gen_made *m, const struct anchor *a,
    const struct pf_slot *slot, bool v6)
{
	for (int i = 0; i < FLOWS; i++) {
		struct np_flow f = gen_flow(&m->ir);
		struct np_addr to = f.to;
		struct np_addr from =
		    to.family == NP_V4 ? slot->sb4 : slot->sb6;
		struct np_addr liar = { from.n + 1, from.family };
		bool want = gen_passes(m, &f) && (v6 || to.family == NP_V4);

		if ((evaluate(a, from, to) == PASS) != want)
			return false;
		if (evaluate(a, liar, to) == PASS)
			return false;
	}
	return true;
}

/* Every address once: pf refuses a table that names one twice. */
static bool
no_overlap(const struct anchor *a)
{
	for (size_t i = 1; i < a->nok; i++)
		if (a->ok[i - 1].family == a->ok[i].family &&
		    np_prefix_range(&a->ok[i - 1]).hi >= a->ok[i].addr)
			return false;
	return true;
}

static void
one_round(struct err *e)
{
	static struct anchor a;
	struct gen_made m = { 0 };
	struct gen_lists l;
	struct np_site s;
	struct pf_conf conf;
	struct pf_slot slot;
	struct buf b;
	char *text;

	buf_init(&b, 1 << 20);
	pf_conf_default(&conf);
	conf.v6 = gen_below(4) != 0;
	gen_lists(&l);
	l.nports = 0;
	CHECK(gen_site(&s, e) == 0);
	CHECK(gen_make(&l, &s, &m, e) == 0);
	pf_slot_default(1 + gen_below(16383), &slot);
	slot.reach = &m.reach;
	CHECK(pf_emit_anchor(&b, &conf, &slot, &s, e) == 0);
	text = strdup(buf_str(&b));
	CHECK(text != NULL);
	read_anchor(&a, text);
	CHECK(!a.bad);
	CHECK(a.nrules == 4);
	CHECK(no_overlap(&a));
	CHECK(says_the_same(&m, &a, &slot, conf.v6));
	free(text);
	buf_fini(&b);
	gen_unmake(&m);
	np_site_fini(&s);
}

static void
test_limits(struct err *e)
{
	struct pf_conf conf;
	struct pf_slot slot;
	struct buf b;

	pf_conf_default(&conf);
	buf_init(&b, 64);
	CHECK(pf_emit_root(&b, &conf, e) < 0);
	CHECK(e->kind == ERR_TOOBIG);
	buf_fini(&b);
	buf_init(&b, 4096);
	conf.uplink = "em0 inet\npass all";
	CHECK(pf_emit_root(&b, &conf, e) < 0);
	CHECK(e->kind == ERR_INVALID && b.len == 0);
	conf.uplink = "em0";
	conf.freebsd = 14;
	CHECK(pf_emit_root(&b, &conf, e) == 0);
	CHECK(strstr(buf_str(&b), "limit anchors") == NULL);
	CHECK(strstr(buf_str(&b), "nat on em0 inet from 10.78.0.0/16") != NULL);
	buf_reset(&b);
	pf_slot_default(1, &slot);
	CHECK(pf_emit_anchor(&b, &conf, &slot, NULL, e) == 0);
	CHECK(strncmp(buf_str(&b), "table <ok> persist\n", 19) == 0);
	buf_fini(&b);
}

int
main(void)
{
	struct err e = { 0 };

	gen_start(11);
	test_limits(&e);
	for (int round = 0; round < ROUNDS && t_failed == 0; round++) {
		one_round(&e);
		if (t_failed > 0)
			printf("# SEED=%llu round %d: %s\n",
			    (unsigned long long)gen_seed, round, e.msg);
	}
	return t_end();
}
