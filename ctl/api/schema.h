/*
 * schema.h - a request's body as a table of fields: a set of JSON types, and
 * one function that turns a value into ours.
 */
#ifndef API_SCHEMA_H
#define API_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define T_OBJECT (1u << JSON_OBJECT)
#define T_ARRAY	 (1u << JSON_ARRAY)
#define T_STRING (1u << JSON_STRING)
#define T_INT	 (1u << JSON_INTEGER)
#define T_BOOL	 (1u << JSON_TRUE | 1u << JSON_FALSE)

struct field {
	const char *name;
	unsigned types;
	bool required;
	int (*parse)(const json_t *v, void *out, struct err *e);
};

/*
 * Only fields in the table are read: a client newer than we are may send
 * more.  null is the same as absent.  On failure e->where is a JSON pointer
 * to the offending value, and e->msg names the field and the value.
 */
int schema_take(const struct field *f, size_t nf, const json_t *obj, void *out,
    struct err *e);

/* `validation error: FIELD must be ..., not VALUE` */
int schema_bad(struct err *e, const json_t *v, const char *fmt, ...)
    PRINTF(3, 4);
/* An integer between min and max. */
int schema_int(
    const json_t *v, int64_t min, int64_t max, int64_t *out, struct err *e);

/*
 * A body: an object of at most so deep and so many bytes.  NULL and
 * `Error when parsing request: ...`.
 */
json_t *schema_parse(const char *body, size_t n, struct err *e);

#endif
