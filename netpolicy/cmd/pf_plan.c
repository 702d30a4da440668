/* pf_plan.c - `netpolicy diff --pf`: how pf gets from one to the other. */
#include "pf/plan.h"

#include "cmd/cmd.h"

static int
print(const struct cmd_opts *o, const struct pf_plan *p, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, CMD_TEXT_MAX);
	rc = pf_plan_text(&b, p, e);
	if (rc == 0)
		rc = o->json
			 ? cmd_print_json(json_pack("{s:s, s:s}", "format",
					      "pf-plan", "text", buf_str(&b)),
			       e)
			 : cmd_print_text(&b, e);
	buf_fini(&b);
	return rc;
}

static int
plan(const struct cmd_opts *o, const struct np_reach *from,
    const struct np_reach *to, const struct np_site *site, struct err *e)
{
	struct pf_conf conf;
	struct pf_slot slot;
	struct pf_plan p;
	int rc;

	cmd_pf_conf(o, &conf);
	pf_slot_default(o->slot, &slot);
	if (pf_plan_make(&conf, &slot, from, to, site, &p, e) < 0)
		return -1;
	rc = print(o, &p, e);
	if (rc == 0)
		rc = p.steps.n == 0 ? EXIT_PASS : EXIT_DROP;
	pf_plan_fini(&p);
	return rc;
}

int
cmd_pf_plan(const struct cmd_opts *o, struct cmd_input *from,
    struct cmd_input *to, struct err *e)
{
	struct np_reach a, b;
	int rc = -1;

	np_reach_init(&a);
	np_reach_init(&b);
	if (cmd_passes(o, &from->ir, e) == 0 &&
	    cmd_passes(o, &to->ir, e) == 0 &&
	    np_reach_make(&from->ir, true, &a, e) == 0 &&
	    np_reach_make(&to->ir, true, &b, e) == 0)
		rc = plan(o, &a, &b, &to->site, e);
	np_reach_fini(&a);
	np_reach_fini(&b);
	return rc;
}
