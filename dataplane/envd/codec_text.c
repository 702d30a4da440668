/*
 * JSON text to binary, in one pass: a listing of many megabytes must not
 * become a tree of values first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/codec_int.h"
#include "envd/rfc3339.h"
#include "envd/text.h"

struct text {
	const char *p, *end;
	struct buf *out;
	struct err *e;
	unsigned depth;
};

/* --- JSON -----------------------------------------------------------------*/

static int
wrong(struct text *t, const char *what)
{
	return err_set(t->e, ERR_INVALID, "marshal message: %s", what);
}

static int
full(struct text *t)
{
	return err_set(t->e, ERR_TOOBIG, "message is too large");
}

static char
peek(struct text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t' ||
				    *t->p == '\n' || *t->p == '\r'))
		t->p++;
	return t->p < t->end ? *t->p : '\0';
}

static bool
take_char(struct text *t, char c)
{
	if (peek(t) != c || t->p == t->end)
		return false;
	t->p++;
	return true;
}

static bool
take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);

	(void)peek(t);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

/* Behind a \u. */
static int
hex4(struct text *t, uint32_t *v)
{
	*v = 0;
	if (t->end - t->p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = *t->p++;

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*v = *v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return 0;
}

static int
put_utf8(struct buf *b, uint32_t v)
{
	char to[4];

	if (v < 0x80) {
		to[0] = (char)v;
		return buf_add(b, to, 1);
	}
	if (v < 0x800) {
		to[0] = (char)(0xc0 | v >> 6);
		to[1] = (char)(0x80 | (v & 63));
		return buf_add(b, to, 2);
	}
	if (v < 0x10000) {
		to[0] = (char)(0xe0 | v >> 12);
		to[1] = (char)(0x80 | (v >> 6 & 63));
		to[2] = (char)(0x80 | (v & 63));
		return buf_add(b, to, 3);
	}
	to[0] = (char)(0xf0 | v >> 18);
	to[1] = (char)(0x80 | (v >> 12 & 63));
	to[2] = (char)(0x80 | (v >> 6 & 63));
	to[3] = (char)(0x80 | (v & 63));
	return buf_add(b, to, 4);
}

static int
unicode(struct text *t)
{
	uint32_t v, low;

	if (hex4(t, &v) < 0)
		return wrong(t, "broken \\u");
	if (v >= 0xd800 && v < 0xe000) {
		if (v >= 0xdc00 || !take_word(t, "\\u") || hex4(t, &low) < 0 ||
		    low < 0xdc00 || low > 0xdfff)
			return wrong(t, "half of a surrogate pair");
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_utf8(t->out, v) < 0 ? full(t) : 0;
}

static int
escape(struct text *t)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = t->p < t->end ? *t->p++ : '\0';
	const char *at;

	if (c == 'u')
		return unicode(t);
	at = c != '\0' ? strchr(from, c) : NULL;
	if (at == NULL)
		return wrong(t, "unknown escape");
	return buf_add(t->out, to + (at - from), 1) < 0 ? full(t) : 0;
}

/* Adds what a string stands for. */
static int
string(struct text *t)
{
	size_t from = t->out->len;

	if (!take_char(t, '"'))
		return wrong(t, "no string where one was expected");
	for (;;) {
		const char *run = t->p;

		while (t->p < t->end && *t->p != '"' && *t->p != '\\' &&
		       (unsigned char)*t->p >= ' ')
			t->p++;
		if (buf_add(t->out, run, (size_t)(t->p - run)) < 0)
			return full(t);
		if (t->p == t->end || (unsigned char)*t->p < ' ')
			return wrong(t, "string is cut");
		if (*t->p++ == '"')
			break;
		if (escape(t) < 0)
			return -1;
	}
	return utf8_valid(t->out->data + from, t->out->len - from)
		   ? 0
		   : wrong(t, "string is not UTF-8");
}

/* Into a place of its own; a longer one is cut, and so unknown. */
static int
short_string(struct text *t, char *to, size_t cap)
{
	size_t mark = t->out->len, n;

	if (string(t) < 0)
		return -1;
	n = t->out->len - mark;
	if (n >= cap)
		n = cap - 1;
	if (n > 0)
		memcpy(to, t->out->data + mark, n);
	to[n] = '\0';
	t->out->len = mark;
	return 0;
}

static void
skip_string(struct text *t)
{
	for (t->p++; t->p < t->end && *t->p != '"'; t->p++)
		t->p += *t->p == '\\' && t->p + 1 < t->end;
	t->p += t->p < t->end;
}

/* Something of an unknown name. */
static int
skip_value(struct text *t)
{
	unsigned depth = 0;
	const char *from;

	do {
		char c = peek(t);

		from = t->p;
		if (c == '"')
			skip_string(t);
		else if (c == '{' || c == '[') {
			depth++;
			t->p++;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
			t->p++;
		} else if ((c == ',' || c == ':') && depth > 0)
			t->p++;
		else
			while (t->p < t->end &&
			       strchr("{}[],:\" \t\r\n", *t->p) == NULL)
				t->p++;
	} while (depth > 0 && t->p > from);
	return t->p > from && depth == 0 ? 0 : wrong(t, "broken value");
}

/* --- binary ---------------------------------------------------------------*/

static int
put_varint(struct text *t, uint64_t v)
{
	uint8_t to[VARINT_MAX];
	size_t n = codec_put_varint(v, to);

	return buf_add(t->out, to, n) < 0 ? full(t) : 0;
}

static int
put_tag(struct text *t, uint32_t number, enum wire_type type)
{
	return put_varint(t, (uint64_t)number << 3 | type);
}

/* What comes next has a length, in a byte as long as one suffices. */
static int
open_length(struct text *t, uint32_t number, size_t *mark)
{
	if (put_tag(t, number, WIRE_BYTES) < 0 || put_varint(t, 0) < 0)
		return -1;
	*mark = t->out->len;
	return 0;
}

static int
close_length(struct text *t, size_t mark)
{
	struct buf *b = t->out;
	size_t n = b->len - mark, more;
	uint8_t to[VARINT_MAX];

	more = codec_put_varint(n, to) - 1;
	if (more > 0) {
		if (buf_room(b, more) == NULL)
			return full(t);
		memmove(b->data + mark + more, b->data + mark, n);
		buf_added(b, more);
	}
	memcpy(b->data + mark - 1, to, more + 1);
	return 0;
}

/* --- values: 1 for what is worth a mention, 0 for zeros, -1 ---------------*/

static int
whole_number(struct text *t, char digits[CODEC_NAME_MAX], bool *negative)
{
	size_t n = 0;

	if (peek(t) == '"') {
		if (short_string(t, digits, CODEC_NAME_MAX) < 0)
			return -1;
	} else {
		while (t->p < t->end && n < CODEC_NAME_MAX - 1 &&
		       (*t->p == '-' || (*t->p >= '0' && *t->p <= '9')))
			digits[n++] = *t->p++;
		digits[n] = '\0';
	}
	*negative = digits[0] == '-';
	n = strspn(digits + *negative, "0123456789");
	if (n == 0 || digits[n + *negative] != '\0')
		return wrong(t, "no whole number where one was expected");
	return 0;
}

static int
in_range(struct text *t, ProtobufCType type, const char *digits, bool negative,
    uint64_t *v)
{
	bool is_signed =
	    type != PROTOBUF_C_TYPE_UINT32 && type != PROTOBUF_C_TYPE_UINT64;
	bool wide = type == PROTOBUF_C_TYPE_INT64 ||
		    type == PROTOBUF_C_TYPE_SINT64 ||
		    type == PROTOBUF_C_TYPE_UINT64;
	uint64_t max = wide ? UINT64_MAX : UINT32_MAX;

	errno = 0;
	*v = strtoull(digits + negative, NULL, 10);
	if (is_signed)
		max = max / 2 + negative;
	if (errno != 0 || *v > max || (negative && !is_signed && *v != 0))
		return wrong(t, "number out of range");
	if (negative)
		*v = -*v;
	return 0;
}

static int
put_number(struct text *t, ProtobufCType type)
{
	char digits[CODEC_NAME_MAX];
	bool negative;
	uint64_t v;

	if (whole_number(t, digits, &negative) < 0 ||
	    in_range(t, type, digits, negative, &v) < 0)
		return -1;
	if (type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_SINT64)
		v = v << 1 ^ (v >> 63 != 0 ? UINT64_MAX : 0);
	return put_varint(t, v) < 0 ? -1 : v != 0;
}

static int
put_enum(struct text *t, const ProtobufCEnumDescriptor *x)
{
	const ProtobufCEnumValue *v;
	char name[CODEC_NAME_MAX];

	if (peek(t) != '"')
		return put_number(t, PROTOBUF_C_TYPE_INT32);
	if (short_string(t, name, sizeof(name)) < 0)
		return -1;
	v = protobuf_c_enum_descriptor_get_value_by_name(x, name);
	if (v == NULL)
		return wrong(t, "unknown name of an enum");
	if (put_varint(t, (uint64_t)(int64_t)v->value) < 0)
		return -1;
	return v->value != 0;
}

static int
put_bool(struct text *t)
{
	bool v = take_word(t, "true");

	if (!v && !take_word(t, "false"))
		return wrong(t, "neither true nor false");
	return put_varint(t, v) < 0 ? -1 : v;
}

static int
put_base64(struct text *t)
{
	struct buf *b = t->out;
	size_t mark = b->len;
	ssize_t n = 0;

	if (string(t) < 0)
		return -1;
	/* In place: what is written is never ahead of what is read. */
	if (b->len > mark)
		n = b64_decode(b->data + mark, b->len - mark, b->data + mark);
	if (n < 0)
		return wrong(t, "bytes are not base64");
	b->len = mark + (size_t)n;
	return 0;
}

static int
put_time(struct text *t)
{
	char text[CODEC_NAME_MAX];
	int64_t s;
	int32_t ns;

	if (short_string(t, text, sizeof(text)) < 0)
		return -1;
	if (rfc3339_parse(text, &s, &ns) < 0)
		return wrong(t, "no time of RFC 3339");
	if (s != 0 &&
	    (put_tag(t, 1, WIRE_VARINT) < 0 || put_varint(t, (uint64_t)s) < 0))
		return -1;
	if (ns != 0 &&
	    (put_tag(t, 2, WIRE_VARINT) < 0 || put_varint(t, (uint64_t)ns) < 0))
		return -1;
	return 0;
}

static int message(struct text *t, const ProtobufCMessageDescriptor *m);

static int
put_sized(struct text *t, const ProtobufCFieldDescriptor *f)
{
	size_t mark;
	int rc = open_length(t, f->id, &mark);

	if (rc == 0)
		rc = f->type == PROTOBUF_C_TYPE_STRING	? string(t)
		     : f->type == PROTOBUF_C_TYPE_BYTES ? put_base64(t)
		     : codec_is_time(f)			? put_time(t)
					: message(t, f->descriptor);
	if (rc < 0)
		return -1;
	rc = t->out->len > mark;
	return close_length(t, mark) < 0 ? -1 : rc;
}

static int
scalar(struct text *t, const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_BOOL)
		return put_bool(t);
	if (f->type == PROTOBUF_C_TYPE_ENUM)
		return put_enum(t, f->descriptor);
	return put_number(t, f->type);
}

