#include "cmd/cmd.h"

#include <string.h>

#include "base/own.h"

static const char *
why_not(const struct np_tried *t)
{
	if (t->src == NP_SRC_PORTS)
		return "no: other port";
	if (t->nfamily == 0)
		return "no: none of this family";
	return t->nfamily == 1 ? "no: other address" : "no: not in any";
}

/* "allow 8.8.8.8", "always denied, 21 ranges" */
static const char *
what(const struct cmd_input *in, const struct np_tried *t, char to[128])
{
	char range[CMD_TO_TEXT];
	size_t n = t->last - t->first + 1;
	const struct np_rule *r = &in->ir.v[t->first];

	if (t->src == NP_SRC_PORTS && n > 1)
		(void)snprintf(to, 128, "ports, %zu rules", n);
	else if (t->src == NP_SRC_NOINTERNET || t->src == NP_SRC_DEFAULT)
		(void)snprintf(to, 128, "%s", np_src_text(t->src));
	else if (n == 1)
		(void)snprintf(to, 128, "%s %s", np_src_text(t->src),
		    cmd_to_text(r, range));
	else
		(void)snprintf(
		    to, 128, "%s, %zu ranges", np_src_text(t->src), n);
	return to;
}

/* Where a run of rules comes from: one place, or the list. */
static const char *
from(const struct cmd_input *in, const struct np_tried *t,
    char to[NP_ORIGIN_TEXT])
{
	char *end;

	np_origin_text(in->ir.v[t->first].origin, &in->site, to);
	if (t->first == t->last)
		return to;
	if (t->src == NP_SRC_ALLOW || t->src == NP_SRC_DENY ||
	    t->src == NP_SRC_PORTS) {
		end = strrchr(to, '/');
		if (end != NULL)
			*end = '\0';
	}
	return to;
}

static void
numbers(const struct np_tried *t, char to[32])
{
	if (t->first == t->last)
		(void)snprintf(to, 32, "rule %zu", t->first + 1);
	else
		(void)snprintf(
		    to, 32, "rules %zu-%zu", t->first + 1, t->last + 1);
}

static void
print_text(const struct cmd_input *in, const struct np_explained *x)
{
	char rule[32], text[128], why[NP_ORIGIN_TEXT];
	const struct np_tried hit = { x->at, x->at,
		x->rule == NULL ? NP_SRC_DEFAULT : x->rule->origin.src, 0 };

	(void)puts(x->verdict == NP_PASS ? "PASS" : "DROP");
	if (x->rule == NULL) {
		(void)puts("  the sandboxes' own resolver, before any rule");
	} else {
		numbers(&hit, rule);
		(void)printf("  %-12s %-40s %s\n", rule, what(in, &hit, text),
		    np_origin_text(x->rule->origin, &in->site, why));
	}
	if (x->nbefore > 0)
		(void)puts("before it");
	for (size_t i = 0; i < x->nbefore; i++) {
		numbers(&x->before[i], rule);
		(void)printf("  %-12s %-40s %-22s %s\n", rule,
		    what(in, &x->before[i], text), from(in, &x->before[i], why),
		    why_not(&x->before[i]));
	}
	for (size_t i = 0; i < x->nnotes; i++)
		(void)printf("note: %s\n", x->notes[i]);
}

static json_t *
as_json(const struct cmd_input *in, const struct np_explained *x)
{
	json_t *before = json_array(), *notes = json_array();
	char text[128], why[NP_ORIGIN_TEXT];

	for (size_t i = 0; i < x->nbefore; i++)
		(void)json_array_append_new(
		    before, json_pack("{s:I, s:I, s:s, s:s, s:s}", "first",
				(json_int_t)x->before[i].first + 1, "last",
				(json_int_t)x->before[i].last + 1, "what",
				what(in, &x->before[i], text), "origin",
				from(in, &x->before[i], why), "why",
				why_not(&x->before[i])));
	for (size_t i = 0; i < x->nnotes; i++)
		(void)json_array_append_new(notes, json_string(x->notes[i]));
	return json_pack("{s:s, s:o, s:o, s:o}", "verdict",
	    x->verdict == NP_PASS ? "pass" : "drop", "by",
	    x->rule == NULL ? json_null()
			    : cmd_rule_json(x->rule, x->at, &in->site),
	    "before", before, "notes", notes);
}

static int
explain(const struct cmd_opts *o, const struct cmd_input *in, struct err *e)
{
	struct np_explained x;
	struct nft_conf conf;
	struct np_flow flow;

	nft_conf_default(&conf);
	if (np_flow_parse(o->flow, &flow, e) < 0)
		return -1;
	np_explain(&in->ir, &flow, conf.resolver4, conf.resolver6, &x);
	if (o->json) {
		if (cmd_print_json(as_json(in, &x), e) < 0)
			return -1;
	} else {
		print_text(in, &x);
	}
	return x.verdict == NP_PASS ? EXIT_PASS : EXIT_DROP;
}

int
cmd_explain(const struct cmd_opts *o, struct err *e)
{
	struct cmd_input in;
	int rc;

	if (o->flow == NULL)
		return err_set(e, ERR_INVALID,
		    "explain needs a flow: -t ADDRESS[:PORT][/PROTO]");
	rc = cmd_input_read(&in, o->policy, o->site, e);
	if (rc == 0)
		rc = explain(o, &in, e);
	cmd_input_fini(&in);
	return rc;
}
