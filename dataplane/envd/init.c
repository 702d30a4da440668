/*
 * POST /init: the control plane gives the sandbox its token, variables and
 * defaults.  Nobody else may: it carries the secret of the boot record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/own.h"
#include "envd/ca.h"
#include "envd/envd.h"
#include "envd/rfc3339.h"
#include "envd/text.h"

enum { INIT_MAX = 4 * 1024 * 1024 };

struct init {
	const char *token, *user, *workdir, *timestamp, *ca;
	const json_t *vars;
	bool has_token;
};

static int
take_fields(const json_t *o, struct init *x, struct err *e)
{
	int rc;

	*x = (struct init){ 0 };
	rc = field_text(o, "accessToken", NULL, &x->token, e);
	if (rc < 0 || field_text(o, "defaultUser", NULL, &x->user, e) < 0 ||
	    field_text(o, "defaultWorkdir", NULL, &x->workdir, e) < 0 ||
	    field_text(o, "timestamp", NULL, &x->timestamp, e) < 0 ||
	    field_text(o, "caBundle", NULL, &x->ca, e) < 0 ||
	    field_object(o, "envVars", NULL, &x->vars, e) < 0)
		return -1;
	x->has_token = rc > 0;
	return 0;
}

/* Nanoseconds since 1970, of RFC 3339. */
static int
parse_time(const char *s, int64_t *ns, struct err *e)
{
	int64_t seconds;
	int32_t nanos;

	if (rfc3339_parse(s, &seconds, &nanos) < 0)
		return err_set(e, ERR_INVALID,
		    "field \"timestamp\" is not a time: \"%.40s\"", s);
	*ns = seconds * 1000000000 + nanos;
	return 0;
}

/* False: an /init sent later has been here already. */
static int
is_newer(struct envd *d, const char *timestamp, bool *newer, struct err *e)
{
	int64_t ns, last;

	*newer = true;
	if (timestamp == NULL)
		return 0;
	if (parse_time(timestamp, &ns, e) < 0)
		return -1;
	if (d->init_timestamp != NULL &&
	    parse_time(d->init_timestamp, &last, e) == 0 && ns < last)
		*newer = false;
	return 0;
}

static int
check(const struct init *x, struct err *e)
{
	const char *name;
	json_t *v;

	if (x->has_token &&
	    (*x->token == '\0' || strchr(x->token, '\\') != NULL))
		return err_set(e, ERR_INVALID,
		    "field \"accessToken\" is empty or has a backslash");
	if (x->user != NULL && strlen(x->user) >= ENVD_USER_MAX)
		return err_set(
		    e, ERR_INVALID, "field \"defaultUser\" is too long");
	if (x->workdir != NULL && strlen(x->workdir) >= PATH_MAX)
		return err_set(
		    e, ERR_INVALID, "field \"defaultWorkdir\" is too long");
	json_object_foreach ((json_t *)unconst(x->vars), name, v)
		if (!json_is_string(v) || *name == '\0' ||
		    strchr(name, '=') != NULL)
			return err_set(e, ERR_INVALID,
			    "field \"envVars\" has no usable \"%.64s\"", name);
	return 0;
}

static int
replace(char **have, const char *want, struct err *e)
{
	char *copy = want != NULL ? strdup(want) : NULL;

	if (want != NULL && copy == NULL)
		return err_sys(e, "init");
	free(*have);
	*have = copy;
	return 0;
}

static int
set_vars(struct envd *d, const json_t *vars, struct err *e)
{
	struct vars fresh = { NULL, 0 };
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)unconst(vars), name, v) {
		if (vars_get(&d->internal, name) != NULL)
			continue; /* ours */
		if (vars_set(&fresh, name, json_string_value(v)) < 0) {
			vars_free(&fresh);
			return err_set(e, ERR_INVALID, "too many variables");
		}
	}
	vars_free(&d->user_vars);
	d->user_vars = fresh;
	return 0;
}

static int
apply(struct envd *d, const struct init *x, struct err *e)
{
	if (x->ca != NULL && *x->ca != '\0' && ca_install(x->ca, e) < 0)
		return -1;
	if (x->vars != NULL && set_vars(d, x->vars, e) < 0)
		return -1;
	if (replace(&d->token, x->has_token ? x->token : NULL, e) < 0)
		return -1;
	if (x->user != NULL && *x->user != '\0')
		(void)snprintf(
		    d->default_user, sizeof(d->default_user), "%s", x->user);
	if (x->workdir != NULL && *x->workdir != '\0' &&
	    replace(&d->default_workdir, x->workdir, e) < 0)
		return -1;
	return x->timestamp != NULL
		   ? replace(&d->init_timestamp, x->timestamp, e)
		   : 0;
}

static int
init(struct envd *d, const json_t *o, struct err *e)
{
	struct init x;
	bool newer;

	if (take_fields(o, &x, e) < 0 || check(&x, e) < 0 ||
	    is_newer(d, x.timestamp, &newer, e) < 0)
		return -1;
	return newer ? apply(d, &x, e) : 0;
}

static void
answer(struct http_req *r, int status, const char *text)
{
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply_header(r, "X-Envd-Version", "%s", ENVD_VERSION);
	if (text == NULL)
		http_reply(r, status, NULL, NULL, 0);
	else
		http_reply(
		    r, status, "text/plain; charset=utf-8", text, strlen(text));
}

static void
on_body(struct http_req *r, const char *body, size_t n)
{
	struct envd *d = http_req_server_ctx(r);
	struct err e = { 0 };
	json_error_t je;
	json_t *o;

	if (body == NULL) {
		answer(r, 413, "the body is too long\n");
		return;
	}
	o = n == 0 ? json_object() : json_loadb(body, n, 0, &je);
	if (!json_is_object(o))
		err_set(&e, ERR_INVALID, "the body is not a JSON object");
	else
		(void)init(d, o, &e);
	json_decref(o);
	if (e.kind == ERR_NONE)
		answer(r, 204, NULL);
	else
		answer(r, 400, e.msg);
}

bool
from_control(const struct http_req *r, const struct envd *d)
{
	const char *secret = http_req_header(r, "X-Coppice-Init");

	return secret != NULL && d->boot.secret[0] != '\0' &&
	       same_secret(d->boot.secret, secret);
}

void
rest_init(struct http_req *r, struct envd *d)
{
	if (!from_control(r, d)) {
		answer(r, 401, "unauthorized\n");
		return;
	}
	http_req_collect(r, INIT_MAX, on_body);
}
