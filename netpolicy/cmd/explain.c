#include "cmd/cmd.h"

#include <string.h>

#include "base/own.h"

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
	char rule[32], text[NP_TRIED_TEXT], why[NP_ORIGIN_TEXT];
	const struct np_tried hit = { x->at, x->at,
		x->rule == NULL ? NP_SRC_DEFAULT : x->rule->origin.src, 0 };

	(void)puts(x->verdict == NP_PASS ? "PASS" : "DROP");
	if (x->rule == NULL) {
		(void)puts("  the sandboxes' own resolver, before any rule");
	} else {
		numbers(&hit, rule);
		(void)printf("  %-12s %-40s %s\n", rule,
		    np_tried_what(&in->ir, &hit, text),
		    np_origin_text(x->rule->origin, &in->site, why));
	}
	if (x->nbefore > 0)
		(void)puts("before it");
	for (size_t i = 0; i < x->nbefore; i++) {
		numbers(&x->before[i], rule);
		(void)printf("  %-12s %-40s %-22s %s\n", rule,
		    np_tried_what(&in->ir, &x->before[i], text),
		    np_tried_from(&in->ir, &in->site, &x->before[i], why),
		    np_tried_why(&x->before[i]));
	}
	for (size_t i = 0; i < x->nnotes; i++)
		(void)printf("note: %s\n", x->notes[i]);
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
		if (cmd_print_json(
			np_explained_json(&in->ir, &in->site, &x), e) < 0)
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
