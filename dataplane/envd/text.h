/* envd/text.h - JSON out, base64 both ways, fields in: text and values. */
#ifndef ENVD_TEXT_H
#define ENVD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/utf8.h"

/* Bytes of text for n bytes; no terminator is written. */
size_t b64_encoded(size_t n);
void b64_encode(const void *from, size_t n, char *to);
/* Standard or URL-safe, padded or not; to holds n. -1 if it is neither. */
ssize_t b64_decode(const char *s, size_t n, void *to);

/*
 * Fields of a proto3 message in JSON: by camelCase or original name; null is
 * unset.  -1: of a wrong type.  0: unset.  1: set.
 */
const json_t *field(const json_t *o, const char *camel, const char *snake);
int field_text(const json_t *o, const char *camel, const char *snake,
    const char **out, struct err *e);
int field_bool(const json_t *o, const char *camel, const char *snake, bool *out,
    struct err *e);
int field_uint(const json_t *o, const char *camel, const char *snake,
    uint64_t max, uint64_t *out, struct err *e);
int field_object(const json_t *o, const char *camel, const char *snake,
    const json_t **out, struct err *e);
/* Of the members of a oneof: how many are set, 0 or 1; -1 if more. */
int field_one_of(
    const json_t *o, const char *const *names, size_t n, struct err *e);
/* Decoded, to be freed. */
int field_bytes(
    const json_t *o, const char *name, char **out, size_t *n, struct err *e);

/* Unpacks a gzip stream; ERR_INVALID, or ERR_TOOBIG at out's ceiling. */
int gunzip_all(const char *p, size_t n, struct buf *out, struct err *e);
/* -1: not shorter than out's ceiling, or no memory. */
int gzip_all(const char *p, size_t n, struct buf *out);

#endif
