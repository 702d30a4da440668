#include "envd/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/own.h"

/* --- base64 ---------------------------------------------------------------*/

size_t
b64_encoded(size_t n)
{
	return (n + 2) / 3 * 4;
}

void
b64_encode(const void *from, size_t n, char *to)
{
	static const char digit[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = from;
	size_t i;

	for (i = 0; i + 2 < n; i += 3, to += 4) {
		uint32_t v =
		    (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];

		to[0] = digit[v >> 18];
		to[1] = digit[v >> 12 & 63];
		to[2] = digit[v >> 6 & 63];
		to[3] = digit[v & 63];
	}
	if (i < n) {
		uint32_t v = (uint32_t)p[i] << 16 |
			     (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0);

		to[0] = digit[v >> 18];
		to[1] = digit[v >> 12 & 63];
		to[2] = i + 1 < n ? digit[v >> 6 & 63] : '=';
		to[3] = '=';
	}
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

ssize_t
b64_decode(const char *s, size_t n, void *to)
{
	unsigned char *out = to;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t pad = 0;

	while (n > 0 && pad < 2 && s[n - 1] == '=') {
		n--;
		pad++;
	}
	if (pad > 0 && (n + pad) % 4 != 0)
		return -1;
	if (n % 4 == 1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int v = value_of(s[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (unsigned char)(bits >> have);
		}
	}
	return out - (unsigned char *)to;
}

/* --- fields ---------------------------------------------------------------*/

const json_t *
field(const json_t *o, const char *camel, const char *snake)
{
	const json_t *v = json_object_get(o, camel);

	if (v == NULL && snake != NULL)
		v = json_object_get(o, snake);
	return v == NULL || json_is_null(v) ? NULL : v;
}

static int
wrong_type(struct err *e, const char *name, const char *want)
{
	return err_set(e, ERR_INVALID, "field \"%s\" is not %s", name, want);
}

int
field_text(const json_t *o, const char *camel, const char *snake,
    const char **out, struct err *e)
{
	const json_t *v = field(o, camel, snake);

	if (v == NULL)
		return 0;
	if (!json_is_string(v))
		return wrong_type(e, camel, "a string");
	*out = json_string_value(v);
	return 1;
}

int
field_bool(const json_t *o, const char *camel, const char *snake, bool *out,
    struct err *e)
{
	const json_t *v = field(o, camel, snake);

	if (v == NULL)
		return 0;
	if (!json_is_boolean(v))
		return wrong_type(e, camel, "true or false");
	*out = json_is_true(v);
	return 1;
}

/* A number, or the same as a string: both are proto3 JSON. */
int
field_uint(const json_t *o, const char *camel, const char *snake, uint64_t max,
    uint64_t *out, struct err *e)
{
	const json_t *v = field(o, camel, snake);
	double d;

	if (v == NULL)
		return 0;
	if (json_is_string(v)) {
		const char *s = json_string_value(v);
		char *end;

		if (*s < '0' || *s > '9')
			return wrong_type(e, camel, "a number");
		*out = strtoull(s, &end, 10);
		if (*end != '\0' || *out > max)
			return wrong_type(e, camel, "a number in range");
		return 1;
	}
	if (!json_is_number(v))
		return wrong_type(e, camel, "a number");
	d = json_number_value(v);
	if (!(d >= 0) || d > (double)max || d != (double)(uint64_t)d)
		return wrong_type(e, camel, "a whole number in range");
	*out =
	    json_is_integer(v) ? (uint64_t)json_integer_value(v) : (uint64_t)d;
	return 1;
}

int
field_object(const json_t *o, const char *camel, const char *snake,
    const json_t **out, struct err *e)
{
	const json_t *v = field(o, camel, snake);

	if (v == NULL)
		return 0;
	if (!json_is_object(v))
		return wrong_type(e, camel, "an object");
	*out = v;
	return 1;
}

int
field_one_of(const json_t *o, const char *const *names, size_t n, struct err *e)
{
	const char *one = NULL;

	for (size_t i = 0; i < n; i++) {
		if (field(o, names[i], NULL) == NULL)
			continue;
		if (one != NULL)
			return err_set(e, ERR_INVALID,
			    "fields \"%s\" and \"%s\" exclude each other", one,
			    names[i]);
		one = names[i];
	}
	return one != NULL;
}

int
field_bytes(
    const json_t *o, const char *name, char **out, size_t *n, struct err *e)
{
	const json_t *v = field(o, name, NULL);
	ssize_t got;

	if (v == NULL)
		return 0;
	if (!json_is_string(v))
		return wrong_type(e, name, "base64");
	*out = malloc(json_string_length(v) + 1);
	if (*out == NULL)
		return err_sys(e, "field \"%s\"", name);
	got = b64_decode(json_string_value(v), json_string_length(v), *out);
	if (got < 0) {
		free(*out);
		*out = NULL;
		return wrong_type(e, name, "base64");
	}
	*n = (size_t)got;
	return 1;
}

int
gunzip_all(const char *p, size_t n, struct buf *out, struct err *e)
{
	z_stream z = { .next_in = unconst(p), .avail_in = (uInt)n };
	int rc = inflateInit2(&z, 16 + MAX_WBITS);

	while (rc == Z_OK) {
		size_t room = 64 * 1024;
		char *to;

		if (room > out->max - out->len)
			room = out->max - out->len;
		to = room > 0 ? buf_room(out, room) : NULL;
		if (to == NULL) {
			(void)inflateEnd(&z);
			return err_set(e, ERR_TOOBIG,
			    "message larger than configured max");
		}
		z.next_out = (Bytef *)to;
		z.avail_out = (uInt)room;
		rc = inflate(&z, Z_NO_FLUSH);
		buf_added(out, room - z.avail_out);
		if (rc == Z_OK && z.avail_in == 0 && z.avail_out > 0)
			break; /* cut short */
	}
	(void)inflateEnd(&z);
	if (rc != Z_STREAM_END)
		return err_set(e, ERR_INVALID, "malformed gzip data");
	return 0;
}

int
gzip_all(const char *p, size_t n, struct buf *out)
{
	/* 64 KiB of state, not 256: it is for one message. */
	z_stream z = { .next_in = unconst(p), .avail_in = (uInt)n };
	char *to = buf_room(out, out->max - out->len);
	int rc;

	if (to == NULL || deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 16 + 13, 6,
			      Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)(out->max - out->len);
	rc = deflate(&z, Z_FINISH);
	if (rc == Z_STREAM_END)
		buf_added(out, z.total_out);
	(void)deflateEnd(&z);
	return rc == Z_STREAM_END ? 0 : -1;
}
