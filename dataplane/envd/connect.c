#include "envd/connect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/text.h"

#define STREAM_TYPE "application/connect+json"
#define UNARY_TYPE  "application/json"

static const struct {
	const char *name;
	int status;
} codes[] = {
	[RPC_CANCELED] = { "canceled", 499 },
	[RPC_UNKNOWN] = { "unknown", 500 },
	[RPC_INVALID_ARGUMENT] = { "invalid_argument", 400 },
	[RPC_DEADLINE_EXCEEDED] = { "deadline_exceeded", 504 },
	[RPC_NOT_FOUND] = { "not_found", 404 },
	[RPC_ALREADY_EXISTS] = { "already_exists", 409 },
	[RPC_PERMISSION_DENIED] = { "permission_denied", 403 },
	[RPC_RESOURCE_EXHAUSTED] = { "resource_exhausted", 429 },
	[RPC_FAILED_PRECONDITION] = { "failed_precondition", 400 },
	[RPC_ABORTED] = { "aborted", 409 },
	[RPC_OUT_OF_RANGE] = { "out_of_range", 400 },
	[RPC_UNIMPLEMENTED] = { "unimplemented", 501 },
	[RPC_INTERNAL] = { "internal", 500 },
	[RPC_UNAVAILABLE] = { "unavailable", 503 },
	[RPC_DATA_LOSS] = { "data_loss", 500 },
	[RPC_UNAUTHENTICATED] = { "unauthenticated", 401 },
};

static void rpc_free(struct rpc *c);

/* --- answers --------------------------------------------------------------*/

static void
put_error(struct buf *b, enum rpc_code code, const char *msg)
{
	(void)buf_printf(b, "{\"code\":\"%s\",\"message\":", codes[code].name);
	(void)json_put(b, msg);
	(void)buf_puts(b, "}");
}

static void
put_head(char to[ENVELOPE_HEAD], unsigned flags, size_t n)
{
	to[0] = (char)flags;
	to[1] = (char)(n >> 24);
	to[2] = (char)(n >> 16);
	to[3] = (char)(n >> 8);
	to[4] = (char)n;
}

/* Small ones in one write, so in one chunk. */
static size_t
send_envelope(struct http_req *r, unsigned flags, const char *p, size_t n)
{
	char small[1024];

	put_head(small, flags, n);
	if (n + ENVELOPE_HEAD > sizeof(small)) {
		(void)http_reply_write(r, small, ENVELOPE_HEAD);
		return http_reply_write(r, p, n);
	}
	memcpy(small + ENVELOPE_HEAD, p, n);
	return http_reply_write(r, small, n + ENVELOPE_HEAD);
}

void
rpc_refuse(struct http_req *r, bool stream, enum rpc_code code, const char *msg)
{
	struct buf b;

	buf_init(&b, 16 * 1024);
	if (stream)
		(void)buf_puts(&b, "{\"error\":");
	put_error(&b, code, msg);
	if (!stream)
		http_reply(r, codes[code].status, UNARY_TYPE, b.data, b.len);
	else {
		(void)buf_puts(&b, "}");
		if (!http_reply_begun(r))
			http_reply_begin(r, 200, STREAM_TYPE, -1);
		(void)send_envelope(r, ENVELOPE_END, b.data, b.len);
		http_reply_end(r);
	}
	buf_fini(&b);
}

void
rpc_fail(struct rpc *c, enum rpc_code code, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	rpc_refuse(c->r, c->m->kind != RPC_UNARY, code, msg);
}

enum rpc_code
rpc_code_of(const struct err *e)
{
	switch (e->kind) {
	case ERR_INVALID:
		return RPC_INVALID_ARGUMENT;
	case ERR_AUTH:
		return RPC_UNAUTHENTICATED;
	case ERR_FORBIDDEN:
		return RPC_PERMISSION_DENIED;
	case ERR_NOTFOUND:
		return RPC_NOT_FOUND;
	case ERR_CONFLICT:
		return RPC_ALREADY_EXISTS;
	case ERR_TOOBIG:
	case ERR_LIMIT:
		return RPC_RESOURCE_EXHAUSTED;
	case ERR_UNSUPPORTED:
		return RPC_UNIMPLEMENTED;
	case ERR_BUSY:
		return RPC_UNAVAILABLE;
	case ERR_NONE:
	case ERR_SYS:
	case ERR_BUG:
		break;
	}
	return RPC_INTERNAL;
}

void
rpc_fail_err(struct rpc *c, const struct err *e)
{
	rpc_fail(c, rpc_code_of(e), "%s", e->msg);
}

static void
begin(struct rpc *c)
{
	if (c->begun)
		return;
	c->begun = true;
	http_reply_begin(c->r, 200, STREAM_TYPE, -1);
}

