#include "ctl/sandbox/look.h"

#include <stdlib.h>

#include "base/own.h"
#include "ctl/sandbox/sandbox_int.h"

int
sb_view_make(const struct engine *en, const struct sb_net *net,
    struct sb_view *out, struct err *e)
{
	struct np_policy p;
	int rc = sb_net_policy(net, &p, e);

	*out = (struct sb_view){ .site = &en->site };
	np_reach_init(&out->reach);
	if (rc < 0)
		return -1;
	rc = np_lower(&p, out->site, &out->ir, e);
	if (rc == 0)
		rc = np_reach_make(
		    &out->ir, en->cf.resolver6.n != 0, &out->reach, e);
	np_policy_fini(&p);
	if (rc < 0)
		sb_view_fini(out);
	return rc;
}

void
sb_view_fini(struct sb_view *v)
{
	np_ir_fini(&v->ir);
	np_reach_fini(&v->reach);
}

struct np_addr
engine_resolver(const struct engine *en, enum np_family f)
{
	return f == NP_V4 ? en->cf.resolver4 : en->cf.resolver6;
}

struct counting {
	sb_counted done;
	void *ctx;
};

static void
on_state(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct counting *x = ctx;
	const struct rules_reply *a = &r->u.rules;

	(void)who;
	(void)n;
	drop_fd(&r->fd);
	x->done(
	    x->ctx, a->rc < 0 ? NULL : &a->state, a->rc < 0 ? &a->err : NULL);
	free(x);
}

void
engine_counters(struct engine *en, const char *id, sb_counted done, void *ctx)
{
	const struct sandbox *sb = engine_find(en, id);
	struct rules_clear ask = { .slot = sb == NULL ? 0 : sb->r.slot.slot };
	struct chan_ask a = {
		.type = RULES_STATE,
		.head = &ask,
		.head_len = sizeof(ask),
		.fd = -1,
		.done = on_state,
	};
	struct counting *x;
	struct err e;

	if (ask.slot == 0) {
		done(ctx, NULL, NULL);
		return;
	}
	x = calloc(1, sizeof(*x));
	a.ctx = x;
	if (x == NULL) {
		err_sys(&e, "counters");
	} else {
		*x = (struct counting){ done, ctx };
		if (chan_ask(&en->rules, &a, &e) == 0)
			return;
	}
	free(x);
	done(ctx, NULL, &e);
}
