#include "envd/connect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/codec.h"
#include "envd/connect_int.h"
#include "envd/journal.h"
#include "envd/text.h"

/* --- types ----------------------------------------------------------------*/

/*
 * What a reply repeats.  The original has the charset among the names of its
 * codecs, so it is a type of its own, and no other parameter is known.
 */
static const struct type {
	const char *name;
	bool stream, binary;
} types[] = {
	{ "application/json", false, false },
	{ "application/json; charset=utf-8", false, false },
	{ "application/proto", false, true },
	{ "application/connect+json", true, false },
	{ "application/connect+json; charset=utf-8", true, false },
	{ "application/connect+proto", true, true },
};

enum { TYPE_MAX = 64 };

/* Lower case, one space behind a semicolon, no quotes. */
static void
canonical(const char *s, char to[TYPE_MAX])
{
	size_t n = 0;

	for (; *s != '\0' && n < TYPE_MAX - 2; s++) {
		if (*s == ' ' || *s == '\t' || *s == '"')
			continue;
		to[n++] = (char)tolower((unsigned char)*s);
		if (*s == ';')
			to[n++] = ' ';
	}
	if (n > 1 && to[n - 1] == ' ')
		n -= 2;
	to[n] = '\0';
}

static const struct type *
type_of(const struct http_req *r, bool stream)
{
	const char *have = http_req_header(r, "Content-Type");
	char name[TYPE_MAX];

	if (have == NULL)
		return NULL;
	canonical(have, name);
	for (size_t i = 0; i < countof(types); i++)
		if (types[i].stream == stream &&
		    strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const char *
rpc_stream_type(const struct http_req *r)
{
	const struct type *t = type_of(r, true);

	return t != NULL ? t->name : "application/connect+json";
}

bool
rpc_is_stream_type(const struct http_req *r)
{
	const char *have = http_req_header(r, "Content-Type");

	return have != NULL &&
	       strncasecmp(have, "application/connect+", 20) == 0;
}

/* --- headers --------------------------------------------------------------*/

/* false: something that we cannot unpack. */
static bool
known_encoding(const char *coding, bool *gzip)
{
	*gzip = coding != NULL && strcasecmp(coding, "gzip") == 0;
	return coding == NULL || *coding == '\0' || *gzip ||
	       strcasecmp(coding, "identity") == 0;
}

/* A list of names; one with a weight is another name, as in the original. */
static bool
names_gzip(const char *list)
{
	size_t n;

	if (list == NULL)
		return false;
	for (; *list != '\0'; list += n) {
		list += strspn(list, ", ");
		n = strcspn(list, ", ");
		if (n == 4 && strncasecmp(list, "gzip", 4) == 0)
			return true;
	}
	return false;
}

/* Milliseconds, in ten characters; zero and less have expired already. */
static int
parse_timeout(struct rpc *c)
{
	const char *s = http_req_header(c->r, "Connect-Timeout-Ms");
	const char *digits;
	size_t n;

	if (s == NULL || *s == '\0')
		return 0;
	digits = s + (*s == '-' || *s == '+');
	n = strspn(digits, "0123456789");
	if (n == 0 || strlen(s) > 10 || digits[n] != '\0')
		return -1;
	c->has_timeout = true;
	c->timeout_ms = *s == '-' ? 0 : strtoull(digits, NULL, 10);
	return 0;
}

static void
parse_keepalive(struct rpc *c)
{
	const char *s = http_req_header(c->r, "Keepalive-Ping-Interval");
	char *end;
	long v;

	c->keepalive_ms = KEEPALIVE_DEFAULT_S * 1000;
	if (s == NULL || *s == '\0')
		return;
	v = strtol(s, &end, 10);
	if (*end == '\0' && v > 0 && v < 86400)
		c->keepalive_ms = (uint64_t)v * 1000;
}

/* -1: the rpc has failed. */
static int
parse_headers(struct rpc *c)
{
	bool stream = c->m->kind != RPC_UNARY;
	const char *version = http_req_header(c->r, "Connect-Protocol-Version");
	const char *coding = http_req_header(
	    c->r, stream ? "Connect-Content-Encoding" : "Content-Encoding");

	parse_keepalive(c);
	c->gzip_reply = names_gzip(http_req_header(
	    c->r, stream ? "Connect-Accept-Encoding" : "Accept-Encoding"));
	if (!known_encoding(coding, &c->gzip))
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "unknown compression \"%.32s\": supported encodings are "
		    "gzip",
		    coding);
	else if (version != NULL && *version != '\0' &&
		 strcmp(version, "1") != 0)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "Connect-Protocol-Version must be \"1\": got \"%.32s\"",
		    version);
	else if (parse_timeout(c) < 0)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "parse timeout: Connect-Timeout-Ms is not a number of at "
		    "most ten digits: \"%.32s\"",
		    http_req_header(c->r, "Connect-Timeout-Ms"));
	else
		return 0;
	return -1;
}

