/* parse.c - lines of pf text: options, tables, translation, calls. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pf/parse_int.h"

/* Without `set require-order no`, which we do not set. */
enum { PART_OPTIONS, PART_TRANSLATION, PART_FILTER };

static int
in_order(struct pfm_parser *p, unsigned part, struct err *e)
{
	if (part < p->part)
		return pfm_lex_bad(
		    &p->l, "out of order: options, translation, filter", e);
	p->part = part;
	return 0;
}

static int
add_rule(struct pfm_parser *p, struct pfm_rules *to, const struct pfm_rule *r,
    struct err *e)
{
	if (to->n == PFM_RULES_MAX)
		return pfm_lex_bad(&p->l, "before it, too many rules", e);
	if (to->n == to->cap) {
		size_t cap = to->cap == 0 ? 8 : to->cap * 2;
		struct pfm_rule *v = realloc(to->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu pf rules", cap);
		to->v = v;
		to->cap = cap;
	}
	to->v[to->n++] = *r;
	return 0;
}

static int
add_ports(struct pfm_parser *p, struct pfm_rules *to, struct pfm_rule *one,
    const struct pfm_lists *lists, struct err *e)
{
	one->has_port = lists->nports > 0;
	if (!one->has_port)
		return add_rule(p, to, one, e);
	for (size_t k = 0; k < lists->nports; k++) {
		one->port_lo = lists->ports[k].lo;
		one->port_hi = lists->ports[k].hi;
		if (add_rule(p, to, one, e) < 0)
			return -1;
	}
	return 0;
}

int
pfm_add_rules(struct pfm_parser *p, struct pfm_rules *to,
    const struct pfm_rule *r, const struct pfm_lists *lists, struct err *e)
{
	size_t protos = lists->nprotos == 0 ? 1 : lists->nprotos;
	size_t types = lists->ntypes == 0 ? 1 : lists->ntypes;
	struct pfm_rule one = *r;

	one.has_type = lists->ntypes > 0;
	for (size_t i = 0; i < protos; i++) {
		if (lists->nprotos > 0)
			one.proto = lists->protos[i];
		for (size_t k = 0; k < types; k++) {
			if (one.has_type)
				one.type = lists->types[k];
			if (add_ports(p, to, &one, lists, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* --- options -------------------------------------------------------------- */

static int
take_limit(struct pfm_parser *p, struct err *e)
{
	static const char *const pools[] = { "states", "src-nodes", "frags",
		"table-entries" };
	uint32_t v;
	bool known = p->freebsd >= 15 && pfm_lex_is(&p->l, "anchors");

	for (size_t i = 0; i < countof(pools); i++)
		known = known || pfm_lex_is(&p->l, pools[i]);
	if (!known)
		return pfm_lex_bad(&p->l, "this release has no such limit", e);
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	return pfm_take_number(p, UINT32_MAX, &v, e);
}

static int
take_set(struct pfm_parser *p, struct err *e)
{
	if (p->place != PFM_ROOT)
		return pfm_lex_bad(&p->l, "an anchor has no options", e);
	if (in_order(p, PART_OPTIONS, e) < 0 || pfm_lex_next(&p->l, e) < 0)
		return -1;
	if (pfm_lex_is(&p->l, "limit")) {
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
		return take_limit(p, e);
	}
	if (pfm_lex_is(&p->l, "reassemble")) {
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
		return pfm_take_word(p, "yes", e);
	}
	if (pfm_take_word(p, "skip", e) < 0 || pfm_take_word(p, "on", e) < 0)
		return -1;
	if (p->rs->skip[0] != '\0')
		return pfm_lex_bad(&p->l, "ours skip one interface", e);
	return pfm_take_name(p, p->rs->skip, sizeof(p->rs->skip), e);
}

/* --- tables --------------------------------------------------------------- */

static int
take_addresses(struct pfm_parser *p, struct pfm_table *t, struct err *e)
{
	for (;;) {
		struct pfm_entry entry = { .not = false };

		while (p->l.tok == PFM_TOK_NL || pfm_lex_punct(&p->l, ','))
			if (pfm_lex_next(&p->l, e) < 0)
				return -1;
		if (pfm_lex_punct(&p->l, '}'))
			return pfm_lex_next(&p->l, e);
		if (pfm_lex_punct(&p->l, '!')) {
			entry.not = true;
			if (pfm_lex_next(&p->l, e) < 0)
				return -1;
		}
		if (pfm_take_prefix(p, &entry.prefix, e) < 0 ||
		    pfm_table_add(t, &entry, e) < 0)
			return -1;
	}
}

static int
take_table_body(struct pfm_parser *p, struct pfm_table *t, struct err *e)
{
	if (pfm_lex_is(&p->l, "persist")) {
		t->persist = true;
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
	}
	if (!pfm_lex_punct(&p->l, '{'))
		return 0;
	t->listed = true;
	if (pfm_lex_next(&p->l, e) < 0 || take_addresses(p, t, e) < 0)
		return -1;
	if (pfm_table_sort(t, e) < 0)
		return err_at(
		    e, "%s:%u:%u", p->l.name, p->l.tok_line, p->l.tok_column);
	return 0;
}

static int
take_table(struct pfm_parser *p, struct err *e)
{
	struct pfm_ruleset *rs = p->rs;
	char name[PFM_TABLE];
	struct pfm_table *v;

	if (pfm_lex_next(&p->l, e) < 0 || pfm_take_table_name(p, name, e) < 0)
		return -1;
	if (pfm_table_find(rs, name) != NULL)
		return pfm_lex_bad(
		    &p->l, "before it, a table a second time", e);
	if (rs->ntables == PFM_TABLES_MAX)
		return pfm_lex_bad(&p->l, "before it, too many tables", e);
	v = realloc(rs->tables, (rs->ntables + 1) * sizeof(*v));
	if (v == NULL)
		return err_sys(e, "%zu pf tables", rs->ntables + 1);
	rs->tables = v;
	v[rs->ntables] = (struct pfm_table){ .persist = false };
	memcpy(v[rs->ntables].name, name, sizeof(name));
	return take_table_body(p, &v[rs->ntables++], e);
}

/* --- translation ---------------------------------------------------------- */

/* nat on IF inet from NET to any -> (IF) */
static int
take_nat(struct pfm_parser *p, struct err *e)
{
	struct pfm_rule r = {
		.action = PFM_NAT, .dir = PFM_OUT, .line = p->l.tok_line
	};
	struct pfm_lists lists = { .nprotos = 0 };

	if (in_order(p, PART_TRANSLATION, e) < 0 ||
	    pfm_lex_next(&p->l, e) < 0 || pfm_take_word(p, "on", e) < 0 ||
	    pfm_take_name(p, r.ifname, sizeof(r.ifname), e) < 0 ||
	    pfm_take_family(p, &r.af, e) < 0 ||
	    pfm_take_from_to(p, &r, &lists, e) < 0)
		return -1;
	if (r.af == 0 || p->l.tok != PFM_TOK_ARROW)
		return pfm_lex_bad(
		    &p->l, "nat is of one family, and leads somewhere", e);
	if (pfm_lex_next(&p->l, e) < 0 || pfm_take_punct(p, '(', e) < 0 ||
	    pfm_take_name(p, r.to_if, sizeof(r.to_if), e) < 0 ||
	    pfm_take_punct(p, ')', e) < 0)
		return -1;
	return pfm_add_rules(p, &p->rs->nat, &r, &lists, e);
}

/* rdr on IF inet proto P from X to Y port N tag T -> ADDRESS port N */
static int
take_rdr(struct pfm_parser *p, struct err *e)
{
	struct pfm_rule r = {
		.action = PFM_RDR, .dir = PFM_IN, .line = p->l.tok_line
	};
	struct pfm_lists lists = { .nprotos = 0 };
	uint32_t port;

	if (in_order(p, PART_TRANSLATION, e) < 0 ||
	    pfm_lex_next(&p->l, e) < 0 || pfm_take_word(p, "on", e) < 0 ||
	    pfm_take_name(p, r.ifname, sizeof(r.ifname), e) < 0 ||
	    pfm_take_family(p, &r.af, e) < 0 ||
	    pfm_take_protos(p, &lists, e) < 0 ||
	    pfm_take_from_to(p, &r, &lists, e) < 0 ||
	    pfm_take_word(p, "tag", e) < 0 ||
	    pfm_take_name(p, r.tag, sizeof(r.tag), e) < 0)
		return -1;
	if (lists.nports == 0 || p->l.tok != PFM_TOK_ARROW)
		return pfm_lex_bad(
		    &p->l, "rdr is of a port, and leads somewhere", e);
	if (pfm_lex_next(&p->l, e) < 0 || pfm_take_addr(p, &r.to, e) < 0)
		return -1;
	if (r.to.family != r.af)
		return pfm_lex_bad(
		    &p->l, "before it, an address of the other family", e);
	if (pfm_take_word(p, "port", e) < 0 ||
	    pfm_take_number(p, UINT16_MAX, &port, e) < 0)
		return -1;
	r.to_port = (uint16_t)port;
	return pfm_add_rules(p, &p->rs->rdr, &r, &lists, e);
}

/* --- calls ---------------------------------------------------------------- */

/* "coppice/sb7", or "coppice/" and a star */
static bool
path_ok(const char *s)
{
	const char *slash = strchr(s, '/');
	size_t first = slash == NULL ? strlen(s) : (size_t)(slash - s);

	if (first < 1 || first >= PFM_ANCHOR || s[0] == '_')
		return false;
	if (slash == NULL)
		return strchr(s, '*') == NULL;
	if (slash[1] == '\0' || slash[1] == '_' ||
	    strlen(slash + 1) >= PFM_ANCHOR || strchr(slash + 1, '/') != NULL ||
	    memchr(s, '*', first) != NULL)
		return false;
	return strchr(slash, '*') == NULL || strcmp(slash, "/*") == 0;
}

static int
take_path(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	struct pfm_lex was;

	if (p->place != PFM_ROOT)
		return pfm_lex_bad(&p->l, "an anchor of ours calls none", e);
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	was = p->l;
	if (pfm_take_string(p, r->anchor, sizeof(r->anchor), e) < 0)
		return -1;
	if (!path_ok(r->anchor))
		return pfm_lex_bad(&was, "no path of an anchor", e);
	return 0;
}

static int
take_rdr_anchor(struct pfm_parser *p, struct err *e)
{
	struct pfm_rule r = { .action = PFM_RDR_ANCHOR_CALL,
		.dir = PFM_IN,
		.line = p->l.tok_line };
	struct pfm_lists none = { .nprotos = 0 };

	if (in_order(p, PART_TRANSLATION, e) < 0 || take_path(p, &r, e) < 0)
		return -1;
	return pfm_add_rules(p, &p->rs->rdr, &r, &none, e);
}

static int
take_anchor(struct pfm_parser *p, struct err *e)
{
	struct pfm_rule r = {
		.action = PFM_ANCHOR_CALL, .dir = PFM_IN, .line = p->l.tok_line
	};
	struct pfm_lists none = { .nprotos = 0 };

	if (in_order(p, PART_FILTER, e) < 0 || take_path(p, &r, e) < 0 ||
	    pfm_take_word(p, "in", e) < 0 || pfm_take_word(p, "on", e) < 0 ||
	    pfm_take_name(p, r.ifname, sizeof(r.ifname), e) < 0)
		return -1;
	return pfm_add_rules(p, &p->rs->filter, &r, &none, e);
}

static int
take_filter(struct pfm_parser *p, struct err *e)
{
	if (in_order(p, PART_FILTER, e) < 0)
		return -1;
	return pfm_take_rule(p, e);
}

/* --- the text ------------------------------------------------------------- */

static int
take_line(struct pfm_parser *p, struct err *e)
{
	static const struct {
		const char *word;
		int (*line)(struct pfm_parser *p, struct err *e);
	} lines[] = {
		{ "set", take_set },
		{ "table", take_table },
		{ "nat", take_nat },
		{ "rdr", take_rdr },
		{ "rdr-anchor", take_rdr_anchor },
		{ "anchor", take_anchor },
		{ "block", take_filter },
		{ "pass", take_filter },
		{ "match", take_filter },
	};

	for (size_t i = 0; i < countof(lines); i++)
		if (pfm_lex_is(&p->l, lines[i].word))
			return lines[i].line(p, e);
	return pfm_lex_bad(&p->l, "no line of ours starts so", e);
}

static int
take_lines(struct pfm_parser *p, struct err *e)
{
	while (p->l.tok != PFM_TOK_END) {
		if (p->l.tok != PFM_TOK_NL && take_line(p, e) < 0)
			return -1;
		if (p->l.tok == PFM_TOK_END)
			return 0;
		if (p->l.tok != PFM_TOK_NL)
			return pfm_lex_bad(&p->l, "the line should end", e);
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
	}
	return 0;
}

void
pfm_ruleset_fini(struct pfm_ruleset *rs)
{
	for (size_t i = 0; i < rs->ntables; i++)
		pfm_table_fini(&rs->tables[i]);
	free(rs->tables);
	free(rs->nat.v);
	free(rs->rdr.v);
	free(rs->filter.v);
	*rs = (struct pfm_ruleset){ .ntables = 0 };
}

int
pfm_parse(const char *text, size_t len, const char *name, enum pfm_place place,
    unsigned freebsd, struct pfm_ruleset *out, struct err *e)
{
	struct pfm_ruleset rs = { .ntables = 0 };
	struct pfm_parser p = { .rs = &rs, .place = place, .freebsd = freebsd };

	*out = rs;
	if (strlen(name) >= sizeof(rs.name))
		return err_set(
		    e, ERR_INVALID, "anchor \"%.40s...\": too long", name);
	memcpy(rs.name, name, strlen(name) + 1);
	if (pfm_lex_start(&p.l, text, len, name, e) < 0 ||
	    take_lines(&p, e) < 0) {
		pfm_ruleset_fini(&rs);
		return -1;
	}
	*out = rs;
	return 0;
}
