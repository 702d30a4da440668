/* reply.c - the one place that turns an error into an answer. */
#include "ctl/api/api_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/log.h"

#define JSON "application/json; charset=utf-8"

static void
call_end(struct call *c)
{
	if (c->r != NULL) {
		http_req_on_gone(c->r, NULL);
		http_req_set_data(c->r, NULL);
	}
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->api->ncalls--;
	json_decref(c->body);
	query_fini(&c->query);
	free(c->idem_key);
	free(c->arg);
	free(c);
}

static void
send(struct call *c, int status, const char *body, size_t n)
{
	struct http_req *r = c->r;
	const struct api *api = c->api;

	idempotency_end(c, status, body, n);
	/* Before the reply: sending it may free r. */
	call_end(c);
	if (r == NULL)
		return;
	cors_headers(api, r);
	if (n > 0)
		http_reply(r, status, JSON, body, n);
	else
		http_reply(r, status, NULL, NULL, 0);
}

void
call_ok(struct call *c, int status, struct buf *json)
{
	/* A buffer that met its ceiling, or no memory, ends in nothing. */
	if (json->len == 0)
		call_fail(c, 500, NULL, "the answer is too large");
	else
		send(c, status, json->data, json->len);
	buf_fini(json);
}

void
call_empty(struct call *c, int status)
{
	send(c, status, NULL, 0);
}

struct http_req *
call_stream(struct call *c, int status, const char *ctype)
{
	struct http_req *r = c->r;
	const struct api *api = c->api;

	call_end(c);
	if (r == NULL)
		return NULL;
	cors_headers(api, r);
	http_reply_begin(r, status, ctype, -1);
	return r;
}

void
error_body(struct buf *b, int status, const char *message, const char *where,
    const char *code)
{
	(void)buf_printf(b, "{\"code\":%d,\"message\":", status);
	out_string(b, message);
	if (where != NULL && *where != '\0') {
		(void)buf_puts(b, ",\"where\":");
		out_string(b, where);
	}
	if (code != NULL) {
		(void)buf_puts(b, ",\"error_code\":");
		out_string(b, code);
	}
	(void)buf_puts(b, "}");
}

static void
fail(struct call *c, int status, const char *message, const char *where,
    const char *code)
{
	struct buf b;

	buf_init(&b, 16 * 1024);
	error_body(&b, status, message, where, code);
	send(c, status, b.data, b.len);
	buf_fini(&b);
}

void
call_error(struct call *c, const struct err *e, const char *code)
{
	int status = err_status(e->kind);

	if (status == 500)
		log_error("api.error path=%s err=\"%s\"",
		    c->route != NULL ? c->route->path : "-", e->msg);
	fail(c, status, e->msg, e->where, code);
}

void
call_fail(struct call *c, int status, const char *code, const char *message)
{
	fail(c, status, message, NULL, code);
}

void
reply_error(struct http_req *r, int status, const char *message)
{
	struct buf b;

	buf_init(&b, 16 * 1024);
	error_body(&b, status, message, NULL, NULL);
	http_reply(r, status, JSON, b.data, b.len);
	buf_fini(&b);
}

void
call_header(struct call *c, const char *name, const char *fmt, ...)
{
	char value[1024];
	va_list ap;

	if (c->r == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	http_reply_header(c->r, name, "%s", value);
}

/*
 * `^[a-z0-9]+$`, after cutting an older client's `-<clientID>`.
 */
const char *
call_sandbox_id(struct call *c)
{
	char *dash = strchr(c->arg, '-');

	if (dash != NULL && strchr(dash + 1, '-') == NULL)
		*dash = '\0';
	if (*c->arg != '\0' && strlen(c->arg) < SPAWN_ID_MAX &&
	    c->arg[strspn(c->arg, "abcdefghijklmnopqrstuvwxyz0123456789")] ==
		'\0')
		return c->arg;
	call_fail(c, 400, NULL, "Invalid sandbox ID");
	return NULL;
}

struct sandbox *
call_sandbox(struct call *c)
{
	const char *id = call_sandbox_id(c);
	struct sandbox *sb;
	struct err e;

	if (id == NULL)
		return NULL;
	sb = engine_find(c->api->en, id);
	if (sb != NULL)
		return sb;
	sb_not_found(id, &e);
	call_error(c, &e, NULL);
	return NULL;
}
