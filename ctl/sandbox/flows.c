/* flows.c - what conntrack knows of a sandbox, asked of privd. */
#include <stdlib.h>

#include "base/own.h"
#include "ctl/sandbox/look.h"
#include "ctl/sandbox/sandbox_int.h"
#include "io/memfile.h"

struct asking {
	sb_flowed done;
	void *ctx;
};

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
	x->done(x->ctx, v, rc < 0 ? 0 : a->nflows, rc < 0 ? &e : NULL);
	memfile_unmap(v, bytes);
	free(x);
}

void
engine_flows(struct engine *en, const char *id, sb_flowed done, void *ctx)
{
	const struct sandbox *sb = engine_find(en, id);
	struct rules_clear ask = { .slot = sb == NULL ? 0 : sb->r.slot.slot };
	struct chan_ask a = {
		.type = RULES_FLOWS,
		.head = &ask,
		.head_len = sizeof(ask),
		.fd = -1,
		.done = on_flows,
	};
	struct asking *x;
	struct err e;

	if (ask.slot == 0) {
		done(ctx, NULL, 0, NULL);
		return;
	}
	x = calloc(1, sizeof(*x));
	a.ctx = x;
	if (x == NULL) {
		err_sys(&e, "flows");
	} else {
		*x = (struct asking){ done, ctx };
		if (chan_ask(&en->rules, &a, &e) == 0)
			return;
	}
	free(x);
	done(ctx, NULL, 0, &e);
}
