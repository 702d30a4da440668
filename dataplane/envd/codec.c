/* Binary to JSON, and what both directions know about messages. */
#include "envd/codec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "envd/codec_int.h"
#include "envd/rfc3339.h"
#include "envd/text.h"
#include "process.pb-c.h"

struct wire {
	const uint8_t *p, *end;
};

struct decoder {
	struct err *e;
	unsigned left; /* values that may still come */
	unsigned depth;
};

/* --- what a field is ------------------------------------------------------*/

void
codec_json_name(const char *name, char to[CODEC_NAME_MAX])
{
	size_t n = 0;

	for (; *name != '\0' && n < CODEC_NAME_MAX - 1; name++) {
		if (*name == '_' && name[1] >= 'a' && name[1] <= 'z')
			to[n++] = (char)(*++name - 'a' + 'A');
		else if (*name != '_')
			to[n++] = *name;
	}
	to[n] = '\0';
}

bool
codec_is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *m = f->descriptor;
	size_t n;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE ||
	    f->label != PROTOBUF_C_LABEL_REPEATED || m->n_fields != 2)
		return false;
	n = strlen(m->short_name);
	return n > 5 && strcmp(m->short_name + n - 5, "Entry") == 0 &&
	       strcmp(m->fields[0].name, "key") == 0 &&
	       strcmp(m->fields[1].name, "value") == 0;
}

bool
codec_is_time(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *m = f->descriptor;

	return f->type == PROTOBUF_C_TYPE_MESSAGE &&
	       strcmp(m->name, "google.protobuf.Timestamp") == 0;
}

enum wire_type
codec_wire_type(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		break;
	}
	return WIRE_VARINT;
}

bool
codec_has_presence(const ProtobufCFieldDescriptor *f)
{
	return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 ||
	       f->type == PROTOBUF_C_TYPE_MESSAGE;
}

size_t
codec_put_varint(uint64_t v, uint8_t to[VARINT_MAX])
{
	size_t n = 0;

	for (; v > 127; v >>= 7)
		to[n++] = (uint8_t)(v | 128);
	to[n++] = (uint8_t)v;
	return n;
}

/* --- the wire -------------------------------------------------------------*/

static int
take_varint(struct wire *w, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; w->p < w->end; shift += 7) {
		uint64_t c = *w->p++;

		if (shift == 63 && c > 1)
			return -1;
		*v |= (c & 127) << shift;
		if (c < 128)
			return 0;
	}
	return -1;
}

static int
take_bytes(struct wire *w, struct wire *out)
{
	uint64_t n;

	if (take_varint(w, &n) < 0 || n > (size_t)(w->end - w->p))
		return -1;
	out->p = w->p;
	out->end = w->p += n;
	return 0;
}

static int
take_fixed(struct wire *w, size_t n)
{
	if ((size_t)(w->end - w->p) < n)
		return -1;
	w->p += n;
	return 0;
}

/* Field numbers are 29 bits; there is no field 0. */
static int
take_tag(struct wire *w, uint32_t *number, enum wire_type *type)
{
	uint64_t tag;

	if (take_varint(w, &tag) < 0 || tag > UINT32_MAX || tag >> 3 == 0)
		return -1;
	*number = (uint32_t)tag >> 3;
	*type = (enum wire_type)(tag & 7);
	return 0;
}

/* Groups are of another age, but an unknown field may be one. */
static int
skip(struct wire *w, uint32_t number, enum wire_type type, unsigned depth)
{
	struct wire sub;
	uint64_t v;
	uint32_t inner;

	switch (type) {
	case WIRE_VARINT:
		return take_varint(w, &v);
	case WIRE_64:
		return take_fixed(w, 8);
	case WIRE_BYTES:
		return take_bytes(w, &sub);
	case WIRE_32:
		return take_fixed(w, 4);
	case WIRE_GROUP:
		break;
	case WIRE_GROUP_END:
	default: /* 6 and 7 come from outside, too */
		return -1;
	}
	if (depth >= CODEC_DEPTH_MAX)
		return -1;
	for (;;) {
		if (take_tag(w, &inner, &type) < 0)
			return -1;
		if (type == WIRE_GROUP_END)
			return inner == number ? 0 : -1;
		if (skip(w, inner, type, depth + 1) < 0)
			return -1;
	}
}

