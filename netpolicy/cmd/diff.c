#include "cmd/cmd.h"

#include "base/own.h"

struct change {
	struct np_ok closed, opened;
};

static int
flat(const struct cmd_input *in, enum np_family f, struct np_ok *out,
    struct err *e)
{
	return np_flatten(&in->ir, f, out, e);
}

static int
compare(const struct cmd_input *a, const struct cmd_input *b, enum np_family f,
    struct change *c, struct err *e)
{
	struct np_ok old = { .family = f }, new = { .family = f };
	int rc = -1;

	*c = (struct change){ { .family = f }, { .family = f } };
	if (flat(a, f, &old, e) == 0 && flat(b, f, &new, e) == 0 &&
	    np_revoked(&old, &new, &c->closed, e) == 0)
		rc = np_revoked(&new, &old, &c->opened, e);
	np_ok_fini(&old);
	np_ok_fini(&new);
	return rc;
}

/* Names what changed by the rule of the new policy that decides it. */
static void
rename_by(struct np_ok *ok, const struct np_ir *ir)
{
	for (size_t i = 0; i < ok->n; i++) {
		struct np_addr a = { ok->v[i].range.lo, ok->family };

		ok->v[i].origin = np_judge(ir, a)->origin;
	}
}

static void
print_ranges(
    const struct np_ok *ok, const char *sign, const struct np_site *site)
{
	for (size_t i = 0; i < ok->n; i++) {
		char text[NP_RANGE_TEXT], why[NP_ORIGIN_TEXT];

		(void)printf("%s %-40s %s\n", sign,
		    np_range_text(ok->v[i].range, ok->family, text),
		    np_origin_text(ok->v[i].origin, site, why));
	}
}

static json_t *
both(json_t *v4, json_t *v6)
{
	(void)json_array_extend(v4, v6);
	json_decref(v6);
	return v4;
}

static int
report(const struct cmd_opts *o, const struct cmd_input *new,
    struct change c[2], struct err *e)
{
	for (int i = 0; i < 2; i++) {
		rename_by(&c[i].closed, &new->ir);
		rename_by(&c[i].opened, &new->ir);
	}
	if (o->json)
		return cmd_print_json(
		    json_pack("{s:o, s:o}", "closed",
			both(cmd_ok_json(&c[0].closed, &new->site),
			    cmd_ok_json(&c[1].closed, &new->site)),
			"opened",
			both(cmd_ok_json(&c[0].opened, &new->site),
			    cmd_ok_json(&c[1].opened, &new->site))),
		    e);
	for (int i = 0; i < 2; i++) {
		print_ranges(&c[i].closed, "-", &new->site);
		print_ranges(&c[i].opened, "+", &new->site);
	}
	return 0;
}

static int
diff(const struct cmd_opts *o, const struct cmd_input *a,
    const struct cmd_input *b, struct err *e)
{
	struct change c[2] = { 0 };
	int rc = -1;

	if (compare(a, b, NP_V4, &c[0], e) == 0 &&
	    compare(a, b, NP_V6, &c[1], e) == 0)
		rc = report(o, b, c, e);
	if (rc == 0)
		rc = c[0].closed.n + c[0].opened.n + c[1].closed.n +
				 c[1].opened.n ==
			     0
			 ? EXIT_PASS
			 : EXIT_DROP;
	for (int i = 0; i < 2; i++) {
		np_ok_fini(&c[i].closed);
		np_ok_fini(&c[i].opened);
	}
	return rc;
}

int
cmd_diff(const struct cmd_opts *o, struct err *e)
{
	struct cmd_input a = { 0 }, b = { 0 };
	int rc = -1;

	if (o->nargs != 2)
		return err_set(e, ERR_INVALID, "diff needs two policies");
	if (cmd_input_read(&a, o->args[0], o->site, e) < 0)
		err_wrap(e, "old");
	else if (cmd_input_read(&b, o->args[1], o->site, e) < 0)
		err_wrap(e, "new");
	else
		rc = diff(o, &a, &b, e);
	cmd_input_fini(&a);
	cmd_input_fini(&b);
	return rc;
}
