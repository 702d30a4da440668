/*
 * code/jv.h - JSON as text: checked once, then looked at where it lies.
 *
 * What a kernel says goes on to a client nearly as it is, so nothing is made
 * of it: numbers keep their digits, strings their escapes.
 */
#ifndef CODE_JV_H
#define CODE_JV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

enum { JV_DEPTH_MAX = 1024 };

enum jv_type {
	JV_NONE, /* there is no such value */
	JV_NULL,
	JV_BOOL,
	JV_NUMBER,
	JV_STRING,
	JV_ARRAY,
	JV_OBJECT,
};

/* One value, without the space around it.  p NULL: none. */
struct jv {
	const char *p;
	size_t n;
};

/*
 * The value that p is.  -1: it is not JSON, and *at (if not NULL) is how far
 * it was.  Bytes that are not UTF-8 are let through; jv_put() replaces them.
 */
int jv_parse(const char *p, size_t n, struct jv *out, size_t *at);

/* Below, v comes out of jv_parse(), or out of one of these. */
enum jv_type jv_type(struct jv v);

/* The members of an object or an array; of anything else there are none. */
struct jv_iter {
	const char *at, *end;
	bool object;
};
struct jv_iter jv_members(struct jv v);
bool jv_next(struct jv_iter *it, struct jv *key, struct jv *value);

/* The last member of that name, or none. */
struct jv jv_get(struct jv object, const char *name);
/* Whether v is the string s. */
bool jv_is(struct jv v, const char *s);
/* The characters of a string as UTF-8; lone surrogates become U+FFFD. */
int jv_text(struct buf *to, struct jv string);
/* The same, terminated, for the caller to free; NULL if v is no string, holds
 * a NUL, or there is no memory. */
char *jv_strdup(struct jv string);
/* A number that is a whole one, in range; -1 if v is not. */
int jv_int(struct jv v, int64_t *out);

/*
 * One character of the inside of a string (between its quotes), raw or
 * escaped; where the next begins.  Pairs of surrogates are one.
 */
const char *jv_char(const char *p, const char *end, uint32_t *out);

/* The same value in ASCII, on one line. */
int jv_put(struct buf *b, struct jv v);
/* The inside of a string, likewise. */
int jv_put_inside(struct buf *b, const char *p, size_t n);
/* Text of ours, or of any bytes, as a string with its quotes, in ASCII. */
int jv_put_text(struct buf *b, const char *s, size_t n);

#endif
