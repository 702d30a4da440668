/* pool.c - GET /pool, POST /pool/{template}/warm, POST /pool/{template}/drain
 */
#include "ctl/api/api_int.h"

#include <stdio.h>

#include "base/own.h"
#include "ctl/api/schema.h"
#include "ctl/sandbox/pool.h"

static int
take_count(const json_t *v, void *out, struct err *e)
{
	return schema_int(v, 1, TEMPLATE_POOL_MAX, out, e);
}

static const struct field warm_fields[] = {
	{ "count", T_INT, true, take_count },
};

static void
out_name(struct buf *b, const struct template *t)
{
	(void)buf_puts(b, "\"template\":");
	out_string(b, t->nnames > 0 ? t->names[0] : t->id);
}

static void
out_line(struct buf *b, struct engine *en, const struct template *t)
{
	struct pool_status s;

	engine_pool_status(en, t->id, &s);
	(void)buf_puts(b, "{");
	out_name(b, t);
	(void)buf_puts(b, ",\"templateID\":");
	out_string(b, t->id);
	(void)buf_printf(b,
	    ",\"ready\":%u,\"warming\":%u,\"target\":%u,\"inUse\":%u}", s.ready,
	    s.warming, s.target, s.in_use);
}

void
get_pool(struct call *c)
{
	struct templates *all = engine_templates(c->api->en);
	struct buf b;

	templates_refresh(all);
	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "[");
	for (size_t i = 0; i < all->n; i++) {
		if (i > 0)
			(void)buf_puts(&b, ",");
		out_line(&b, c->api->en, &all->v[i]);
	}
	(void)buf_puts(&b, "]");
	call_ok(c, 200, &b);
}

void
post_pool_warm(struct call *c)
{
	const struct template *t;
	const char *code = NULL;
	struct err e;
	int64_t count;
	struct buf b;

	if (schema_take(
		warm_fields, countof(warm_fields), c->body, &count, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	t = call_template(c);
	if (t == NULL)
		return;
	if (engine_pool_warm(c->api->en, t->id, (uint32_t)count, &code, &e) <
	    0) {
		call_error(c, &e, code);
		return;
	}
	buf_init(&b, 1024);
	out_line(&b, c->api->en, t);
	call_ok(c, 202, &b);
}

void
post_pool_drain(struct call *c)
{
	const struct template *t = call_template(c);
	struct buf b;

	if (t == NULL)
		return;
	buf_init(&b, 1024);
	(void)buf_puts(&b, "{");
	out_name(&b, t);
	(void)buf_printf(
	    &b, ",\"drained\":%u}", engine_pool_drain(c->api->en, t->id));
	call_ok(c, 200, &b);
}
