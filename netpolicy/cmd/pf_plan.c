/* pf_plan.c - `netpolicy diff --pf`: how pf gets from one to the other. */
#include "pf/plan.h"

#include "cmd/cmd.h"

/* --- as JSON -------------------------------------------------------------- */

static json_t *
addresses(const struct pf_addrs *a)
{
	json_t *list = json_array();
	char text[NP_PREFIX_TEXT];

	for (size_t i = 0; i < a->n; i++)
		(void)json_array_append_new(
		    list, json_string(np_prefix_text(&a->v[i], text)));
	return list;
}

static json_t *
own(const struct pf_plan *p)
{
	char v4[NP_ADDR_TEXT], v6[NP_ADDR_TEXT];

	if (!p->v6)
		return json_pack("[s]", np_addr_text(p->sb4, v4));
	return json_pack(
	    "[s, s]", np_addr_text(p->sb4, v4), np_addr_text(p->sb6, v6));
}

static json_t *
selectors(const struct pf_plan *p, const struct pf_step *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nsel; i++) {
		const struct pf_selector *x = &s->sel[i];
		char to[NP_PREFIX_TEXT], text[NP_PORTS_TEXT];
		struct np_port_box box = { x->proto,
			x->proto == 0 ? UINT8_MAX : x->proto, x->lo, x->hi };
		const struct np_ports ports = { &box, 1, 1 };

		if (x->family == NP_V6 && !p->v6)
			continue;
		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s}", "to", np_prefix_text(&x->to, to),
			"ports", np_ports_text(&ports, text)));
	}
	return list;
}

static json_t *
step_json(const struct pf_plan *p, const struct pf_step *s)
{
	switch (s->kind) {
	case PF_TABLE_REPLACE:
		return json_pack("{s:s, s:s, s:s, s:o}", "do", "replace-table",
		    "anchor", p->anchor, "table", s->table, "addresses",
		    addresses(&s->addrs));
	case PF_ANCHOR_LOAD:
		return json_pack("{s:s, s:s, s:s%}", "do", "load-anchor",
		    "anchor", p->anchor, "text", s->text.data, s->text.len);
	case PF_KILL_STATES:
		return json_pack("{s:s, s:s, s:o, s:b}", "do", "kill-states",
		    "interface", p->ifname, "selectors", selectors(p, s),
		    "again", (int)s->again);
	case PF_KILL_BY_JUDGE:
		return json_pack("{s:s, s:o, s:b}", "do", "judge-states", "of",
		    own(p), "again", (int)s->again);
	case PF_KILL_SRC_NODES:
		return json_pack(
		    "{s:s, s:o}", "do", "kill-source-nodes", "of", own(p));
	}
	return NULL;
}

static json_t *
steps_json(const struct pf_plan *p, const struct pf_steps *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		(void)json_array_append_new(list, step_json(p, &s->v[i]));
	return list;
}

/* --- and as text ---------------------------------------------------------- */

static int
print(const struct cmd_opts *o, const struct pf_plan *p, struct err *e)
{
	struct buf b;
	int rc;

	if (o->json)
		return cmd_print_json(
		    json_pack("{s:o, s:o}", "steps", steps_json(p, &p->steps),
			"undo", steps_json(p, &p->undo)),
		    e);
	buf_init(&b, CMD_TEXT_MAX);
	rc = pf_plan_text(&b, p, e);
	if (rc == 0)
		rc = cmd_print_text(&b, e);
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