/* --- values ---------------------------------------------------------------*/

static int
malformed(struct decoder *d, const char *name, const char *why)
{
	return err_set(
	    d->e, ERR_INVALID, "unmarshal message: %s: %s", name, why);
}

static json_t *
signed_text(uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)v);
	return json_string_nocheck(text);
}

static json_t *
unsigned_text(uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	return json_string_nocheck(text);
}

static json_t *
enum_value(const ProtobufCEnumDescriptor *x, int32_t v)
{
	const ProtobufCEnumValue *known =
	    protobuf_c_enum_descriptor_get_value(x, v);

	return known != NULL ? json_string_nocheck(known->name)
			     : json_integer(v);
}

/* Longer numbers lose what is too much, as everywhere in protobuf. */
static json_t *
number(const ProtobufCFieldDescriptor *f, uint64_t v)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(v != 0);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_value(f->descriptor, (int32_t)v);
	case PROTOBUF_C_TYPE_INT32:
		return json_integer((int32_t)v);
	case PROTOBUF_C_TYPE_SINT32:
		v = (uint32_t)v;
		return json_integer((int32_t)(v >> 1 ^ -(v & 1)));
	case PROTOBUF_C_TYPE_UINT32:
		return json_integer((uint32_t)v);
	case PROTOBUF_C_TYPE_SINT64:
		return signed_text(v >> 1 ^ -(v & 1));
	case PROTOBUF_C_TYPE_INT64:
		return signed_text(v);
	case PROTOBUF_C_TYPE_UINT64:
		return unsigned_text(v);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		break;
	}
	return NULL; /* no message of ours has one */
}

static bool
is_zero(const ProtobufCFieldDescriptor *f, uint64_t v)
{
	bool wide = f->type == PROTOBUF_C_TYPE_INT64 ||
		    f->type == PROTOBUF_C_TYPE_UINT64 ||
		    f->type == PROTOBUF_C_TYPE_SINT64 ||
		    f->type == PROTOBUF_C_TYPE_BOOL;

	return wide ? v == 0 : (uint32_t)v == 0;
}

/* Handlers take C strings: what is behind a NUL must not get lost. */
static json_t *
text(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w)
{
	const char *s = (const char *)w.p;
	size_t n = (size_t)(w.end - w.p);

	if (!utf8_valid(s, n))
		malformed(d, f->name, "string is not UTF-8");
	else if (memchr(s, '\0', n) != NULL)
		malformed(d, f->name, "string has a NUL in it");
	else
		return json_stringn_nocheck(s, n);
	return NULL;
}

static json_t *
bytes(struct wire w)
{
	size_t n = (size_t)(w.end - w.p), len = b64_encoded(n);
	autofree char *text = malloc(len + 1);

	if (text == NULL)
		return NULL;
	b64_encode(w.p, n, text);
	return json_stringn_nocheck(text, len);
}

static int message(struct decoder *d, const ProtobufCMessageDescriptor *m,
    struct wire w, json_t *o);

static json_t *
timestamp(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w)
{
	json_t *o = json_object(), *v = NULL;
	const json_t *s, *ns;
	char at[RFC3339_TEXT];

	if (o != NULL && message(d, f->descriptor, w, o) == 0) {
		s = json_object_get(o, "seconds");
		ns = json_object_get(o, "nanos");
		if (rfc3339_text(
			s != NULL ? strtoll(json_string_value(s), NULL, 10) : 0,
			json_integer_value(ns), at) < 0)
			malformed(d, f->name, "no time between 1 and 9999");
		else
			v = json_string_nocheck(at);
	}
	json_decref(o);
	return v;
}

/* --- fields ---------------------------------------------------------------*/

