/* server.c - from a request's head to its handler. */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/api/schema.h"

enum {
	HEAD_TIMEOUT_MS = 10000,
	BODY_TIMEOUT_MS = 30000,
	IDLE_TIMEOUT_MS = 620000,
	CONNS_MAX = 8192,
};

static void
on_gone(struct http_req *r)
{
	struct call *c = http_req_data(r);

	if (c != NULL)
		c->r = NULL;
}

static struct call *
call_new(struct api *api, struct http_req *r, const struct route_found *f)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->r = r;
	c->api = api;
	c->route = f->route;
	c->arg = strdup(f->args[0] != NULL ? f->args[0] : "");
	if (c->arg == NULL) {
		free(c);
		return NULL;
	}
	c->next = api->calls;
	c->prev = &api->calls;
	if (c->next != NULL)
		c->next->prev = &c->next;
	api->calls = c;
	api->ncalls++;
	http_req_set_data(r, c);
	http_req_on_gone(r, on_gone);
	return c;
}

static void
on_body(struct http_req *r, const char *body, size_t n)
{
	struct call *c = http_req_data(r);
	char text[96];
	struct err e;

	if (body == NULL) {
		(void)snprintf(text, sizeof(text),
		    "The body is larger than %d bytes", API_BODY_MAX);
		call_fail(c, 413, NULL, text);
		return;
	}
	while (n > 0 && strchr(" \t\r\n", *body) != NULL)
		body++, n--;
	c->body = n == 0 && c->route->body == BODY_OPTIONAL
		      ? json_object()
		      : schema_parse(body, n, &e);
	if (c->body == NULL)
		call_error(c, &e, NULL);
	else
		c->route->handle(c);
}

static void
go(struct api *api, struct http_req *r, const struct route_found *f)
{
	struct call *c = call_new(api, r, f);
	struct err e;

	if (c == NULL) {
		reply_error(r, 500, "no memory");
		return;
	}
	if (query_parse(http_req_query(r), &c->query, &e) < 0)
		call_error(c, &e, NULL);
	else if (f->route->body == BODY_NONE)
		f->route->handle(c);
	else
		http_req_collect(r, API_BODY_MAX, on_body);
}

/* 0 if the request may go on. */
static int
admit(struct api *api, struct http_req *r)
{
	struct err e;

	if (api->auth.n == 0 &&
	    !auth_host_is_local(http_req_header(r, "Host"), api->cf.domain)) {
		reply_error(r, 403,
		    "This server has no API keys and answers to localhost "
		    "alone: check the Host header, or configure keys");
		return -1;
	}
	/* coppice-proxyd passes on what came by TLS, and says from where. */
	if (api->auth.n == 0 &&
	    !auth_peer_is_local(http_req_header(r, "X-Coppice-Peer"))) {
		reply_error(r, 403,
		    "This server has no API keys and answers to this host "
		    "alone: configure keys");
		return -1;
	}
	if (auth_check(&api->auth, http_req_header(r, "X-API-Key"),
		http_req_header(r, "Authorization"), &e) < 0) {
		cors_headers(api, r);
		reply_error(r, 401, e.msg);
		return -1;
	}
	if (api->en == NULL || !engine_ready(api->en)) {
		cors_headers(api, r);
		reply_error(r, 503, "The server is starting: try again");
		return -1;
	}
	return 0;
}

static void
no_route(struct api *api, struct http_req *r, const struct route_found *f)
{
	char text[320];

	cors_headers(api, r);
	if (f->allow[0] == '\0') {
		(void)snprintf(text, sizeof(text), "no such route: %.200s",
		    http_req_path(r));
		reply_error(r, 404, text);
		return;
	}
	http_reply_header(r, "Allow", "%s", f->allow);
	(void)snprintf(text, sizeof(text), "method %.20s is not allowed here",
	    http_req_method(r));
	reply_error(r, 405, text);
}

static void
on_request(struct http_req *r, void *ctx)
{
	struct api *api = ctx;
	struct route_found f;

	if (strcmp(http_req_method(r), "OPTIONS") == 0) {
		cors_preflight(api, r);
		return;
	}
	route_find(http_req_method(r), http_req_path(r), &f);
	if (f.route == NULL) {
		no_route(api, r, &f);
	} else if (f.route->handle == get_health) {
		if (api->en != NULL && engine_ready(api->en))
			http_reply(r, 200, "text/plain; charset=utf-8",
			    "Health check successful", 23);
		else
			http_reply(r, 503, "text/plain; charset=utf-8",
			    "Service is unavailable", 22);
	} else if (admit(api, r) < 0) {
		return;
	} else if (f.bad) {
		cors_headers(api, r);
		reply_error(r, 400, "malformed percent-encoding in the path");
	} else if (f.route->handle == NULL) {
		cors_headers(api, r);
		reply_error(r, 501, f.route->missing);
	} else {
		go(api, r, &f);
	}
}

/* It is answered above; the table wants a name to print. */
void
get_health(struct call *c)
{
	call_empty(c, 204);
}

static void
on_bad_request(int status, const char *why, struct buf *out, void *ctx)
{
	(void)ctx;
	error_body(out, status, why, NULL, NULL);
}

struct api *
api_new(struct loop *l, const struct api_conf *cf, struct err *e)
{
	struct api *api = calloc(1, sizeof(*api));
	struct http_handler h = { .on_request = on_request,
		.on_bad_request = on_bad_request,
		.ctx = api };
	struct http_limits lim = { .head_timeout_ms = HEAD_TIMEOUT_MS,
		.body_timeout_ms = BODY_TIMEOUT_MS,
		.idle_timeout_ms = IDLE_TIMEOUT_MS,
		.conns_max = CONNS_MAX };

	if (api == NULL) {
		err_sys(e, "API");
		return NULL;
	}
	api->loop = l;
	api->cf = *cf;
	if (auth_load(&api->auth, cf->api_keys, cf->api_keys_file, e) == 0)
		api->http = http_server_new(l, h, lim, e);
	memset(api->cf.api_keys, 0, sizeof(api->cf.api_keys));
	if (api->http == NULL) {
		api_free(api);
		return NULL;
	}
	return api;
}

void
api_engine(struct api *api, struct engine *en)
{
	api->en = en;
}

bool
api_has_keys(const struct api *api)
{
	return api->auth.n > 0;
}

int
api_listen(struct api *api, int fd, struct err *e)
{
	return http_server_listen(api->http, fd, e);
}

size_t
api_busy(const struct api *api)
{
	return api->ncalls;
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	http_server_free(api->http);
	while (api->calls != NULL) {
		struct call *c = api->calls;

		api->calls = c->next;
		json_decref(c->body);
		query_fini(&c->query);
		free(c->idem_key);
		free(c->arg);
		free(c);
	}
	envd_init_drop(api);
	envd_logs_drop(api);
	captures_drop(api);
	auth_fini(&api->auth);
	free(api);
}
