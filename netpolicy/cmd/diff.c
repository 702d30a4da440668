#include "cmd/cmd.h"

#include "base/own.h"

struct change {
	struct np_gone closed, opened;
};

static int
compare(const struct cmd_input *a, const struct cmd_input *b, struct change *c,
    struct err *e)
{
	struct np_reach old, new;
	int rc = -1;

	np_reach_init(&old);
	np_reach_init(&new);
	if (np_reach_make(&a->ir, true, &old, e) == 0 &&
	    np_reach_make(&b->ir, true, &new, e) == 0 &&
	    np_revoked(&old, &new, &c->closed, e) == 0)
		rc = np_revoked(&new, &old, &c->opened, e);
	np_reach_fini(&old);
	np_reach_fini(&new);
	return rc;
}

static void
print_ranges(const struct np_ok *ok, const struct np_ports *ports,
    const char *sign, const struct np_site *site)
{
	for (size_t i = 0; i < ok->n; i++) {
		char text[NP_RANGE_TEXT], why[NP_ORIGIN_TEXT];
		char some[NP_PORTS_TEXT];

		np_ports_text(&ports[ok->v[i].class], some);
		(void)printf("%s %-40s %s%s%s\n", sign,
		    np_range_text(ok->v[i].range, ok->family, text),
		    np_origin_text(ok->v[i].origin, site, why),
		    *some == '\0' ? "" : "; ", some);
	}
}

static int
report(const struct cmd_opts *o, const struct cmd_input *new, struct change *c,
    struct err *e)
{
	const struct np_site *s = &new->site;

	np_gone_name(&c->closed, &new->ir);
	np_gone_name(&c->opened, &new->ir);
	if (o->json)
		return cmd_print_json(json_pack("{s:o, s:o}", "closed",
					  np_gone_json(&c->closed, s), "opened",
					  np_gone_json(&c->opened, s)),
		    e);
	print_ranges(&c->closed.gone4, c->closed.ports, "-", s);
	print_ranges(&c->opened.gone4, c->opened.ports, "+", s);
	print_ranges(&c->closed.gone6, c->closed.ports, "-", s);
	print_ranges(&c->opened.gone6, c->opened.ports, "+", s);
	return 0;
}

static int
diff(const struct cmd_opts *o, const struct cmd_input *a,
    const struct cmd_input *b, struct err *e)
{
	struct change c = { 0 };
	int rc = compare(a, b, &c, e);

	if (rc == 0)
		rc = report(o, b, &c, e);
	if (rc == 0)
		rc = c.closed.gone4.n + c.closed.gone6.n + c.opened.gone4.n +
				 c.opened.gone6.n ==
			     0
			 ? EXIT_PASS
			 : EXIT_DROP;
	np_gone_fini(&c.closed);
	np_gone_fini(&c.opened);
	return rc;
}

int
cmd_diff(const struct cmd_opts *o, struct err *e)
{
	struct cmd_input a = { 0 }, b = { 0 };
	int rc = -1;

	if (o->nargs != 2)
		return err_set(e, ERR_INVALID, "diff needs two policies");
	if (o->format == FMT_NFT || o->format == FMT_PF_ROOT)
		return err_set(e, ERR_INVALID, "diff knows --pf alone");
	if (cmd_input_read(&a, o->args[0], o->site, e) < 0)
		err_wrap(e, "old");
	else if (cmd_input_read(&b, o->args[1], o->site, e) < 0)
		err_wrap(e, "new");
	else if (o->format == FMT_PF)
		rc = cmd_pf_plan(o, &a, &b, e);
	else
		rc = diff(o, &a, &b, e);
	cmd_input_fini(&a);
	cmd_input_fini(&b);
	return rc;
}