/* --- messages -------------------------------------------------------------*/

/* Values by the commas between them: each is a hundred bytes of memory. */
static bool
too_many_values(const char *p, size_t n)
{
	const char *end = p + n;
	size_t commas = 0;
	bool quoted = false;

	if (n < CODEC_VALUES_MAX)
		return false;
	for (; p < end; p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\\')
			p++;
		else if (!quoted && *p == ',')
			commas++;
	}
	return commas >= CODEC_VALUES_MAX;
}

static json_t *
from_json(const char *p, size_t n, struct err *e)
{
	json_error_t je;
	json_t *v;

	if (too_many_values(p, n)) {
		err_set(e, ERR_TOOBIG, "message has more than %d values",
		    CODEC_VALUES_MAX);
		return NULL;
	}
	v = json_loadb(p, n, JSON_REJECT_DUPLICATES, &je);
	if (v == NULL) {
		err_set(e, ERR_INVALID, "unmarshal message: %s",
		    json_error_code(&je) == json_error_null_character
			? "NUL in a string"
			: je.text);
		return NULL;
	}
	if (json_is_object(v))
		return v;
	json_decref(v);
	err_set(e, ERR_INVALID, "unmarshal message: not an object");
	return NULL;
}

static json_t *
parse(const struct rpc *c, const char *p, size_t n, struct err *e)
{
	return c->binary ? codec_from_binary(c->m->in, p, n, e)
			 : from_json(p, n, e);
}

static json_t *
unpack(const struct rpc *c, const char *p, size_t n, bool gzip, struct err *e)
{
	struct buf plain;
	json_t *v;

	if (!gzip || n == 0)
		return parse(c, p, n, e);
	buf_init(&plain, ENVD_MESSAGE_MAX);
	v = gunzip_all(p, n, &plain, e) < 0
		? NULL
		: parse(c, plain.data, plain.len, e);
	buf_fini(&plain);
	return v;
}

static void
call(struct rpc *c, const char *p, size_t n, bool gzip)
{
	struct err e;
	json_t *in = unpack(c, p, n, gzip, &e);

	if (in == NULL) {
		rpc_fail_err(c, &e);
		return;
	}
	c->m->on_call(c, in);
	json_decref(in); /* of the message, not of c, which may be gone */
}

static struct rpc *
of(const struct http_req *r)
{
	return http_req_data(r);
}

static void
too_large(struct rpc *c)
{
	rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
	    "message is larger than configured max %d", ENVD_MESSAGE_MAX);
}

static void
on_unary(struct http_req *r, const char *body, size_t n)
{
	struct rpc *c = of(r);

	if (body == NULL)
		too_large(c);
	else
		call(c, body, n, c->gzip);
}

/* --- envelopes ------------------------------------------------------------*/

static uint32_t
envelope_len(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[1] << 24 | (uint32_t)u[2] << 16 |
	       (uint32_t)u[3] << 8 | u[4];
}

/* The message of a whole envelope.  NULL: the rpc has failed. */
static json_t *
open_envelope(struct rpc *c, const char *p, size_t len)
{
	unsigned flags = (unsigned char)p[0];
	bool gzip = (flags & ENVELOPE_GZIP) != 0;
	struct err e;
	json_t *in;

	if ((flags & ~(unsigned)ENVELOPE_GZIP) != 0) {
		rpc_fail(c, RPC_INTERNAL,
		    "protocol error: invalid envelope flags %u", flags);
		return NULL;
	}
	if (gzip && len > 0 && !c->gzip) {
		rpc_fail(c, RPC_INTERNAL,
		    "protocol error: sent compressed message without "
		    "compression support");
		return NULL;
	}
	/* No bytes are a message without fields, in either codec. */
	if (len == 0) {
		in = json_object();
		err_set(&e, ERR_LIMIT, "no memory");
	} else
		in = unpack(c, p + ENVELOPE_HEAD, len, gzip, &e);
	if (in == NULL)
		rpc_fail_err(c, &e);
	return in;
}

static bool
is_end(const char *p)
{
	return ((unsigned char)p[0] & ENVELOPE_END) != 0;
}

static void
incomplete(struct rpc *c)
{
	rpc_fail(c, RPC_INVALID_ARGUMENT,
	    "protocol error: incomplete envelope: unexpected EOF");
}