/* With its tag. */
static int
value(struct text *t, const ProtobufCFieldDescriptor *f)
{
	if (codec_wire_type(f->type) == WIRE_BYTES)
		return put_sized(t, f);
	return put_tag(t, f->id, WIRE_VARINT) < 0 ? -1 : scalar(t, f);
}

/* --- fields ---------------------------------------------------------------*/

static int
singular(struct text *t, const ProtobufCFieldDescriptor *f)
{
	size_t mark = t->out->len;
	int rc = value(t, f);

	if (rc == 0 && !codec_has_presence(f))
		t->out->len = mark;
	return rc < 0 ? -1 : 0;
}

static int
repeated(struct text *t, const ProtobufCFieldDescriptor *f)
{
	bool pack = codec_wire_type(f->type) == WIRE_VARINT;
	size_t mark = 0;

	if (!take_char(t, '['))
		return wrong(t, "no list where one was expected");
	if (take_char(t, ']'))
		return 0;
	if (pack && open_length(t, f->id, &mark) < 0)
		return -1;
	do {
		if ((pack ? scalar(t, f) : value(t, f)) < 0)
			return -1;
	} while (take_char(t, ','));
	if (!take_char(t, ']'))
		return wrong(t, "list is cut");
	return pack ? close_length(t, mark) : 0;
}

