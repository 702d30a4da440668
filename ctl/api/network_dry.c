/*
 * network_dry.c - PUT /sandboxes/{sandboxID}/network?dryRun=1: what the policy
 * would close and open, and which live flows it would cut.  Nothing changes.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/api/api_int.h"
#include "ctl/api/network_body.h"
#include "ctl/api/network_show.h"
#include "ctl/sandbox/judge.h"
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

struct dry {
	struct call *c;
	json_t *changes;
	struct sb_view old, new;
};

static void
dry_free(struct dry *d)
{
	json_decref(d->changes);
	sb_view_fini(&d->old);
	sb_view_fini(&d->new);
	free(d);
}

/* --- which flows ------------------------------------------------------------
 */

static bool
is_over(const struct rules_flow *f)
{
	enum { TIME_WAIT = 7, CLOSE = 8 }; /* of the kernel's tcp_conntrack */

	return f->proto == IPPROTO_TCP &&
	       (f->state == TIME_WAIT || f->state == CLOSE);
}

static bool
would_cut(const struct dry *d, const struct rules_flow *x)
{
	const struct sb_flow at = { x->to, x->family, x->proto, x->port };
	const struct np_flow f = { judge_addr(&at), x->port, x->proto };

	/* What the old one does not pass is dead, or the resolver's. */
	return !is_over(x) && np_reach_has(&d->old.reach, &f) &&
	       !np_reach_has(&d->new.reach, &f);
}

static int
answer(const struct dry *d, const struct sandbox *sb,
    const struct rules_flow *v, uint32_t n, struct buf *b)
{
	autofree char *text =
	    json_dumps(d->changes, JSON_COMPACT | JSON_PRESERVE_ORDER);
	bool first = true;

	if (text == NULL)
		return -1;
	(void)buf_add(b, text, strlen(text) - 1);
	(void)buf_puts(b, ",\"flows\":[");
	for (uint32_t i = 0; i < n; i++) {
		if (!would_cut(d, &v[i]))
			continue;
		if (!first)
			(void)buf_puts(b, ",");
		first = false;
		out_flow(b, &v[i], sandbox_record(sb)->gen);
	}
	return buf_puts(b, "]}");
}

static void
on_flows(void *ctx, const struct rules_flow *v, uint32_t n, const struct err *e)
{
	struct dry *d = ctx;
	struct call *c = d->c;
	const struct sandbox *sb;
	struct buf b;

	buf_init(&b, API_ANSWER_MAX);
	if (e != NULL) {
		call_error(c, e, NULL);
	} else if ((sb = call_sandbox(c)) != NULL) {
		if (answer(d, sb, v, n, &b) == 0)
			call_ok(c, 200, &b);
		else
			call_fail(c, 500, NULL, "no memory");
	}
	buf_fini(&b);
	dry_free(d);
}

/* --- asked ------------------------------------------------------------------
 */

static int
views(struct dry *d, const struct sandbox *sb, struct network_body *b,
    struct err *e)
{
	const struct sb_net *now = &sandbox_record(sb)->net;

	settle(&b->net, now);
	if (sb_view_make(d->c->api->en, now, &d->old, e) < 0 ||
	    sb_view_make(d->c->api->en, &b->net, &d->new, e) < 0)
		return -1;
	d->changes = changes(&d->old, &d->new, e);
	return d->changes == NULL ? -1 : 0;
}

void
dry_run(struct call *c, const char *id, struct network_body *b)
{
	const struct sandbox *sb = engine_find(c->api->en, id);
	struct dry *d = calloc(1, sizeof(*d));
	struct err e;
	int rc = -1;

	if (d == NULL)
		err_sys(&e, "dry run");
	else if (sb == NULL)
		sb_not_found(id, &e);
	else {
		d->c = c;
		rc = views(d, sb, b, &e);
	}
	network_body_fini(b);
	if (rc == 0) {
		engine_flows(c->api->en, id, on_flows, d);
		return;
	}
	if (d != NULL)
		dry_free(d);
	call_error(c, &e, NULL);
}
