/* Answers: errors, messages in the client's own form, ends. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/codec.h"
#include "envd/connect_int.h"
#include "envd/text.h"
#include "io/log.h"

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

/* A message on its way from a handler's JSON to the client's form. */
struct outgoing {
	const char *p;
	size_t n;
	bool packed;
	struct buf reduced, binary, gzip;
};

/* --- errors ---------------------------------------------------------------*/

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

/* Errors are JSON, whatever the messages are. */
void
rpc_refuse(struct http_req *r, bool stream, enum rpc_code code, const char *msg)
{
	struct buf b;

	buf_init(&b, 16 * 1024);
	if (stream)
		(void)buf_puts(&b, "{\"error\":");
	put_error(&b, code, msg);
	if (!stream)
		http_reply(
		    r, codes[code].status, "application/json", b.data, b.len);
	else {
		(void)buf_puts(&b, "}");
		if (!http_reply_begun(r))
			http_reply_begin(r, 200, rpc_stream_type(r), -1);
		(void)send_envelope(r, ENVELOPE_END, b.data, b.len);
		http_reply_end(r);
	}
	buf_fini(&b);
}

/* What every reply says, an error too. */
static void
put_headers(const struct rpc *c)
{
	bool stream = c->m->kind != RPC_UNARY;

	if (http_reply_begun(c->r))
		return;
	http_reply_header(c->r,
	    stream ? "Connect-Accept-Encoding" : "Accept-Encoding", "gzip");
	if (stream && c->gzip_reply)
		http_reply_header(c->r, "Connect-Content-Encoding", "gzip");
	if (c->legacy)
		http_reply_header(c->r, "X-E2B-Legacy-SDK", "true");
}

void
rpc_fail(struct rpc *c, enum rpc_code code, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	c->failed = code;
	put_headers(c);
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

/* --- messages -------------------------------------------------------------*/

static void
outgoing_fini(struct outgoing *x)
{
	buf_fini(&x->reduced);
	buf_fini(&x->binary);
	buf_fini(&x->gzip);
}

static void
take_over(struct outgoing *x, const struct buf *b)
{
	x->p = b->len > 0 ? b->data : "";
	x->n = b->len;
}

/* Packed only where that makes it smaller. */
static void
pack(const struct rpc *c, struct outgoing *x)
{
	if (!c->gzip_reply || x->n < RPC_GZIP_MIN)
		return;
	x->gzip.max = x->n;
	if (gzip_all(x->p, x->n, &x->gzip) < 0)
		return;
	take_over(x, &x->gzip);
	x->packed = true;
}

/* -1: a bug of ours, or no memory; it has been logged. */
static int
prepare(const struct rpc *c, const char *json, size_t n, struct outgoing *x)
{
	struct err e = { 0 };

	*x = (struct outgoing){ .p = json, .n = n };
	buf_init(&x->reduced, ENVD_LISTING_MAX);
	buf_init(&x->binary, ENVD_LISTING_MAX);
	buf_init(&x->gzip, 0);
	if (c->legacy) {
		if (legacy_reduce(x->p, x->n, &x->reduced, &e) < 0)
			goto failed;
		take_over(x, &x->reduced);
	}
	if (c->binary) {
		if (codec_to_binary(c->m->out, x->p, x->n, &x->binary, &e) < 0)
			goto failed;
		take_over(x, &x->binary);
	}
	pack(c, x);
	return 0;
failed:
	log_error("rpc.marshal path=%s error=\"%s\"", c->m->path, e.msg);
	outgoing_fini(x);
	return -1;
}

static void
begin(struct rpc *c)
{
	if (c->begun)
		return;
	c->begun = true;
	put_headers(c);
	http_reply_begin(c->r, 200, c->type, -1);
}

static void
reply_unary(struct rpc *c, const struct outgoing *x)
{
	put_headers(c);
	if (x->packed)
		http_reply_header(c->r, "Content-Encoding", "gzip");
	http_reply(c->r, 200, c->type, x->p, x->n);
}

void
rpc_reply(struct rpc *c, const char *json, size_t n)
{
	struct outgoing x;

	if (prepare(c, json, n, &x) < 0) {
		rpc_fail(c, RPC_INTERNAL, "marshal message");
		return;
	}
	if (c->m->kind == RPC_UNARY)
		reply_unary(c, &x);
	else {
		begin(c);
		(void)send_envelope(
		    c->r, x.packed ? ENVELOPE_GZIP : 0, x.p, x.n);
		rpc_end(c);
	}
	outgoing_fini(&x);
}

/*
 * Whoever sends goes on with c afterwards, so it must not end here; its
 * deadline has come.
 */
static size_t
send_failed(struct rpc *c)
{
	c->broken = true;
	loop_timer_start(c->d->loop, &c->deadline, 0);
	return 0;
}

size_t
rpc_send(struct rpc *c, const char *json, size_t n)
{
	struct outgoing x;
	size_t waiting;

	if (c->broken)
		return 0;
	begin(c);
	if (prepare(c, json, n, &x) < 0)
		return send_failed(c);
	waiting = send_envelope(c->r, x.packed ? ENVELOPE_GZIP : 0, x.p, x.n);
	outgoing_fini(&x);
	return waiting;
}

/* The message alone; there is room for 32 KiB as base64, and what is around. */
static size_t
data_message(
    const struct rpc *c, const char *kind, const void *p, size_t n, char *to)
{
	char *at = to;

	if (c->binary) {
		at += codec_data_head(kind, n, at);
		memcpy(at, p, n);
		return (size_t)(at - to) + n;
	}
	at += sprintf(at, "{\"event\":{\"data\":{\"%s\":\"", kind);
	b64_encode(p, n, at);
	at += b64_encoded(n);
	at += sprintf(at, "\"}}}");
	return (size_t)(at - to);
}

size_t
rpc_send_data(struct rpc *c, const char *kind, const void *p, size_t n)
{
	static char to[64 * 1024];
	struct outgoing x = { .p = to + ENVELOPE_HEAD };
	size_t waiting;

	begin(c);
	x.n = data_message(c, kind, p, n, to + ENVELOPE_HEAD);
	pack(c, &x);
	if (x.packed)
		waiting = send_envelope(c->r, ENVELOPE_GZIP, x.p, x.n);
	else {
		put_head(to, 0, x.n);
		waiting = http_reply_write(c->r, to, x.n + ENVELOPE_HEAD);
	}
	buf_fini(&x.gzip);
	return waiting;
}

void
rpc_end(struct rpc *c)
{
	begin(c);
	(void)send_envelope(c->r, ENVELOPE_END, "{}", 2);
	http_reply_end(c->r);
}