static int
map(struct text *t, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *m = f->descriptor;
	size_t mark;

	if (!take_char(t, '{'))
		return wrong(t, "no map where one was expected");
	if (take_char(t, '}'))
		return 0;
	do {
		if (open_length(t, f->id, &mark) < 0 ||
		    value(t, &m->fields[0]) < 0)
			return -1;
		if (!take_char(t, ':'))
			return wrong(t, "key without a value");
		if (value(t, &m->fields[1]) < 0 || close_length(t, mark) < 0)
			return -1;
	} while (take_char(t, ','));
	return take_char(t, '}') ? 0 : wrong(t, "map is cut");
}

static const ProtobufCFieldDescriptor *
find(const ProtobufCMessageDescriptor *m, const char *name)
{
	char json[CODEC_NAME_MAX];

	for (unsigned i = 0; i < m->n_fields; i++) {
		codec_json_name(m->fields[i].name, json);
		if (strcmp(json, name) == 0 ||
		    strcmp(m->fields[i].name, name) == 0)
			return &m->fields[i];
	}
	return NULL;
}

static int
member(struct text *t, const ProtobufCMessageDescriptor *m)
{
	const ProtobufCFieldDescriptor *f;
	char name[CODEC_NAME_MAX];

	if (short_string(t, name, sizeof(name)) < 0)
		return -1;
	if (!take_char(t, ':'))
		return wrong(t, "name without a value");
	f = find(m, name);
	if (f == NULL)
		return skip_value(t);
	if (take_word(t, "null"))
		return 0;
	if (codec_is_map(f))
		return map(t, f);
	return f->label == PROTOBUF_C_LABEL_REPEATED ? repeated(t, f)
						     : singular(t, f);
}

static int
message(struct text *t, const ProtobufCMessageDescriptor *m)
{
	if (t->depth++ == CODEC_DEPTH_MAX)
		return wrong(t, "too deep");
	if (!take_char(t, '{'))
		return wrong(t, "no object where one was expected");
	if (!take_char(t, '}')) {
		do {
			if (member(t, m) < 0)
				return -1;
		} while (take_char(t, ','));
		if (!take_char(t, '}'))
			return wrong(t, "object is cut");
	}
	t->depth--;
	return 0;
}

int
codec_to_binary(const struct ProtobufCMessageDescriptor *m, const char *json,
    size_t n, struct buf *out, struct err *e)
{
	struct text t = { json, json + n, out, e, 0 };

	e->kind = ERR_NONE;
	if (message(&t, m) < 0)
		return -1;
	(void)peek(&t);
	return t.p == t.end ? 0 : wrong(&t, "something behind the message");
}
