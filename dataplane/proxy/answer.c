#include <stdio.h>
#include <string.h>

#include "http/server.h"
#include "io/log.h"
#include "proxy/proxy_int.h"

enum { BODY_MAX = 16 * 1024 };

#define JSON_TYPE "application/json; charset=utf-8"
#define HTML_TYPE "text/html; charset=utf-8"

/* The upstream, if there is one, has no part in this answer. */
static void
give(struct conn *c, int status, const char *type, const char *body, size_t n)
{
	loop_timer_stop(&c->timer);
	c->wants_sock = false;
	conn_detach(c);
	c->state = C_EXCHANGE;
	c->resp_head = true;
	c->status = (uint16_t)status;
	c->resp.kind = BODY_NONE;
	c->resp.done = true;
	c->reused = false;
	/*
	 * A body that has not come yet would be read as the next request if
	 * the connection went on.
	 */
	if (!c->req.done)
		c->keep = false;
	if (buf_printf(&c->c.out,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"%s\r\n",
		status, http_status_text(status), type, n,
		c->keep ? (c->http10 ? "Connection: keep-alive\r\n" : "")
			: "Connection: close\r\n") < 0 ||
	    (!c->to_head && buf_add(&c->c.out, body, n) < 0)) {
		conn_kill(c, true);
		return;
	}
	conn_advance(c);
}

/* `json` is what programs get; people get `message`, which has no markup. */
static void
give_either(struct conn *c, int status, const char *json, const char *message)
{
	char page[2048];

	if (!c->html) {
		give(c, status, JSON_TYPE, json, strlen(json));
		return;
	}
	(void)snprintf(page, sizeof(page),
	    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<title>%d %s</title><style>body{font:16px/1.5 sans-serif;"
	    "margin:15vh auto;max-width:34em;padding:0 1em;color:#222}"
	    "small{color:#777}</style></head>\n"
	    "<body><h1>%s</h1><p><small>Coppice &middot; error %d</small></p>"
	    "</body></html>\n",
	    status, http_status_text(status), message, status);
	give(c, status, HTML_TYPE, page, strlen(page));
}

void
answer_bad(struct conn *c, int status, const char *why)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "%.256s\n", why);
	give(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

void
answer_sandbox(struct conn *c, const char *id, int status, const char *message)
{
	char json[512];

	(void)snprintf(json, sizeof(json),
	    "{\"sandboxId\":\"%s\",\"message\":\"%s\",\"code\":%d}", id,
	    message, status);
	give_either(c, status, json, message);
}

void
answer_not_found(struct conn *c, const char *id)
{
	char copy[TARGET_ID_MAX]; /* id may be of a route that goes away */

	(void)snprintf(copy, sizeof(copy), "%s", id);
	answer_sandbox(c, copy, 502, "The sandbox was not found");
}

static void
with_port(struct conn *c, const char *message)
{
	char json[512];

	if (c->route == &c->p->api) {
		static const char away[] =
		    "{\"code\":503,\"message\":\"The API does not answer\"}";

		give(c, 503, JSON_TYPE, away, sizeof(away) - 1);
		return;
	}

	(void)snprintf(json, sizeof(json),
	    "{\"sandboxId\":\"%s\",\"message\":\"%s\",\"port\":%u,"
	    "\"code\":502}",
	    c->route->id, message, c->port);
	give_either(c, 502, json, message);
}

void
answer_closed_port(struct conn *c)
{
	with_port(c, "The sandbox is running but port is not open");
}

void
answer_broken(struct conn *c)
{
	with_port(c,
	    "The service in the sandbox closed the connection without a "
	    "complete answer");
}

void
answer_too_many(struct conn *c, const char *id)
{
	static const char message[] =
	    "Too many concurrent connections to the sandbox";
	char json[512];

	(void)snprintf(json, sizeof(json),
	    "{\"sandboxId\":\"%s\",\"message\":\"%s\",\"code\":429,"
	    "\"connectionLimit\":%u}",
	    id, message, c->p->per_sandbox_max);
	give_either(c, 429, json, message);
}

void
answer_forbidden_path(struct conn *c, const char *path, size_t n)
{
	char body[BODY_MAX];
	struct buf b;

	buf_init(&b, sizeof(body));
	(void)buf_puts(&b, "{\"message\":\"Not found\",\"path\":\"");
	for (size_t i = 0; i < n && i < 1024; i++) {
		unsigned char ch = (unsigned char)path[i];

		if (ch == '"' || ch == '\\' || ch < 0x20 || ch >= 0x7f)
			(void)buf_printf(&b, "\\u%04x", ch);
		else
			(void)buf_add(&b, &path[i], 1);
	}
	(void)buf_puts(&b, "\",\"code\":404}");
	n = b.len;
	memcpy(body, b.data, n);
	buf_fini(&b);
	give(c, 404, JSON_TYPE, body, n);
}
