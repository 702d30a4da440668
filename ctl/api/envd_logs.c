/* envd_logs.c - GET /logs: what is said inside a sandbox, as it is said. */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/client.h"

enum {
	QUIET_MS = 150000, /* envd says something once a minute */
	REFUSAL_MAX = 4096,
	HEADER_MAX = 128,
	PATH_TEXT = 64,
};

struct envd_logs {
	struct http_call http;
	struct envd_logs *next, **prev;
	struct api *api;
	struct sb_ref ref;
};

static void
drop(struct envd_logs *l)
{
	*l->prev = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	free(l);
}

static void
on_data(struct http_call *h, const char *p, size_t n)
{
	struct envd_logs *l = h->ctx;

	engine_logs_data(l->api->en, l->ref, p, n);
}

static void
on_done(struct http_call *h, int status, const char *body, size_t n,
    const struct err *e)
{
	struct envd_logs *l = h->ctx;
	struct api *api = l->api;
	struct sb_ref ref = l->ref;
	struct err why;

	(void)body;
	(void)n;
	err_set(&why, ERR_SYS, "envd ended it with %d", status);
	if (e != NULL)
		why = *e;
	drop(l);
	engine_logs_end(api->en, ref, &why);
}

static int
start(struct envd_logs *l, int fd, const struct sb_record *r, uint64_t after,
    struct err *e)
{
	char header[HEADER_MAX], path[PATH_TEXT];
	char secret[SPAWN_SECRET_LEN * 2 + 1];

	hex_text(r->secret, sizeof(r->secret), secret);
	(void)snprintf(
	    header, sizeof(header), "X-Coppice-Init: %s\r\n", secret);
	(void)snprintf(
	    path, sizeof(path), "/logs?after=%llu", (unsigned long long)after);
	return http_call_start(l->api->loop, &l->http, fd, SPAWN_ENVD_PORT,
	    "GET", path, header, "", 0, REFUSAL_MAX, QUIET_MS, e);
}

void *
api_envd_logs(struct api *api, const struct sb_record *r, struct sb_ref ref,
    int fd, uint64_t after, struct err *e)
{
	struct envd_logs *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)close(fd);
		err_sys(e, "log");
		return NULL;
	}
	l->http.on_done = on_done;
	l->http.on_data = on_data;
	l->http.ctx = l;
	l->api = api;
	l->ref = ref;
	if (start(l, fd, r, after, e) < 0) {
		free(l);
		return NULL;
	}
	l->next = api->logs;
	l->prev = &api->logs;
	if (l->next != NULL)
		l->next->prev = &l->next;
	api->logs = l;
	return l;
}

void
api_envd_logs_stop(void *conn)
{
	struct envd_logs *l = conn;

	http_call_cancel(&l->http);
	drop(l);
}

void
envd_logs_drop(struct api *api)
{
	while (api->logs != NULL)
		api_envd_logs_stop(api->logs);
}
