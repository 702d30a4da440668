/* Who may ask what: cross-origin, token, user, route, in this order. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/connect.h"
#include "envd/envd.h"
#include "envd/journal.h"
#include "envd/start.h"
#include "envd/text.h"

struct route {
	const char *method, *path;
	void (*serve)(struct http_req *r, struct envd *d);
	bool open; /* does its own check, or needs none */
};

static const struct route routes[] = {
	{ "GET", "/health", rest_health, true },
	{ "GET", "/files", files_get, true },
	{ "POST", "/files", files_put, true },
	{ "POST", "/init", rest_init, true },
	{ "GET", "/logs", rest_logs, true },
	{ "POST", "/start", rest_start, true },
	{ "POST", "/files/compose", files_compose, false },
	{ "GET", "/envs", rest_envs, false },
	{ "GET", "/metrics", rest_metrics, false },
};

bool
same_secret(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned char diff = na != nb;

	for (size_t i = 0; i < na; i++)
		diff |= (unsigned char)(a[i] ^ b[nb > 0 ? i % nb : 0]);
	return diff == 0;
}

void
rest_fail(struct http_req *r, int status, const char *fmt, ...)
{
	char msg[PATH_MAX + 256];
	struct buf b;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (strcmp(http_req_path(r), "/files") == 0 ||
	    strcmp(http_req_path(r), "/files/compose") == 0)
		journal_file(
		    r, http_req_server_ctx(r), NULL, NULL, status, msg);
	buf_init(&b, 64 * 1024);
	(void)buf_printf(&b, "{\"code\":%d,\"message\":", status);
	(void)json_put(&b, msg);
	(void)buf_puts(&b, "}\n");
	http_reply_header(r, "X-Content-Type-Options", "nosniff");
	http_reply(r, status, "application/json; charset=utf-8", b.data, b.len);
	buf_fini(&b);
}

void
envd_on_bad_request(int status, const char *why, struct buf *out, void *ctx)
{
	(void)ctx;
	(void)buf_printf(out, "{\"code\":%d,\"message\":", status);
	(void)json_put(out, why);
	(void)buf_puts(out, "}\n");
}

/* --- cross-origin ---------------------------------------------------------*/

static bool
has_origin(const struct http_req *r)
{
	const char *origin = http_req_header(r, "Origin");

	return origin != NULL && *origin != '\0';
}

static bool
preflight(struct http_req *r)
{
	const char *method =
	    http_req_header(r, "Access-Control-Request-Method");
	const char *headers =
	    http_req_header(r, "Access-Control-Request-Headers");
	static const char *const allowed[] = { "HEAD", "GET", "POST", "PUT",
		"PATCH", "DELETE", "OPTIONS" };

	if (method == NULL || *method == '\0' ||
	    strcmp(http_req_method(r), "OPTIONS") != 0)
		return false;
	http_reply_header(r, "Vary",
	    "Origin, Access-Control-Request-Method, "
	    "Access-Control-Request-Headers");
	for (size_t i = 0; i < countof(allowed); i++)
		if (strcmp(method, allowed[i]) == 0 && has_origin(r)) {
			http_reply_header(
			    r, "Access-Control-Allow-Origin", "*");
			http_reply_header(
			    r, "Access-Control-Allow-Methods", "%s", method);
			if (headers != NULL && *headers != '\0')
				http_reply_header(r,
				    "Access-Control-Allow-Headers", "%s",
				    headers);
			http_reply_header(r, "Access-Control-Max-Age", "7200");
		}
	http_reply(r, 204, NULL, NULL, 0);
	return true;
}

static void
allow_origin(struct http_req *r)
{
	http_reply_header(r, "Vary", "Origin");
	if (!has_origin(r))
		return;
	http_reply_header(r, "Access-Control-Allow-Origin", "*");
	http_reply_header(r, "Access-Control-Expose-Headers",
	    "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Location, "
	    "Cache-Control, X-Content-Type-Options");
}

