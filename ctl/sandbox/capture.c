/* capture.c - a stream to coppice-capture, for a sandbox that runs. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>

#include "base/own.h"

struct asking {
	sb_captured done;
	void *ctx;
};

static void
on_capture(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct asking *a = ctx;
	const struct spawn_reply *s = &r->u.spawn;
	struct err e = s->err;
	int fd = r->fd;

	(void)who;
	(void)n;
	if (s->rc == 0 && fd < 0)
		err_set(&e, ERR_BUG, "privd sent no stream");
	if (s->rc < 0)
		drop_fd(&fd);
	a->done(a->ctx, fd, fd < 0 ? &e : NULL);
	free(a);
}

static int
ask(struct sandbox *sb, struct asking *a, struct err *e)
{
	const struct chan_ask q = {
		.type = SPAWN_CAPTURE,
		.head = &sb->r.slot,
		.head_len = sizeof(sb->r.slot),
		.fd = -1,
		.done = on_capture,
		.ctx = a,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	if (sb->r.state != SB_RUNNING)
		return sb_busy(sb, e);
	return chan_ask(&sb->en->spawn, &q, e);
}

void
engine_capture(struct engine *en, const char *id, sb_captured done, void *ctx)
{
	struct sandbox *sb = engine_find(en, id);
	struct asking *a = NULL;
	struct err e;

	if (sb == NULL)
		sb_not_found(id, &e);
	else if ((a = calloc(1, sizeof(*a))) == NULL)
		err_sys(&e, "request");
	if (a != NULL) {
		*a = (struct asking){ done, ctx };
		if (ask(sb, a, &e) == 0)
			return;
	}
	free(a);
	done(ctx, -1, &e);
}
