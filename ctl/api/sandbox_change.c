/*
 * sandbox_change.c - kill, pause, resume, connect, timeout, refreshes: a
 * small body, one event, one answer.
 */
#include "ctl/api/api_int.h"
#include "ctl/api/schema.h"

#include "base/own.h"

struct change_body {
	int64_t timeout_s; /* -1: not said */
	int64_t duration_s;
	enum sb_choice memory, auto_pause;
};

static int
take_timeout(const json_t *v, void *out, struct err *e)
{
	struct change_body *b = out;

	return schema_int(v, 0, INT32_MAX, &b->timeout_s, e);
}

static int
take_duration(const json_t *v, void *out, struct err *e)
{
	struct change_body *b = out;

	return schema_int(v, 0, 3600, &b->duration_s, e);
}

static int
take_memory(const json_t *v, void *out, struct err *e)
{
	struct change_body *b = out;

	(void)e;
	b->memory = json_is_true(v) ? SB_YES : SB_NO;
	return 0;
}

static int
take_auto_pause(const json_t *v, void *out, struct err *e)
{
	struct change_body *b = out;

	(void)e;
	b->auto_pause = json_is_true(v) ? SB_YES : SB_NO;
	return 0;
}

/* One table for each; a body is read by its route's own. */
static const struct field pause_fields[] = {
	{ "memory", T_BOOL, false, take_memory },
};
static const struct field connect_fields[] = {
	{ "timeout", T_INT, true, take_timeout },
	{ "memory", T_BOOL, false, take_memory },
};
static const struct field connect_v2_fields[] = {
	{ "timeout", T_INT, false, take_timeout },
	{ "memory", T_BOOL, false, take_memory },
};
static const struct field resume_fields[] = {
	{ "timeout", T_INT, false, take_timeout },
	{ "autoPause", T_BOOL, false, take_auto_pause },
	{ "memory", T_BOOL, false, take_memory },
};
static const struct field timeout_fields[] = {
	{ "timeout", T_INT, true, take_timeout },
};
static const struct field refresh_fields[] = {
	{ "duration", T_INT, false, take_duration },
};

/* NULL when the call was answered: a bad id, or a bad body. */
static const char *
begin(struct call *c, const struct field *f, size_t nf, struct change_body *b)
{
	const char *id = call_sandbox_id(c);
	struct err e;

	*b = (struct change_body){ .timeout_s = -1,
		.duration_s = -1,
		.memory = SB_UNSAID,
		.auto_pause = SB_UNSAID };
	if (id == NULL)
		return NULL;
	if (schema_take(f, nf, c->body, b, &e) < 0) {
		call_error(c, &e, NULL);
		return NULL;
	}
	return id;
}

static void
on_done(void *ctx, const struct sb_answer *a)
{
	struct call *c = ctx;

	if (a->err.kind != ERR_NONE)
		call_error(c, &a->err, a->code);
	else
		call_empty(c, 204);
}

static void
on_connected(void *ctx, const struct sb_answer *a)
{
	struct call *c = ctx;
	struct buf b;

	if (a->err.kind != ERR_NONE) {
		call_error(c, &a->err, a->code);
		return;
	}
	buf_init(&b, 16 * 1024);
	out_sandbox(&b, c->api, a->sb);
	call_ok(c, a->resumed ? 201 : 200, &b);
}

static void
ask(struct call *c, const char *id, struct sb_call call)
{
	call.ctx = c;
	engine_call(c->api->en, id, &call);
}

void
delete_sandbox(struct call *c)
{
	const char *id = call_sandbox_id(c);

	if (id != NULL)
		ask(c, id, (struct sb_call){ .op = OP_KILL, .done = on_done });
}

void
post_pause(struct call *c)
{
	struct change_body b;
	const char *id = begin(c, pause_fields, countof(pause_fields), &b);

	if (id == NULL)
		return;
	ask(c, id,
	    (struct sb_call){ .op = OP_PAUSE,
		.no_memory = b.memory == SB_NO,
		.done = on_done });
}

static void
connect(struct call *c, const char *id, const struct change_body *b,
    struct sb_call call)
{
	int64_t least = call.op == OP_CONNECT && call.timeout_s == 0 ? 0 : 1;
	struct err e;

	if (b->timeout_s >= 0)
		call.timeout_s = (uint64_t)b->timeout_s;
	if (timeout_check(c->api, (int64_t)call.timeout_s, least, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	call.no_memory = b->memory == SB_NO;
	call.done = on_connected;
	ask(c, id, call);
}

void
post_connect(struct call *c)
{
	struct change_body b;
	const char *id = begin(c, connect_fields, countof(connect_fields), &b);

	if (id != NULL)
		connect(c, id, &b, (struct sb_call){ .op = OP_CONNECT });
}

void
post_connect_v2(struct call *c)
{
	struct change_body b;
	const char *id =
	    begin(c, connect_v2_fields, countof(connect_v2_fields), &b);

	if (id != NULL)
		connect(c, id, &b,
		    (struct sb_call){ .op = OP_CONNECT,
			.timeout_s = c->api->cf.default_timeout_s });
}

void
post_resume(struct call *c)
{
	struct change_body b;
	const char *id = begin(c, resume_fields, countof(resume_fields), &b);

	if (id != NULL)
		connect(c, id, &b,
		    (struct sb_call){ .op = OP_RESUME,
			.timeout_s = 15,
			.auto_pause = b.auto_pause });
}

void
post_timeout(struct call *c)
{
	struct change_body b;
	const char *id = begin(c, timeout_fields, countof(timeout_fields), &b);
	struct err e;

	if (id == NULL)
		return;
	if (timeout_check(c->api, b.timeout_s, 0, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	ask(c, id,
	    (struct sb_call){ .op = OP_TIMEOUT,
		.timeout_s = (uint64_t)b.timeout_s,
		.done = on_done });
}

void
post_refreshes(struct call *c)
{
	struct change_body b;
	const char *id = begin(c, refresh_fields, countof(refresh_fields), &b);

	if (id == NULL)
		return;
	if (b.duration_s < 15)
		b.duration_s = 15;
	ask(c, id,
	    (struct sb_call){ .op = OP_REFRESH,
		.timeout_s = (uint64_t)b.duration_s,
		.done = on_done });
}
