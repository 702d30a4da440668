/* pf_verify.c - `netpolicy verify --pf`: an anchor of this host's own pf. */
#include "pf/freebsd/verify.h"

#include <limits.h>

#include "base/own.h"
#include "cmd/cmd.h"

struct telling {
	struct pf_differences d;
	const struct cmd_opts *o;
	json_t *list;
};

static void
on_difference(struct pf_differences *d, const char *sentence)
{
	struct telling *t = container_of(d, struct telling, d);

	if (t->o->json)
		(void)json_array_append_new(t->list, json_string(sentence));
	else
		(void)printf("! %s\n", sentence);
}

/* What should be loaded. */
static int
expected(const struct cmd_opts *o, const struct pf_conf *conf, struct buf *text,
    struct err *e)
{
	struct cmd_input in;
	struct np_reach want;
	struct pf_slot slot;
	int rc = -1;

	np_reach_init(&want);
	pf_slot_default(o->slot, &slot);
	slot.reach = &want;
	if (cmd_input_read(&in, o->policy, o->site, e) == 0 &&
	    np_reach_make(&in.ir, conf->v6, &want, e) == 0)
		rc = pf_emit_anchor(text, conf, &slot, &in.site, e);
	np_reach_fini(&want);
	cmd_input_fini(&in);
	return rc;
}

static int
compare(struct telling *t, const struct pf_conf *conf, const struct buf *text,
    struct err *e)
{
	char anchor[PF_ANCHOR_NAME];
	struct pf_dev d;
	int rc;

	if (pf_dev_open(&d, e) < 0)
		return -1;
	rc = pf_verify(&d, pf_anchor_name(t->o->slot, anchor), text->data,
	    text->len, conf->freebsd, &t->d, e);
	pf_dev_close(&d);
	return rc;
}

int
cmd_pf_verify(const struct cmd_opts *o, struct err *e)
{
	struct telling t = { { on_difference, 0, INT_MAX }, o, NULL };
	struct pf_conf conf;
	struct buf text;
	int rc;

	cmd_pf_conf(o, &conf);
	buf_init(&text, CMD_TEXT_MAX);
	t.list = json_array();
	rc = expected(o, &conf, &text, e);
	if (rc == 0)
		rc = compare(&t, &conf, &text, e);
	if (rc >= 0 && o->json)
		rc = cmd_print_json(json_pack("{s:b, s:O}", "same",
					(int)(t.d.n == 0), "pf", t.list),
		    e);
	json_decref(t.list);
	buf_fini(&text);
	if (rc < 0)
		return -1;
	return t.d.n == 0 ? EXIT_PASS : EXIT_DROP;
}