void
rpc_reply(struct rpc *c, const char *json, size_t n)
{
	if (c->m->kind == RPC_UNARY) {
		http_reply(c->r, 200, UNARY_TYPE, json, n);
		return;
	}
	begin(c);
	(void)send_envelope(c->r, 0, json, n);
	rpc_end(c);
}

size_t
rpc_send(struct rpc *c, const char *json, size_t n)
{
	begin(c);
	return send_envelope(c->r, 0, json, n);
}

size_t
rpc_send_data(struct rpc *c, const char *kind, const void *p, size_t n)
{
	static char to[64 * 1024]; /* 32 KiB as base64, and what is around */
	char *at = to + ENVELOPE_HEAD;

	at += sprintf(at, "{\"event\":{\"data\":{\"%s\":\"", kind);
	b64_encode(p, n, at);
	at += b64_encoded(n);
	memcpy(at, "\"}}}", 4);
	at += 4;
	put_head(to, 0, (size_t)(at - to) - ENVELOPE_HEAD);
	begin(c);
	return http_reply_write(c->r, to, (size_t)(at - to));
}

void
rpc_end(struct rpc *c)
{
	begin(c);
	(void)send_envelope(c->r, ENVELOPE_END, "{}", 2);
	http_reply_end(c->r);
}

/* --- requests -------------------------------------------------------------*/

static struct rpc *
of(const struct http_req *r)
{
	return http_req_data(r);
}

static void
on_gone(struct http_req *r)
{
	struct rpc *c = of(r);

	if (c->on_gone != NULL)
		c->on_gone(c);
	rpc_free(c);
}

static void
rpc_free(struct rpc *c)
{
	buf_fini(&c->in);
	free(c);
}

/* The media type, parameters aside. */
static bool
type_is(const struct http_req *r, const char *type)
{
	const char *have = http_req_header(r, "Content-Type");
	size_t n = strlen(type);

	return have != NULL && strncasecmp(have, type, n) == 0 &&
	       (have[n] == '\0' || have[n] == ';' || have[n] == ' ');
}

bool
rpc_is_stream_type(const struct http_req *r)
{
	const char *have = http_req_header(r, "Content-Type");

	return have != NULL &&
	       strncasecmp(have, "application/connect+", 20) == 0;
}

static bool
named_gzip(const char *coding, bool *known)
{
	*known = true;
	if (coding == NULL || *coding == '\0' ||
	    strcasecmp(coding, "identity") == 0)
		return false;
	*known = strcasecmp(coding, "gzip") == 0;
	return *known;
}

/* Milliseconds, at most ten digits; zero and less have expired already. */
static int
parse_timeout(struct rpc *c)
{
	const char *s = http_req_header(c->r, "Connect-Timeout-Ms");
	size_t n;

	if (s == NULL || *s == '\0')
		return 0;
	n = strspn(s + (*s == '-'), "0123456789");
	if (n == 0 || n > 10 || s[n + (*s == '-')] != '\0')
		return -1;
	c->has_timeout = true;
	c->timeout_ms = *s == '-' ? 0 : strtoull(s, NULL, 10);
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

static json_t *
parse_message(const char *p, size_t n, struct err *e)
{
	json_error_t je;
	json_t *v = json_loadb(p, n, 0, &je);

	if (v == NULL) {
		err_set(e, ERR_INVALID, "unmarshal message: %s", je.text);
		return NULL;
	}
	if (json_is_object(v))
		return v;
	json_decref(v);
	err_set(e, ERR_INVALID, "unmarshal message: not an object");
	return NULL;
}

static json_t *
unpack_message(const char *p, size_t n, bool gzip, struct err *e)
{
	struct buf plain;
	json_t *v;

	if (!gzip)
		return parse_message(p, n, e);
	buf_init(&plain, ENVD_MESSAGE_MAX);
	v = gunzip_all(p, n, &plain, e) < 0
		? NULL
		: parse_message(plain.data, plain.len, e);
	buf_fini(&plain);
	return v;
}

static void
call(struct rpc *c, const char *p, size_t n, bool gzip)
{
	struct err e;
	json_t *in = unpack_message(p, n, gzip, &e);

	if (in == NULL) {
		rpc_fail_err(c, &e);
		return;
	}
	c->m->on_call(c, in);
	json_decref(in); /* of the message, not of c, which may be gone */
}

static void
on_unary(struct http_req *r, const char *body, size_t n)
{
	struct rpc *c = of(r);
	bool known;
	bool gzip = named_gzip(http_req_header(r, "Content-Encoding"), &known);

	if (!known)
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "unknown compression \"%.32s\": supported encodings are "
		    "gzip",
		    http_req_header(r, "Content-Encoding"));
	else if (body == NULL)
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
		    "message is larger than configured max %d",
		    ENVD_MESSAGE_MAX);
	else
		call(c, body, n, gzip);
}