/* Exactly one message, then perhaps an end-of-stream one. */
static void
on_stream_request(struct http_req *r, const char *body, size_t n)
{
	struct rpc *c = of(r);
	size_t len;
	json_t *in;

	if (body == NULL)
		too_large(c);
	else if (n == 0 || is_end(body))
		rpc_fail(
		    c, RPC_UNIMPLEMENTED, "unary request has zero messages");
	else if (n < ENVELOPE_HEAD ||
		 (len = envelope_len(body)) > n - ENVELOPE_HEAD)
		incomplete(c);
	else if (n > ENVELOPE_HEAD + len && !is_end(body + ENVELOPE_HEAD + len))
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "unary request has multiple messages");
	else {
		in = open_envelope(c, body, len);
		if (in != NULL)
			c->m->on_call(c, in);
		json_decref(in); /* of the message; c may be gone */
	}
}

/* --- client streams -------------------------------------------------------*/

/* false: an answer was given. */
static bool
one_message(struct rpc *c, const char *p, size_t len)
{
	json_t *in = open_envelope(c, p, len);
	bool more = in != NULL && c->m->on_message(c, in);

	json_decref(in);
	return more;
}

static bool
whole_messages(struct rpc *c)
{
	while (c->in.len >= ENVELOPE_HEAD && !c->ended && !c->paused) {
		uint32_t len = envelope_len(c->in.data);

		if (len > ENVD_MESSAGE_MAX) {
			rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
			    "message size %u is larger than configured max %d",
			    len, ENVD_MESSAGE_MAX);
			return false;
		}
		if (c->in.len - ENVELOPE_HEAD < len)
			return true;
		if (is_end(c->in.data))
			c->ended = true;
		else if (!one_message(c, c->in.data, len))
			return false;
		buf_consume(&c->in, ENVELOPE_HEAD + len);
	}
	return true;
}

static void
on_stream_data(struct http_req *r, const char *p, size_t n)
{
	struct rpc *c = of(r);

	if (n > 0) {
		if (c->ended)
			return;
		if (buf_add(&c->in, p, n) < 0)
			too_large(c);
		else
			(void)whole_messages(c);
		return;
	}
	if (c->in.len > 0 && !c->ended)
		incomplete(c);
	else
		(void)c->m->on_message(c, NULL);
}

void
rpc_pause(struct rpc *c)
{
	c->paused = true;
	http_req_pause(c->r);
}

void
rpc_resume(struct rpc *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	if (whole_messages(c) && !c->paused)
		http_req_resume(c->r);
}

/* --- beginning and end ----------------------------------------------------*/

static void
rpc_free(struct rpc *c)
{
	loop_timer_stop(&c->deadline);
	buf_fini(&c->in);
	free(c);
}

static void
on_gone(struct http_req *r)
{
	struct rpc *c = of(r);

	if (c->on_gone != NULL)
		c->on_gone(c);
	journal_rpc(c->d, c->m->path, (int)c->failed);
	rpc_free(c);
}

static void
on_deadline(struct loop_timer *t)
{
	struct rpc *c = container_of(t, struct rpc, deadline);

	if (c->broken)
		rpc_fail(c, RPC_INTERNAL, "marshal message");
	else
		rpc_fail(c, RPC_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void
refuse_type(struct http_req *r, bool stream)
{
	char list[countof(types) * TYPE_MAX] = "";
	size_t n = 0;

	for (size_t i = 0; i < countof(types); i++)
		if (types[i].stream == stream)
			n += (size_t)snprintf(list + n, sizeof(list) - n,
			    "%s%s", n > 0 ? ", " : "", types[i].name);
	http_reply_header(r, "Accept-Post", "%s", list);
	http_reply(r, 415, NULL, NULL, 0);
}

static struct rpc *
rpc_new(struct http_req *r, struct envd *d, const struct rpc_method *m,
    const struct type *t)
{
	struct rpc *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->r = r;
	c->d = d;
	c->m = m;
	c->type = t->name;
	c->binary = t->binary;
	c->legacy = legacy_client(c);
	c->deadline.on_time = on_deadline;
	buf_init(&c->in, ENVD_MESSAGE_MAX + ENVELOPE_HEAD + 64 * 1024);
	http_req_set_data(r, c);
	http_req_on_gone(r, on_gone);
	return c;
}

void
rpc_serve(struct http_req *r, struct envd *d, const struct rpc_method *m)
{
	bool stream = m->kind != RPC_UNARY;
	const struct type *t = type_of(r, stream);
	struct rpc *c;

	if (t == NULL) {
		refuse_type(r, stream);
		return;
	}
	c = rpc_new(r, d, m, t);
	if (c == NULL) {
		rpc_refuse(r, stream, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	if (parse_headers(c) < 0)
		return;
	if (c->has_timeout)
		loop_timer_start(d->loop, &c->deadline, c->timeout_ms);
	if (m->kind == RPC_UNARY)
		http_req_collect(r, ENVD_MESSAGE_MAX, on_unary);
	else if (m->kind == RPC_SERVER_STREAM)
		http_req_collect(r, ENVD_MESSAGE_MAX, on_stream_request);
	else
		http_req_stream(r, on_stream_data);
}
