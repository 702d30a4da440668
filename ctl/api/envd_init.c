/*
 * envd_init.c - what a sandbox's envd is told: who it is (POST /init), and
 * what runs in it from the start (POST /start).
 */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "http/client.h"

enum {
	ANSWER_MAX = 4096,
	TIMEOUT_MS = 5000,
	BODY_MAX = 1024 * 1024,
	HEADER_MAX = 160,
	WHY_MAX = 320,
};

struct init {
	struct http_call http;
	struct init *next, **prev;
	struct api *api;
	struct sb_ref ref;
};

static void
drop(struct init *i)
{
	*i->prev = i->next;
	if (i->next != NULL)
		i->next->prev = i->prev;
	free(i);
}

/* A sandbox's words are hostile: one line of what can be printed. */
static void
tidy(const char *body, size_t n, char to[WHY_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < n && len < WHY_MAX - 1; i++)
		to[len++] = body[i] >= ' ' && body[i] < 127 ? body[i] : ' ';
	while (len > 0 && to[len - 1] == ' ')
		len--;
	to[len] = '\0';
}

static void
on_done(struct http_call *h, int status, const char *body, size_t n,
    const struct err *e)
{
	struct init *i = h->ctx;
	struct api *api = i->api;
	struct sb_ref ref = i->ref;
	char why[WHY_MAX];
	struct envd_said said = { .status = status, .fd = h->fd, .why = why };

	tidy(body, n, why);
	if (e != NULL)
		said.e = *e;
	drop(i);
	engine_envd_said(api->en, ref, &said);
}

static void
identity(struct buf *b, const struct sb_record *r)
{
	(void)buf_puts(b, "{\"defaultUser\":");
	out_string(b, r->user);
	(void)buf_puts(b, ",\"defaultWorkdir\":");
	out_string(b, r->workdir);
	out_time(b, "timestamp", wall_ms());
	if (r->envd_token[0] != '\0') {
		(void)buf_puts(b, ",\"accessToken\":");
		out_string(b, r->envd_token);
	}
	(void)buf_puts(b, ",\"envVars\":");
	(void)buf_puts(b, r->env_json != NULL ? r->env_json : "{}");
	(void)buf_puts(b, "}");
}

static void
command(struct buf *b, const struct template *t)
{
	(void)buf_puts(b, "{\"cmd\":");
	out_string(b, t->start_cmd);
	(void)buf_puts(b, ",\"ready\":");
	out_string(b, t->ready_cmd);
	(void)buf_puts(b, ",\"user\":");
	out_string(b, t->start_user);
	(void)buf_printf(b, ",\"timeoutMs\":%u,\"restart\":true}",
	    t->start_timeout_s * 1000);
}

static int
send_it(struct init *i, const struct envd_ask *q, struct err *e)
{
	static const char front[] =
	    "Content-Type: application/json\r\nX-Coppice-Init: ";
	char headers[HEADER_MAX], secret[SPAWN_SECRET_LEN * 2 + 1];
	uint64_t timeout_ms = TIMEOUT_MS;
	struct buf b;
	int rc;

	hex_text(q->r->secret, sizeof(q->r->secret), secret);
	(void)snprintf(headers, sizeof(headers), "%s%s\r\n", front, secret);
	buf_init(&b, BODY_MAX);
	if (q->start != NULL) {
		command(&b, q->start);
		timeout_ms += (uint64_t)q->start->start_timeout_s * 1000;
	} else {
		identity(&b, q->r);
	}
	rc = http_call_start(i->api->loop, &i->http, q->fd, SPAWN_ENVD_PORT,
	    "POST", q->start != NULL ? "/start" : "/init", headers, b.data,
	    b.len, ANSWER_MAX, timeout_ms, e);
	buf_fini(&b);
	return rc;
}

int
api_envd(void *ctx, const struct envd_ask *q, struct err *e)
{
	struct api *api = ctx;
	struct init *i = calloc(1, sizeof(*i));

	if (i == NULL) {
		(void)close(q->fd);
		return err_sys(e, "init");
	}
	i->http.on_done = on_done;
	i->http.ctx = i;
	i->http.keep = q->keep;
	i->api = api;
	i->ref = q->ref;
	if (send_it(i, q, e) < 0) {
		free(i);
		return -1;
	}
	i->next = api->inits;
	i->prev = &api->inits;
	if (i->next != NULL)
		i->next->prev = &i->next;
	api->inits = i;
	return 0;
}

void
envd_init_drop(struct api *api)
{
	while (api->inits != NULL) {
		http_call_cancel(&api->inits->http);
		drop(api->inits);
	}
}