static uint32_t
envelope_len(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[1] << 24 | (uint32_t)u[2] << 16 |
	       (uint32_t)u[3] << 8 | u[4];
}

/* Exactly one message, then perhaps an end-of-stream one. */
static void
on_stream_request(struct http_req *r, const char *body, size_t n)
{
	struct rpc *c = of(r);
	size_t len;

	if (body == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
		    "message is larger than configured max %d",
		    ENVD_MESSAGE_MAX);
		return;
	}
	if (n == 0 || ((unsigned char)body[0] & ENVELOPE_END) != 0) {
		rpc_fail(
		    c, RPC_UNIMPLEMENTED, "unary request has zero messages");
		return;
	}
	if (n < ENVELOPE_HEAD ||
	    (len = envelope_len(body)) > n - ENVELOPE_HEAD) {
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "protocol error: incomplete envelope: unexpected EOF");
		return;
	}
	if (n > ENVELOPE_HEAD + len &&
	    ((unsigned char)body[ENVELOPE_HEAD + len] & ENVELOPE_END) == 0) {
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "unary request has multiple messages");
		return;
	}
	if ((body[0] & ENVELOPE_GZIP) != 0 && !c->gzip)
		rpc_fail(c, RPC_INTERNAL,
		    "protocol error: sent compressed message without "
		    "compression support");
	else
		call(c, body + ENVELOPE_HEAD, len,
		    (body[0] & ENVELOPE_GZIP) != 0);
}

/* --- client streams -------------------------------------------------------*/

/* false: an answer was given. */
static bool
one_message(struct rpc *c, const char *p, size_t len)
{
	struct err e;
	bool gzip = (p[0] & ENVELOPE_GZIP) != 0 && c->gzip, more;
	json_t *in = unpack_message(p + ENVELOPE_HEAD, len, gzip, &e);

	if (in == NULL) {
		rpc_fail_err(c, &e);
		return false;
	}
	more = c->m->on_message(c, in);
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
		if ((c->in.data[0] & ENVELOPE_END) != 0)
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
			rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
			    "message is larger than configured max %d",
			    ENVD_MESSAGE_MAX);
		else
			(void)whole_messages(c);
		return;
	}
	if (c->in.len > 0 && !c->ended)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "protocol error: incomplete envelope: unexpected EOF");
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

/* --- beginning ------------------------------------------------------------*/

static void
refuse_type(struct http_req *r, const struct rpc_method *m)
{
	http_reply_header(r, "Accept-Post", "%s",
	    m->kind == RPC_UNARY ? UNARY_TYPE : STREAM_TYPE);
	http_reply(r, 415, NULL, NULL, 0);
}

static struct rpc *
rpc_new(struct http_req *r, struct envd *d, const struct rpc_method *m)
{
	struct rpc *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->r = r;
	c->d = d;
	c->m = m;
	buf_init(&c->in, ENVD_MESSAGE_MAX + ENVELOPE_HEAD + 64 * 1024);
	http_req_set_data(r, c);
	http_req_on_gone(r, on_gone);
	return c;
}

void
rpc_serve(struct http_req *r, struct envd *d, const struct rpc_method *m)
{
	const char *version = http_req_header(r, "Connect-Protocol-Version");
	bool known = true;
	struct rpc *c;

	if (!type_is(r, m->kind == RPC_UNARY ? UNARY_TYPE : STREAM_TYPE)) {
		refuse_type(r, m);
		return;
	}
	c = rpc_new(r, d, m);
	if (c == NULL) {
		rpc_refuse(r, m->kind != RPC_UNARY, RPC_RESOURCE_EXHAUSTED,
		    "no memory");
		return;
	}
	parse_keepalive(c);
	if (m->kind != RPC_UNARY)
		c->gzip = named_gzip(
		    http_req_header(r, "Connect-Content-Encoding"), &known);
	if (version != NULL && strcmp(version, "1") != 0)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "connect-protocol-version must be \"1\": got \"%.32s\"",
		    version);
	else if (!known)
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "unknown compression: supported encodings are gzip");
	else if (parse_timeout(c) < 0)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "parse timeout: Connect-Timeout-Ms is not a number of at "
		    "most ten digits");
	else if (m->kind == RPC_UNARY)
		http_req_collect(r, ENVD_MESSAGE_MAX, on_unary);
	else if (m->kind == RPC_SERVER_STREAM)
		http_req_collect(r, ENVD_MESSAGE_MAX, on_stream_request);
	else
		http_req_stream(r, on_stream_data);
}
