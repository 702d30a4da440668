/* Requests: which endpoint, and what it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "code/code.h"

enum { CONTEXT_BODY_MAX = 64 * 1024, DETAIL_MAX = 64 * 1024 };

static void
allow_all(struct http_req *r)
{
	http_reply_header(r, "Access-Control-Allow-Origin", "*");
}

void
reply_text(struct http_req *r, int status, const char *text)
{
	allow_all(r);
	http_reply(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

void
reply_json(struct http_req *r, int status, const struct buf *b)
{
	allow_all(r);
	http_reply(r, status, "application/json", b->data, b->len);
}

static void
reply_json_text(struct http_req *r, int status, const char *text)
{
	allow_all(r);
	http_reply(r, status, "application/json", text, strlen(text));
}

static void
no_context(struct http_req *r, const char *id)
{
	char text[320];

	(void)snprintf(text, sizeof(text), "Context %.256s not found", id);
	reply_text(r, 404, text);
}

static struct code *
code_of(const struct http_req *r)
{
	return http_req_server_ctx(r);
}

/* --- POST /execute --------------------------------------------------------*/

/* The context that is meant, or NULL: r is answered. */
static struct ctx *
find_context(struct http_req *r, const struct execute *x)
{
	char language[LANG_NAME_MAX];
	struct ctx *c;
	struct err e;

	if (x->context_id != NULL && x->language != NULL) {
		reply_text(r, 400,
		    "Only one of context_id or language can be provided");
		return NULL;
	}
	if (x->context_id != NULL) {
		c = ctx_find(code_of(r), x->context_id);
		if (c == NULL)
			no_context(r, x->context_id);
		return c;
	}
	if (lang_name(x->language != NULL ? x->language : "", language) < 0) {
		reply_text(r, 500, "the name of the language is too long");
		return NULL;
	}
	c = ctx_default(code_of(r), language, &e);
	if (c == NULL)
		reply_text(r, 500, e.msg);
	return c;
}

static void
do_execute(struct http_req *r, struct execute *x)
{
	struct ctx *c = find_context(r, x);
	struct exec *run;

	if (c == NULL)
		return;
	allow_all(r);
	run = exec_new(code_of(r), r, x->code, &x->vars,
	    http_req_header(r, "X-Access-Token"));
	if (run == NULL)
		reply_text(r, 500, "no memory");
	else
		ctx_add(c, run);
}

static void
on_execute(struct http_req *r, const char *body, size_t n)
{
	struct execute x;
	struct buf detail;

	if (body == NULL) {
		reply_text(r, 413, "the request is longer than 16 MiB");
		return;
	}
	buf_init(&detail, DETAIL_MAX);
	if (execute_read(&x, body, n, &detail) < 0)
		reply_json(r, 422, &detail);
	else {
		do_execute(r, &x);
		execute_fini(&x);
	}
	buf_fini(&detail);
}

/* --- contexts -------------------------------------------------------------*/

static void
make_context(struct http_req *r, const char *asked, const char *cwd)
{
	struct code *c = code_of(r);
	char language[LANG_NAME_MAX];
	struct ctx *x;
	struct err e;

	if (lang_name(asked != NULL ? asked : "", language) < 0) {
		reply_text(r, 500, "the name of the language is too long");
		return;
	}
	x = ctx_new(c, language, cwd != NULL ? cwd : c->home, false, &e);
	if (x == NULL) {
		reply_text(r, 500, e.msg);
		return;
	}
	ctx_wait(x, r, true);
	ctx_start(x);
}

static void
on_context(struct http_req *r, const char *body, size_t n)
{
	char *language, *cwd;
	struct buf detail;

	if (body == NULL) {
		reply_text(r, 413, "the request is longer than 64 KiB");
		return;
	}
	buf_init(&detail, DETAIL_MAX);
	if (context_read(&language, &cwd, body, n, &detail) < 0)
		reply_json(r, 422, &detail);
	else {
		make_context(r, language, cwd);
		free(language);
		free(cwd);
	}
	buf_fini(&detail);
}

