#include "ctl/api/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/* Enough for any honest body; jansson itself recurses to 2048. */
enum { DEPTH_MAX = 64 };

static const char *
type_names(unsigned types)
{
	switch (types) {
	case T_OBJECT:
		return "an object";
	case T_ARRAY:
		return "an array";
	case T_STRING:
		return "a string";
	case T_INT:
		return "an integer";
	case T_BOOL:
		return "a boolean";
	case T_BOOL | T_OBJECT:
		return "a boolean or an object";
	default:
		return "of another type";
	}
}

/* A value as the client wrote it, cut to fit an error. */
static void
shown(const json_t *v, char *to, size_t cap)
{
	autofree char *text =
	    json_is_object(v) || json_is_array(v)
		? NULL
		: json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	if (json_is_object(v))
		(void)snprintf(to, cap, "an object");
	else if (json_is_array(v))
		(void)snprintf(to, cap, "an array");
	else if (text == NULL || strlen(text) < cap)
		(void)snprintf(to, cap, "%s", text != NULL ? text : "?");
	else
		(void)snprintf(to, cap, "%.*s...", (int)cap - 4, text);
}

int
schema_bad(struct err *e, const json_t *v, const char *fmt, ...)
{
	char what[160], value[48];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	shown(v, value, sizeof(value));
	return err_set(
	    e, ERR_INVALID, "validation error: %s, not %s", what, value);
}

int
schema_int(
    const json_t *v, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	json_int_t n = json_integer_value(v);

	if (n < min || n > max)
		return schema_bad(e, v, "must be between %lld and %lld",
		    (long long)min, (long long)max);
	*out = n;
	return 0;
}

/* The field's name, where what failed did not say it. */
static void
name_it(struct err *e, const char *name)
{
	static const char front[] = "validation error: must be ";
	char rest[sizeof(e->msg)];

	if (strncmp(e->msg, front, sizeof(front) - 1) != 0)
		return;
	(void)snprintf(rest, sizeof(rest), "%s", e->msg + sizeof(front) - 1);
	(void)snprintf(e->msg, sizeof(e->msg),
	    "validation error: %s must be %.180s", name, rest);
}

int
schema_take(const struct field *f, size_t nf, const json_t *obj, void *out,
    struct err *e)
{
	for (size_t i = 0; i < nf; i++) {
		const char *name = f[i].name;
		const json_t *v = json_object_get(obj, name);

		if (v == NULL || json_is_null(v)) {
			if (!f[i].required)
				continue;
			err_set(e, ERR_INVALID,
			    "validation error: %s is missing", name);
			return err_at(e, "/%s", name);
		}
		e->where[0] = '\0';
		if (!(f[i].types & 1u << json_typeof(v))) {
			schema_bad(e, v, "%s must be %s", name,
			    type_names(f[i].types));
			return err_at(e, "/%s", name);
		}
		if (f[i].parse(v, out, e) < 0) {
			name_it(e, name);
			return err_under(e, "/%s", name);
		}
	}
	return 0;
}

/* Brackets open at once, strings aside; does not need to be valid JSON. */
static bool
too_deep(const char *p, size_t n)
{
	unsigned depth = 0;
	bool text = false;

	for (size_t i = 0; i < n; i++) {
		if (text && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			text = !text;
		else if (!text && (p[i] == '{' || p[i] == '[')) {
			if (++depth > DEPTH_MAX)
				return true;
		} else if (!text && (p[i] == '}' || p[i] == ']') && depth > 0)
			depth--;
	}
	return false;
}

json_t *
schema_parse(const char *body, size_t n, struct err *e)
{
	json_error_t je;
	json_t *o;

	if (too_deep(body, n)) {
		err_set(e, ERR_INVALID,
		    "Error when parsing request: nested deeper than %d",
		    DEPTH_MAX);
		return NULL;
	}
	o = json_loadb(body, n, 0, &je);
	if (o == NULL) {
		err_set(e, ERR_INVALID,
		    "Error when parsing request: line %d column %d: %.120s",
		    je.line, je.column, n == 0 ? "EOF" : je.text);
		return NULL;
	}
	if (!json_is_object(o)) {
		json_decref(o);
		err_set(e, ERR_INVALID,
		    "Error when parsing request: the body is not an object");
		return NULL;
	}
	return o;
}
