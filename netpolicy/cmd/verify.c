/* verify.c - is what the kernel has what the policy means? */
#include "cmd/cmd.h"

#include "base/own.h"
#include "cmd/table.h"

struct verifying {
	struct nft_differ d;
	const struct cmd_opts *o;
	json_t *table, *open, *closed;
	size_t n; /* differences */
};

static void
on_difference(struct nft_differ *d, const char *sentence)
{
	struct verifying *v = container_of(d, struct verifying, d);

	v->n++;
	if (v->o->json)
		(void)json_array_append_new(v->table, json_string(sentence));
	else
		(void)printf("! %s\n", sentence);
}

struct side {
	const char *sign;
	const struct nft_shown *shown; /* whose comments they are, or NULL */
	const struct np_site *site;
	json_t *list;
};

static void
tell(struct verifying *v, const struct side *side, const struct np_ok *ok,
    const struct np_ports *ports)
{
	for (size_t i = 0; i < ok->n; i++) {
		const struct np_ok_range *r = &ok->v[i];
		char range[NP_RANGE_TEXT], own[NP_ORIGIN_TEXT];
		char some[NP_PORTS_TEXT];
		const char *why =
		    side->shown != NULL
			? cmd_why(side->shown, r)
			: np_origin_text(r->origin, side->site, own);

		v->n++;
		np_range_text(r->range, ok->family, range);
		np_ports_text(&ports[r->class], some);
		if (!v->o->json) {
			(void)printf("%s %-40s %s%s%s\n", side->sign, range,
			    why, *some == '\0' ? "" : "; ", some);
			continue;
		}
		(void)json_array_append_new(
		    side->list, json_pack("{s:s, s:s, s:s}", "to", range,
				    "origin", why, "ports", some));
	}
}

static int
compare_reach(struct verifying *v, const struct nft_shown *is,
    const struct np_reach *want, const struct np_site *site, struct err *e)
{
	const struct side open = { "+", is, site, v->open };
	const struct side closed = { "-", NULL, site, v->closed };
	struct np_gone g;

	if (np_revoked(&is->reach, want, &g, e) < 0)
		return -1;
	tell(v, &open, &g.gone4, g.ports);
	tell(v, &open, &g.gone6, g.ports);
	np_gone_fini(&g);
	if (np_revoked(want, &is->reach, &g, e) < 0)
		return -1;
	tell(v, &closed, &g.gone4, g.ports);
	tell(v, &closed, &g.gone6, g.ports);
	np_gone_fini(&g);
	return 0;
}

static int
compare(struct verifying *v, const struct nft_text *t,
    const struct cmd_input *in, struct err *e)
{
	struct nft_shown s;
	struct np_reach want;
	struct nft_conf c;
	int rc;

	cmd_nft_conf(v->o, &c);
	if (nft_show_slot(t, v->o->slot, &s, e) < 0)
		return -1;
	rc = np_reach_make(&in->ir, c.v6, &want, e);
	if (rc == 0 && s.gen == 0)
		v->d.on(&v->d, "the slot is closed: it has no generation");
	if (rc == 0)
		rc = nft_show_compare(t, &c, &s, &v->d, e);
	if (rc == 0)
		rc = compare_reach(v, &s, &want, &in->site, e);
	np_reach_fini(&want);
	nft_shown_fini(&s);
	return rc;
}

static int
print_json(struct verifying *v, struct err *e)
{
	return cmd_print_json(json_pack("{s:b, s:O, s:O, s:O}", "same",
				  (int)(v->n == 0), "too_open", v->open,
				  "too_closed", v->closed, "table", v->table),
	    e);
}

static int
verify(struct verifying *v, struct err *e)
{
	const struct cmd_opts *o = v->o;
	struct nft_text t = { 0 };
	struct cmd_input in;
	int rc = -1;

	if (cmd_input_read(&in, o->policy, o->site, e) == 0 &&
	    cmd_table_read(o->nargs > 0 ? o->args[0] : NULL, &t, e) == 0)
		rc = compare(v, &t, &in, e);
	if (rc == 0 && o->json)
		rc = print_json(v, e);
	cmd_input_fini(&in);
	nft_text_fini(&t);
	return rc;
}

int
cmd_verify(const struct cmd_opts *o, struct err *e)
{
	struct verifying v = { .d = { .on = on_difference }, .o = o };
	int rc;

	if (o->policy == NULL || !o->has_slot)
		return err_set(e, ERR_INVALID,
		    "verify needs a policy and a slot: -p FILE --slot N");
	if (o->format == FMT_PF)
		return cmd_pf_verify(o, e);
	v.table = json_array();
	v.open = json_array();
	v.closed = json_array();
	rc = verify(&v, e);
	json_decref(v.table);
	json_decref(v.open);
	json_decref(v.closed);
	if (rc < 0)
		return -1;
	return v.n == 0 ? EXIT_PASS : EXIT_DROP;
}
