/* parse_rule.c - the lines that filter. */
#include <string.h>

#include "base/own.h"
#include "pf/parse_int.h"

static int
take_action(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	static const struct {
		const char *word;
		enum pfm_action action;
	} words[] = { { "pass", PFM_PASS }, { "block", PFM_BLOCK },
		{ "match", PFM_MATCH } };

	for (size_t i = 0; i < countof(words); i++)
		if (pfm_lex_is(&p->l, words[i].word))
			r->action = words[i].action;
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	if (r->action != PFM_BLOCK ||
	    (!pfm_lex_is(&p->l, "drop") && !pfm_lex_is(&p->l, "return")))
		return 0; /* `block` alone is `block drop` */
	r->ret = pfm_lex_is(&p->l, "return");
	return pfm_lex_next(&p->l, e);
}

static int
take_dir(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (pfm_lex_is(&p->l, "in"))
		r->dir = PFM_IN;
	else if (pfm_lex_is(&p->l, "out"))
		r->dir = PFM_OUT;
	else
		return 0;
	return pfm_lex_next(&p->l, e);
}

static int
take_log(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (!pfm_lex_is(&p->l, "log"))
		return 0;
	r->log = true;
	return pfm_lex_next(&p->l, e);
}

static int
take_quick(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (!pfm_lex_is(&p->l, "quick"))
		return 0;
	if (r->action == PFM_MATCH)
		return pfm_lex_bad(&p->l, "none of ours matches quickly", e);
	r->quick = true;
	return pfm_lex_next(&p->l, e);
}

static int
take_on(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (!pfm_lex_is(&p->l, "on"))
		return 0;
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	return pfm_take_name(p, r->ifname, sizeof(r->ifname), e);
}

/* (max 4096, if-bound) */
static int
take_state_opt(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	struct pfm_lex was;

	if (pfm_lex_is(&p->l, "if-bound") && !r->if_bound) {
		r->if_bound = true;
		return pfm_lex_next(&p->l, e);
	}
	if (!pfm_lex_is(&p->l, "max") || r->max != 0)
		return pfm_lex_bad(&p->l, "max or if-bound is wanted, once", e);
	if (pfm_lex_next(&p->l, e) < 0)
		return -1;
	was = p->l;
	if (pfm_take_number(p, UINT32_MAX, &r->max, e) < 0)
		return -1;
	if (r->max == 0)
		return pfm_lex_bad(&was, "a maximum of nothing", e);
	return 0;
}

static int
take_keep(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (r->action != PFM_PASS || r->keep)
		return pfm_lex_bad(
		    &p->l, "state is kept by pass rules, and said once", e);
	r->keep = true;
	if (pfm_lex_next(&p->l, e) < 0 || pfm_take_word(p, "state", e) < 0)
		return -1;
	if (!pfm_lex_punct(&p->l, '('))
		return 0;
	do {
		if (pfm_lex_next(&p->l, e) < 0 || take_state_opt(p, r, e) < 0)
			return -1;
	} while (pfm_lex_punct(&p->l, ','));
	return pfm_take_punct(p, ')', e);
}

static int
take_tagged(struct pfm_parser *p, struct pfm_rule *r, struct err *e)
{
	if (r->tagged[0] != '\0')
		return pfm_lex_bad(&p->l, "said twice", e);
	if (pfm_lex_punct(&p->l, '!')) {
		r->not_tagged = true;
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
	}
	if (pfm_take_word(p, "tagged", e) < 0)
		return -1;
	return pfm_take_name(p, r->tagged, sizeof(r->tagged), e);
}

static int
take_option(struct pfm_parser *p, struct pfm_rule *r, struct pfm_lists *lists,
    struct err *e)
{
	if (pfm_lex_is(&p->l, "icmp-type") || pfm_lex_is(&p->l, "icmp6-type"))
		return pfm_take_types(p, r, lists, e);
	if (pfm_lex_is(&p->l, "keep"))
		return take_keep(p, r, e);
	if (pfm_lex_is(&p->l, "tagged") || pfm_lex_punct(&p->l, '!'))
		return take_tagged(p, r, e);
	if (pfm_lex_is(&p->l, "tag") && r->tag[0] == '\0') {
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
		return pfm_take_name(p, r->tag, sizeof(r->tag), e);
	}
	if (pfm_lex_is(&p->l, "label") && r->label[0] == '\0') {
		if (pfm_lex_next(&p->l, e) < 0)
			return -1;
		return pfm_take_string(p, r->label, sizeof(r->label), e);
	}
	return pfm_lex_bad(&p->l, "unknown in a rule, or there twice", e);
}

int
pfm_take_rule(struct pfm_parser *p, struct err *e)
{
	struct pfm_rule r = { .line = p->l.tok_line };
	struct pfm_lists lists = { .nprotos = 0 };

	if (take_action(p, &r, e) < 0 || take_dir(p, &r, e) < 0 ||
	    take_log(p, &r, e) < 0 || take_quick(p, &r, e) < 0 ||
	    take_on(p, &r, e) < 0 || pfm_take_family(p, &r.af, e) < 0 ||
	    pfm_take_protos(p, &lists, e) < 0 ||
	    pfm_take_from_to(p, &r, &lists, e) < 0)
		return -1;
	while (p->l.tok != PFM_TOK_NL && p->l.tok != PFM_TOK_END)
		if (take_option(p, &r, &lists, e) < 0)
			return -1;
	/* What pfctl adds: a pass rule without it keeps state all the same */
	if (r.action == PFM_PASS)
		r.keep = true;
	return pfm_add_rules(p, &p->rs->filter, &r, &lists, e);
}