/* Takes v.  NULL has been told already, or there is no memory. */
static int
set(struct decoder *d, json_t *o, const char *name, json_t *v)
{
	if (v == NULL && d->e->kind != ERR_NONE)
		return -1;
	if (v == NULL || json_object_set_new_nocheck(o, name, v) < 0)
		return err_set(d->e, ERR_LIMIT, "no memory for the message");
	return 0;
}

static int
add(struct decoder *d, json_t *o, const char *name, json_t *v)
{
	json_t *list = json_object_get(o, name);

	if (v == NULL && d->e->kind != ERR_NONE)
		return -1;
	if (list == NULL && v != NULL) {
		list = json_array();
		if (list == NULL ||
		    json_object_set_new_nocheck(o, name, list) < 0) {
			json_decref(v);
			v = NULL;
		}
	}
	if (v == NULL || json_array_append_new(list, v) < 0)
		return err_set(d->e, ERR_LIMIT, "no memory for the message");
	return 0;
}

/* The last one of a oneof is the one. */
static void
drop_others(const ProtobufCMessageDescriptor *m,
    const ProtobufCFieldDescriptor *f, json_t *o)
{
	char name[CODEC_NAME_MAX];

	if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
		return;
	for (unsigned i = 0; i < m->n_fields; i++) {
		const ProtobufCFieldDescriptor *x = &m->fields[i];

		if (x == f || (x->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
		    x->quantifier_offset != f->quantifier_offset)
			continue;
		codec_json_name(x->name, name);
		(void)json_object_del(o, name);
	}
}

static int
count(struct decoder *d)
{
	if (d->left-- > 0)
		return 0;
	d->left = 0;
	return err_set(d->e, ERR_TOOBIG, "message has more than %d values",
	    CODEC_VALUES_MAX);
}

static int
map_entry(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w,
    const char *name, json_t *o)
{
	json_t *map = json_object_get(o, name), *one = json_object();
	const char *key;
	json_t *v;
	int rc = -1;

	if (map == NULL && set(d, o, name, json_object()) < 0)
		goto out;
	map = json_object_get(o, name);
	if (one == NULL || message(d, f->descriptor, w, one) < 0)
		goto out;
	key = json_string_value(json_object_get(one, "key"));
	v = json_object_get(one, "value");
	/* Maps of ours go from text to text; absent is empty. */
	rc = set(d, map, key != NULL ? key : "",
	    v != NULL ? json_incref(v) : json_string_nocheck(""));
out:
	json_decref(one);
	return rc;
}

/* A message that comes twice is one, merged. */
static int
submessage(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w,
    const char *name, json_t *o)
{
	json_t *sub = json_object_get(o, name);
	int rc;

	if (sub != NULL && f->label != PROTOBUF_C_LABEL_REPEATED)
		return message(d, f->descriptor, w, sub);
	sub = json_object();
	if (sub == NULL)
		return err_set(d->e, ERR_LIMIT, "no memory for the message");
	rc = message(d, f->descriptor, w, sub);
	if (rc < 0)
		json_decref(sub);
	else
		rc = f->label == PROTOBUF_C_LABEL_REPEATED
			 ? add(d, o, name, sub)
			 : set(d, o, name, sub);
	return rc;
}

static int
of_bytes(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w,
    const char *name, json_t *o)
{
	json_t *v;

	if (codec_is_map(f))
		return map_entry(d, f, w, name, o);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE && !codec_is_time(f))
		return submessage(d, f, w, name, o);
	if (w.p == w.end && !codec_has_presence(f) &&
	    f->label != PROTOBUF_C_LABEL_REPEATED) {
		(void)json_object_del(o, name);
		return 0;
	}
	v = codec_is_time(f)			? timestamp(d, f, w)
	    : f->type == PROTOBUF_C_TYPE_STRING ? text(d, f, w)
						: bytes(w);
	return f->label == PROTOBUF_C_LABEL_REPEATED ? add(d, o, name, v)
						     : set(d, o, name, v);
}

static int
packed(struct decoder *d, const ProtobufCFieldDescriptor *f, struct wire w,
    const char *name, json_t *o)
{
	uint64_t v;

	while (w.p < w.end) {
		if (take_varint(&w, &v) < 0)
			return malformed(d, f->name, "packed number is cut");
		if (count(d) < 0 || add(d, o, name, number(f, v)) < 0)
			return -1;
	}
	return 0;
}