/* --- token and user -------------------------------------------------------*/

static bool
token_ok(const struct http_req *r, const struct envd *d)
{
	const char *have = http_req_header(r, "X-Access-Token");

	return d->token == NULL ||
	       (have != NULL && same_secret(d->token, have));
}

/* 1: there is one, in name.  0: none.  -1: not to be decoded. */
static int
basic_name(const struct http_req *r, char name[ENVD_USER_MAX])
{
	const char *a = http_req_header(r, "Authorization");
	char plain[768];
	ssize_t n;
	char *colon;

	if (a == NULL || strncasecmp(a, "Basic ", 6) != 0)
		return 0;
	a += 6;
	if (strlen(a) > 1000)
		return -1;
	/* Bytes in messages may lack their padding; credentials may not. */
	n = strlen(a) % 4 != 0 || strpbrk(a, "-_") != NULL
		? -1
		: b64_decode(a, strlen(a), plain);
	if (n < 0)
		return 0; /* as if it were not there, like the original */
	plain[n] = '\0';
	colon = memchr(plain, ':', (size_t)n);
	if (colon == NULL)
		return 0;
	*colon = '\0';
	if (colon - plain >= ENVD_USER_MAX ||
	    strlen(plain) < (size_t)(colon - plain))
		return -1;
	memcpy(name, plain, (size_t)(colon - plain) + 1);
	return 1;
}

int
default_user(const struct envd *d, struct user *out, struct err *e)
{
	return user_find(d->default_user, out, e);
}

int
request_user(
    struct envd *d, struct http_req *r, struct user *out, struct err *e)
{
	char name[ENVD_USER_MAX];

	if (basic_name(r, name) == 1)
		return user_find(name, out, e);
	return default_user(d, out, e);
}

/* Before routing: /health too is refused to a user that there is not. */
static bool
refused_user(struct http_req *r)
{
	char name[ENVD_USER_MAX];
	struct user u;
	struct err e;
	int rc = basic_name(r, name);

	if (rc == 0 || (rc == 1 && user_find(name, &u, &e) == 0))
		return false;
	if (rc < 0)
		err_set(&e, ERR_AUTH, "invalid username");
	rpc_refuse(r, rpc_is_stream_type(r), RPC_UNAUTHENTICATED, e.msg);
	return true;
}

/* --- routes ---------------------------------------------------------------*/

static const struct route *
find(const char *method, const char *path, const char **allow)
{
	*allow = NULL;
	for (size_t i = 0; i < countof(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		*allow = strcmp(path, "/files") == 0 ? "GET, POST"
						     : routes[i].method;
	}
	return NULL;
}

static void
no_route(struct http_req *r, const char *allow)
{
	if (allow == NULL) {
		http_reply_header(r, "X-Content-Type-Options", "nosniff");
		http_reply(r, 404, "text/plain; charset=utf-8",
		    "404 page not found\n", 19);
		return;
	}
	http_reply_header(r, "Allow", "%s", allow);
	http_reply(r, 405, NULL, NULL, 0);
}

void
envd_on_request(struct http_req *r, void *ctx)
{
	struct envd *d = ctx;
	const char *path = http_req_path(r), *method = http_req_method(r);
	const char *allow;
	const struct route *route = find(method, path, &allow);
	const struct rpc_method *m;

	if (preflight(r))
		return;
	allow_origin(r);
	if (!(route != NULL && route->open) && !token_ok(r, d)) {
		rest_fail(r, 401,
		    "unauthorized access, please provide a valid "
		    "access token or method signing if "
		    "supported");
		return;
	}
	if (refused_user(r))
		return;
	if (route != NULL) {
		route->serve(r, d);
		return;
	}
	m = rpc_find(path);
	if (m != NULL && strcmp(method, "POST") == 0)
		rpc_serve(r, d, m);
	else
		no_route(r, m != NULL ? "POST" : allow);
}