static void
list_contexts(struct http_req *r)
{
	const char *comma = "[";
	struct buf b;
	int rc = 0;

	buf_init(&b, CODE_CONTEXTS_MAX * 32 * 1024);
	for (struct ctx *x = code_of(r)->first; x != NULL && rc == 0;
	     x = ctx_next(x)) {
		if (!ctx_listed(x))
			continue;
		rc = buf_puts(&b, comma);
		if (rc == 0)
			rc = ctx_put(&b, x);
		comma = ",";
	}
	if (rc == 0)
		rc = buf_puts(&b, *comma == '[' ? "[]" : "]");
	if (rc == 0)
		reply_json(r, 200, &b);
	else
		reply_text(r, 500, "no memory");
	buf_fini(&b);
}

static void
restart_context(struct http_req *r, struct ctx *c)
{
	ctx_wait(c, r, false);
	ctx_restart(c);
}

static void
delete_context(struct http_req *r, struct ctx *c)
{
	ctx_delete(c);
	reply_json_text(r, 200, "null");
}

/* --- which one ------------------------------------------------------------*/

static void
not_allowed(struct http_req *r, const char *allow)
{
	if (strcmp(http_req_method(r), "OPTIONS") == 0) {
		const char *ask =
		    http_req_header(r, "Access-Control-Request-Headers");

		http_reply_header(r, "Access-Control-Allow-Methods",
		    "DELETE, GET, OPTIONS, POST");
		http_reply_header(r, "Access-Control-Allow-Headers", "%s",
		    ask != NULL && strlen(ask) < 1024 ? ask : "*");
		http_reply_header(r, "Access-Control-Max-Age", "600");
		reply_text(r, 200, "OK");
		return;
	}
	http_reply_header(r, "Allow", "%s", allow);
	reply_json_text(r, 405, "{\"detail\":\"Method Not Allowed\"}");
}

static bool
is(const struct http_req *r, const char *method)
{
	return strcmp(http_req_method(r), method) == 0;
}

/* /contexts/ID or /contexts/ID/restart, of which rest is what follows ID. */
static void
one_context(struct http_req *r, const char *id, size_t n, const char *rest)
{
	bool restart = strcmp(rest, "/restart") == 0;
	const char *method = restart ? "POST" : "DELETE";
	char name[256];
	struct ctx *c;

	if (*rest != '\0' && !restart) {
		reply_json_text(r, 404, "{\"detail\":\"Not Found\"}");
		return;
	}
	if (!is(r, method)) {
		not_allowed(r, method);
		return;
	}
	if (http_decode(id, n, false, name, sizeof(name)) < 0) {
		no_context(r, "");
		return;
	}
	c = ctx_find(code_of(r), name);
	if (c == NULL)
		no_context(r, name);
	else if (restart)
		restart_context(r, c);
	else
		delete_context(r, c);
}

static void
contexts(struct http_req *r)
{
	if (is(r, "GET"))
		list_contexts(r);
	else if (is(r, "POST"))
		http_req_collect(r, CONTEXT_BODY_MAX, on_context);
	else
		not_allowed(r, "GET, POST");
}

void
code_on_request(struct http_req *r, void *ctx)
{
	static const char below[] = "/contexts/";
	const char *path = http_req_path(r);

	(void)ctx;
	if (strcmp(path, "/execute") == 0) {
		if (is(r, "POST"))
			http_req_collect(r, CODE_BODY_MAX, on_execute);
		else
			not_allowed(r, "POST");
	} else if (strcmp(path, "/health") == 0) {
		if (is(r, "GET"))
			reply_json_text(r, 200, "\"OK\"");
		else
			not_allowed(r, "GET");
	} else if (strcmp(path, "/contexts") == 0)
		contexts(r);
	else if (strncmp(path, below, sizeof(below) - 1) == 0 &&
		 path[sizeof(below) - 1] != '\0') {
		const char *id = path + sizeof(below) - 1;
		size_t n = strcspn(id, "/");

		one_context(r, id, n, id + n);
	} else
		reply_json_text(r, 404, "{\"detail\":\"Not Found\"}");
}

void
code_on_bad_request(int status, const char *why, struct buf *out, void *ctx)
{
	(void)status;
	(void)ctx;
	if (buf_puts(out, "{\"detail\":") == 0 &&
	    jv_put_text(out, why, strlen(why)) == 0)
		(void)buf_puts(out, "}");
}
