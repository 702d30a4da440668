/* sandboxes_create.c - POST /sandboxes, POST /v2/sandboxes */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/api/create_body.h"

/* What v1 gives whoever says nothing. */
enum { V1_TIMEOUT_S = 15 };

static void
on_created(void *ctx, const struct sb_answer *a)
{
	struct call *c = ctx;
	struct buf b;

	if (a->err.kind != ERR_NONE) {
		call_error(c, &a->err, a->code);
		return;
	}
	buf_init(&b, 16 * 1024);
	out_sandbox(&b, c->api, a->sb);
	call_header(c, "Coppice-Generation", "%u", a->gen);
	call_ok(c, 201, &b);
}

int
timeout_check(const struct api *api, int64_t s, int64_t least, struct err *e)
{
	if (s < least) {
		err_set(e, ERR_INVALID,
		    "validation error: timeout must be at least %lld, not %lld",
		    (long long)least, (long long)s);
		return err_at(e, "/timeout");
	}
	if ((uint64_t)s > api->cf.max_timeout_s) {
		err_set(e, ERR_INVALID,
		    "Timeout cannot be greater than %llu hours",
		    (unsigned long long)(api->cf.max_timeout_s / 3600));
		return err_at(e, "/timeout");
	}
	return 0;
}

static int
check(
    struct call *c, struct create_body *b, bool v2, bool secure, struct err *e)
{
	if (b->timeout_s < 0)
		b->timeout_s =
		    v2 ? (int64_t)c->api->cf.default_timeout_s : V1_TIMEOUT_S;
	if (timeout_check(c->api, b->timeout_s, 1, e) < 0)
		return -1;
	if (b->network.public_traffic == SB_NO && !secure) {
		err_set(e, ERR_INVALID,
		    "allowPublicTraffic: false needs a secured sandbox "
		    "(secure: true)");
		return err_at(e, "/network/allowPublicTraffic");
	}
	return 0;
}

/* The template's variables, and over them the request's. */
static int
add_env(struct sb_record *r, const char *more, struct err *e)
{
	json_t *all, *over;
	char *text = NULL;

	if (more == NULL)
		return 0;
	if (r->env_json == NULL) {
		r->env_json = strdup(more);
		return r->env_json != NULL ? 0 : err_sys(e, "envVars");
	}
	all = json_loads(r->env_json, 0, NULL);
	over = json_loads(more, 0, NULL);
	if (all != NULL && json_object_update(all, over) == 0)
		text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	json_decref(over);
	if (text == NULL)
		return err_sys(e, "envVars");
	free(r->env_json);
	r->env_json = text;
	return 0;
}

/* Moves what b owns. */
static void
from_body(struct sb_record *r, struct create_body *b)
{
	r->has_metadata = b->has_metadata;
	r->metadata = b->metadata;
	b->metadata = (struct sb_pairs){ .n = 0 };
	r->mcp_json = take(&b->mcp_json);
	r->net = b->network.net;
	b->network.net.json = NULL;
	r->private_traffic = b->network.public_traffic == SB_NO;
	memcpy(r->mask_host, b->network.mask_host, sizeof(r->mask_host));
	r->pause_on_timeout = b->auto_pause == SB_YES;
	r->pause_files_only = b->auto_pause_memory == SB_NO;
	r->auto_resume = b->auto_resume == SB_YES;
	r->timeout_s = (uint64_t)b->timeout_s;
}

static int
too_large(const struct api *api, const struct template *t, struct err *e)
{
	if (t->memory_mb <= api->cf.host_memory_mb)
		return 0;
	return err_set(e, ERR_BUSY,
	    "the template asks for %u MiB of memory and this host has %u",
	    t->memory_mb, api->cf.host_memory_mb);
}

static void
create(struct call *c, struct create_body *b, bool secure)
{
	struct sb_create create = {
		.secure = secure, .done = on_created, .ctx = c
	};
	struct err e;
	const struct template *t =
	    templates_find(engine_templates(c->api->en), b->template_name, &e);

	if (t == NULL) {
		call_error(c, &e, NULL);
		return;
	}
	if (too_large(c->api, t, &e) < 0) {
		call_error(c, &e, "sandbox_capacity_unavailable");
		return;
	}
	if (template_fill(t, &create.r, &e) < 0 ||
	    add_env(&create.r, b->env_json, &e) < 0) {
		sb_record_fini(&create.r);
		call_error(c, &e, NULL);
		return;
	}
	from_body(&create.r, b);
	create.policy = b->network.policy;
	b->network.policy.v = NULL;
	if (b->network.warning[0] != '\0')
		call_header(c, "Coppice-Warning", "%s", b->network.warning);
	engine_create(c->api->en, &create);
}

static void
post(struct call *c, bool v2)
{
	struct create_body b;
	struct err e;
	bool secure;

	if (idempotency_begin(c, create_body_fields, create_body_nfields) < 0)
		return;
	if (create_body_take(c->body, &b, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	secure = v2 || c->api->cf.require_secure || b.secure == SB_YES;
	if (check(c, &b, v2, secure, &e) < 0)
		call_error(c, &e, NULL);
	else
		create(c, &b, secure);
	create_body_fini(&b);
}

void
post_sandboxes(struct call *c)
{
	post(c, false);
}

void
post_sandboxes_v2(struct call *c)
{
	post(c, true);
}