static int
field_value(struct decoder *d, const ProtobufCMessageDescriptor *m,
    const ProtobufCFieldDescriptor *f, enum wire_type type, struct wire *w,
    json_t *o)
{
	char name[CODEC_NAME_MAX];
	struct wire sub;
	uint64_t v;

	if (count(d) < 0)
		return -1;
	codec_json_name(f->name, name);
	drop_others(m, f, o);
	if (type == WIRE_BYTES) {
		if (take_bytes(w, &sub) < 0)
			return malformed(
			    d, f->name, "longer than what is there");
		return codec_wire_type(f->type) == WIRE_BYTES
			   ? of_bytes(d, f, sub, name, o)
			   : packed(d, f, sub, name, o);
	}
	if (take_varint(w, &v) < 0)
		return malformed(d, f->name, "number is cut or too long");
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return add(d, o, name, number(f, v));
	if (!is_zero(f, v) || codec_has_presence(f))
		return set(d, o, name, number(f, v));
	(void)json_object_del(o, name);
	return 0;
}

/* A known number in an unexpected form is an unknown field. */
static bool
fits(const ProtobufCFieldDescriptor *f, enum wire_type type)
{
	if (f == NULL)
		return false;
	if (codec_wire_type(f->type) == type)
		return type == WIRE_VARINT || type == WIRE_BYTES;
	return type == WIRE_BYTES && f->label == PROTOBUF_C_LABEL_REPEATED &&
	       codec_wire_type(f->type) == WIRE_VARINT;
}

static int
message(struct decoder *d, const ProtobufCMessageDescriptor *m, struct wire w,
    json_t *o)
{
	if (d->depth == CODEC_DEPTH_MAX)
		return malformed(d, m->short_name, "too deep");
	d->depth++;
	while (w.p < w.end) {
		const ProtobufCFieldDescriptor *f;
		enum wire_type type;
		uint32_t number;

		if (take_tag(&w, &number, &type) < 0)
			return malformed(d, m->short_name, "no field number");
		f = protobuf_c_message_descriptor_get_field(m, number);
		if (fits(f, type)) {
			if (field_value(d, m, f, type, &w, o) < 0)
				return -1;
		} else if (skip(&w, number, type, 0) < 0)
			return malformed(
			    d, m->short_name, "unknown field is cut");
	}
	d->depth--;
	return 0;
}

json_t *
codec_from_binary(const struct ProtobufCMessageDescriptor *m, const void *p,
    size_t n, struct err *e)
{
	struct decoder d = { .e = e, .left = CODEC_VALUES_MAX };
	struct wire w = { n > 0 ? p : (const void *)"", NULL };
	json_t *o = json_object();

	e->kind = ERR_NONE;
	if (o == NULL) {
		err_set(e, ERR_LIMIT, "no memory for the message");
		return NULL;
	}
	w.end = w.p + n;
	if (message(&d, m, w, o) == 0)
		return o;
	json_decref(o);
	return NULL;
}

/* --- the one message that must be fast ------------------------------------*/

static size_t
put_length(char *to, unsigned field, size_t n)
{
	uint8_t v[VARINT_MAX];
	size_t len = codec_put_varint(n, v);

	to[0] = (char)(field << 3 | WIRE_BYTES);
	memcpy(to + 1, v, len);
	return len + 1;
}

static size_t
varint_len(size_t v)
{
	uint8_t to[VARINT_MAX];

	return codec_put_varint(v, to);
}

size_t
codec_data_head(const char *kind, size_t n, char to[CODEC_DATA_HEAD])
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(
		&process__process_event__data_event__descriptor, kind);
	size_t data = 1 + varint_len(n) + n,
	       event = 1 + varint_len(data) + data;
	size_t at = put_length(to, 1, event);

	at += put_length(to + at, PROCESS__PROCESS_EVENT__EVENT_DATA, data);
	return at + put_length(to + at, f->id, n);
}
