#include "ctl/sandbox/look.h"

#include <stdlib.h>

#include "base/own.h"
#include "ctl/sandbox/sandbox_int.h"
#include "io/memfile.h"

int
sb_view_make(const struct engine *en, const struct sb_net *net,
    struct sb_view *out, struct err *e)
{
	*out = (struct sb_view){ .site = &en->site };
	np_reach_init(&out->reach);
	if (sb_net_ir(net, out->site, &out->ir, e) < 0)
		return -1;
	if (np_reach_make(&out->ir, en->cf.resolver6.n != 0, &out->reach, e) ==
	    0)
		return 0;
	sb_view_fini(out);
	return -1;
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

/* --- what privd rules knows -------------------------------------------------
 */

struct asking {
	sb_counted counted;
	sb_flowed flowed;
	void *ctx;
};

/* 1: asked, and `done` gets a copy of x to free; 0: there are no rules now. */
static int
ask(struct engine *en, const char *id, enum rules_type type,
    void (*done)(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r),
    struct asking x, struct err *e)
{
	const struct sandbox *sb = engine_find(en, id);
	struct rules_clear slot = { .slot = sb == NULL ? 0 : sb->r.slot.slot };
	struct asking *own;
	struct chan_ask a = {
		.type = (uint16_t)type,
		.head = &slot,
		.head_len = sizeof(slot),
		.fd = -1,
		.done = done,
	};

	if (slot.slot == 0)
		return 0;
	own = malloc(sizeof(*own));
	if (own == NULL)
		return err_sys(e, "question");
	*own = x;
	a.ctx = own;
	if (chan_ask(&en->rules, &a, e) == 0)
		return 1;
	free(own);
	return -1;
}

static void
on_state(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct asking *x = ctx;
	const struct rules_reply *a = &r->u.rules;

	(void)who;
	(void)n;
	drop_fd(&r->fd);
	x->counted(
	    x->ctx, a->rc < 0 ? NULL : &a->state, a->rc < 0 ? &a->err : NULL);
	free(x);
}

void
engine_counters(struct engine *en, const char *id, sb_counted done, void *ctx)
{
	struct asking x = { .counted = done, .ctx = ctx };
	struct err e;
	int rc = ask(en, id, RULES_STATE, on_state, x, &e);

	if (rc <= 0)
		done(ctx, NULL, rc < 0 ? &e : NULL);
}

static void
on_flows(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct asking *x = ctx;
	const struct rules_reply *a = &r->u.rules;
	const size_t bytes = a->nflows * sizeof(struct rules_flow);
	struct rules_flow *v = NULL;
	struct err e = a->err;
	int rc = a->rc;

	(void)who;
	(void)n;
	if (rc == 0 && a->nflows > RULES_FLOWS_MAX)
		rc = err_set(&e, ERR_BUG, "%u flows", a->nflows);
	if (rc == 0 && a->nflows > 0) {
		v = memfile_map(r->fd, bytes, &e);
		rc = v == NULL ? -1 : 0;
	}
	drop_fd(&r->fd);
	x->flowed(x->ctx, v, rc < 0 ? 0 : a->nflows, rc < 0 ? &e : NULL);
	memfile_unmap(v, bytes);
	free(x);
}

void
engine_flows(struct engine *en, const char *id, sb_flowed done, void *ctx)
{
	struct asking x = { .flowed = done, .ctx = ctx };
	struct err e;
	int rc = ask(en, id, RULES_FLOWS, on_flows, x, &e);

	if (rc <= 0)
		done(ctx, NULL, 0, rc < 0 ? &e : NULL);
}
