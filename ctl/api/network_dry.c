/*
 * network_dry.c - PUT /sandboxes/{sandboxID}/network?dryRun=1: what the policy
 * would close and open, and which live flows it would cut.  Nothing changes.
 */
#include <stdlib.h>

#include "base/own.h"
#include "ctl/api/api_int.h"
#include "ctl/api/network_body.h"
#include "ctl/api/network_show.h"
#include "ctl/sandbox/look.h"
#include "json/ir_json.h"

/* What PUT makes of a flag that is not said. */
static void
settle(struct sb_net *net, const struct sb_net *old)
{
	if (net->internet == SB_UNSAID && old->internet != SB_UNSAID)
		net->internet = SB_YES;
}

static json_t *
changes(const struct sb_view *old, const struct sb_view *new, struct err *e)
{
	struct np_gone closed = { 0 }, opened = { 0 };
	json_t *o = NULL;

	if (np_revoked(&old->reach, &new->reach, &closed, e) == 0 &&
	    np_revoked(&new->reach, &old->reach, &opened, e) == 0) {
		np_gone_name(&closed, &new->ir);
		np_gone_name(&opened, &new->ir);
		o = json_pack("{s:o, s:o}", "closed",
		    np_gone_json(&closed, new->site), "opened",
		    np_gone_json(&opened, new->site));
		if (o == NULL)
			err_set(e, ERR_SYS, "no memory for the answer");
	}
	np_gone_fini(&closed);
	np_gone_fini(&opened);
	return o;
}

static int
views(struct call *c, const struct sandbox *sb, struct network_body *b,
    struct sb_view *old, struct sb_view *new, struct err *e)
{
	const struct sb_net *now = &sandbox_record(sb)->net;

	settle(&b->net, now);
	if (sb_view_make(c->api->en, now, old, e) < 0)
		return -1;
	if (sb_view_make(c->api->en, &b->net, new, e) < 0) {
		sb_view_fini(old);
		return -1;
	}
	return 0;
}

void
dry_run(struct call *c, const char *id, struct network_body *b)
{
	struct sandbox *sb = engine_find(c->api->en, id);
	struct sb_view old, new;
	json_t *o = NULL;
	struct err e;
	int rc;

	rc =
	    sb == NULL ? sb_not_found(id, &e) : views(c, sb, b, &old, &new, &e);
	network_body_fini(b);
	if (rc == 0) {
		o = changes(&old, &new, &e);
		sb_view_fini(&old);
		sb_view_fini(&new);
	}
	if (o == NULL)
		call_error(c, &e, NULL);
	else
		call_json(c, o);
}
