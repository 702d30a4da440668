/* envd_init.c - POST /init: who a sandbox is, told to its envd. */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/client.h"

enum {
	ANSWER_MAX = 4096,
	TIMEOUT_MS = 5000,
	BODY_MAX = 1024 * 1024,
	HEADER_MAX = 160,
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

static void
on_done(struct http_call *h, int status, const char *body, size_t n,
    const struct err *e)
{
	struct init *i = h->ctx;
	struct api *api = i->api;
	struct sb_ref ref = i->ref;
	struct err why = { .kind = ERR_NONE };

	/* Whatever a sandbox answers is hostile; only the status counts. */
	(void)body;
	(void)n;
	if (e != NULL)
		why = *e;
	drop(i);
	engine_init_done(api->en, ref, status, &why);
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

static int
start(struct init *i, int fd, const struct sb_record *r, struct err *e)
{
	static const char front[] =
	    "Content-Type: application/json\r\nX-Coppice-Init: ";
	char headers[HEADER_MAX], secret[SPAWN_SECRET_LEN * 2 + 1];
	struct buf b;
	int rc;

	hex_text(r->secret, sizeof(r->secret), secret);
	(void)snprintf(headers, sizeof(headers), "%s%s\r\n", front, secret);
	buf_init(&b, BODY_MAX);
	identity(&b, r);
	rc = http_call_start(i->api->loop, &i->http, fd, SPAWN_ENVD_PORT,
	    "POST", "/init", headers, b.data, b.len, ANSWER_MAX, TIMEOUT_MS, e);
	buf_fini(&b);
	return rc;
}

int
api_envd_init(void *ctx, const struct sb_record *r, struct sb_ref ref, int fd,
    struct err *e)
{
	struct api *api = ctx;
	struct init *i = calloc(1, sizeof(*i));

	if (i == NULL) {
		(void)close(fd);
		return err_sys(e, "init");
	}
	i->http.on_done = on_done;
	i->http.ctx = i;
	i->api = api;
	i->ref = ref;
	if (start(i, fd, r, e) < 0) {
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
