/* Bodies of requests, and what is wrong with them, as FastAPI would say it. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "code/code.h"

/* One entry of {"detail":[...]}: key and sub may be NULL. */
static int
complain(struct buf *to, const char *type, const char *key, struct jv sub,
    const char *msg, struct jv input)
{
	int rc = buf_printf(
	    to, "{\"detail\":[{\"type\":\"%s\",\"loc\":[\"body\"", type);

	if (rc == 0 && key != NULL)
		rc = buf_printf(to, ",\"%s\"", key);
	if (rc == 0 && sub.p != NULL && sub.n <= 1024) {
		rc = buf_puts(to, ",");
		if (rc == 0)
			rc = jv_put(to, sub);
	}
	if (rc == 0)
		rc = buf_printf(to, "],\"msg\":\"%s\",\"input\":", msg);
	/* Told back, unless it is long. */
	if (rc == 0)
		rc = input.p != NULL && input.n <= 4096 ? jv_put(to, input)
							: buf_puts(to, "null");
	if (rc == 0)
		(void)buf_puts(to, "}]}");
	return -1;
}

static const struct jv nothing = { NULL, 0 };

static int
complain_json(struct buf *to, size_t at)
{
	(void)buf_printf(to,
	    "{\"detail\":[{\"type\":\"json_invalid\",\"loc\":[\"body\",%zu],"
	    "\"msg\":\"JSON decode error\",\"input\":{},\"ctx\":{\"error\":"
	    "\"not JSON\"}}]}",
	    at);
	return -1;
}

/* A whole body that is an object. */
static int
read_object(struct jv *out, const char *body, size_t n, struct buf *detail)
{
	size_t at = 0;

	if (n == 0)
		return complain(detail, "missing", NULL, nothing,
		    "Field required", nothing);
	if (jv_parse(body, n, out, &at) < 0)
		return complain_json(detail, at);
	if (jv_type(*out) != JV_OBJECT)
		return complain(detail, "model_attributes_type", NULL, nothing,
		    "Input should be a valid dictionary or object to extract "
		    "fields from",
		    *out);
	return 0;
}

/* NULL: absent, null or "", which all mean the same. */
static int
read_string(char **out, struct jv all, const char *key, struct buf *detail)
{
	struct jv v = jv_get(all, key);

	*out = NULL;
	if (jv_type(v) == JV_NONE || jv_type(v) == JV_NULL)
		return 0;
	if (jv_type(v) != JV_STRING)
		return complain(detail, "string_type", key, nothing,
		    "Input should be a valid string", v);
	*out = jv_strdup(v);
	if (*out == NULL)
		return complain(detail, "value_error", key, nothing,
		    "Value error, a NUL character is in it", v);
	if (**out == '\0') {
		free(*out);
		*out = NULL;
	}
	return 0;
}

static int
read_vars(struct varlist *l, struct jv all, struct buf *detail)
{
	struct jv v = jv_get(all, "env_vars"), key, value, bad = nothing;
	struct jv_iter it = jv_members(v);

	if (jv_type(v) == JV_NONE || jv_type(v) == JV_NULL)
		return 0;
	if (jv_type(v) != JV_OBJECT)
		return complain(detail, "dict_type", "env_vars", nothing,
		    "Input should be a valid dictionary", v);
	while (jv_next(&it, &key, &value))
		if (jv_type(value) != JV_STRING)
			return complain(detail, "string_type", "env_vars", key,
			    "Input should be a valid string", value);
	if (varlist_from(l, v, &bad) == 0)
		return 0;
	return complain(detail, "value_error", "env_vars", bad,
	    "Value error, not the name and value of a variable: an empty "
	    "name, '=' in it, a NUL, or too many",
	    jv_get(v, ""));
}

static int
read_code(struct jv *out, struct jv all, struct buf *detail)
{
	*out = jv_get(all, "code");
	if (jv_type(*out) == JV_NONE)
		return complain(
		    detail, "missing", "code", nothing, "Field required", all);
	if (jv_type(*out) != JV_STRING)
		return complain(detail, "string_type", "code", nothing,
		    "Input should be a valid string", *out);
	return 0;
}

void
execute_fini(struct execute *x)
{
	free(x->context_id);
	free(x->language);
	varlist_free(&x->vars);
	*x = (struct execute){ 0 };
}

int
execute_read(struct execute *x, const char *body, size_t n, struct buf *detail)
{
	struct jv all;

	*x = (struct execute){ 0 };
	if (read_object(&all, body, n, detail) == 0 &&
	    read_code(&x->code, all, detail) == 0 &&
	    read_string(&x->context_id, all, "context_id", detail) == 0 &&
	    read_string(&x->language, all, "language", detail) == 0 &&
	    read_vars(&x->vars, all, detail) == 0)
		return 0;
	execute_fini(x);
	return -1;
}

int
context_read(
    char **language, char **cwd, const char *body, size_t n, struct buf *detail)
{
	struct jv all;

	*language = *cwd = NULL;
	if (read_object(&all, body, n, detail) == 0 &&
	    read_string(language, all, "language", detail) == 0 &&
	    read_string(cwd, all, "cwd", detail) == 0)
		return 0;
	free(*language);
	free(*cwd);
	*language = *cwd = NULL;
	return -1;
}
