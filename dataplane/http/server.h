/*
 * http/server.h - HTTP/1.1 server on a loop, for the API and for envd.
 *
 * llhttp parses.  One request at a time on a connection; pipelined ones wait.
 * A request lives from on_request until its reply has ended or its connection
 * is gone, whichever is first; then on_gone (if set) is the last call about
 * it, in both cases, and the pointer is dead afterwards.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

struct http_server;
struct http_req;

struct http_limits {
	uint32_t head_bytes_max;  /* request line and headers; 0 = 64 KiB */
	uint32_t head_timeout_ms; /* from first byte to end of head; 0 = none */
	uint32_t body_timeout_ms; /* between two pieces of body; 0 = none */
	uint32_t idle_timeout_ms; /* between two requests; 0 = none */
	/* Of bodies being collected, together: over it a body is too long. */
	uint64_t collect_max; /* 0 = no limit */
	/* Then the oldest idle one goes, or else the new one; 0 = no limit. */
	uint32_t conns_max;
};

struct http_handler {
	/*
	 * The head is complete.  Say here what to do with the body (else it
	 * is read and thrown away), and reply now or later.
	 */
	void (*on_request)(struct http_req *r, void *ctx);
	/*
	 * The head is malformed or too large: llhttp's reason.  Return the
	 * whole body for the 400/431 that is sent, in out; NULL = plain text.
	 */
	void (*on_bad_request)(
	    int status, const char *why, struct buf *out, void *ctx);
	void *ctx;
};

struct http_server *http_server_new(struct loop *l, struct http_handler h,
    struct http_limits lim, struct err *e);
/* Accepts from a listening, non-blocking socket.  Takes fd. */
int http_server_listen(struct http_server *s, int fd, struct err *e);
/* Closes listeners and connections. */
void http_server_free(struct http_server *s);
size_t http_server_nconns(const struct http_server *s);
/* Bytes that wait for their readers, of all connections. */
size_t http_server_queued(const struct http_server *s);

/* --- asking --------------------------------------------------------------*/

const char *http_req_method(const struct http_req *r);
const char *http_req_target(const struct http_req *r); /* as sent */
/* The part before '?', still encoded.  For absolute-form, its path. */
const char *http_req_path(const struct http_req *r);
const char *http_req_query(const struct http_req *r); /* after '?', or "" */
/* First header of that name, case ignored; NULL if there is none. */
const char *http_req_header(const struct http_req *r, const char *name);
/* Header number i, for those who need all; false past the end. */
bool http_req_header_at(
    const struct http_req *r, size_t i, const char **name, const char **value);
/* Content-Length, or -1 when chunked; 0 when there is no body. */
int64_t http_req_length(const struct http_req *r);
bool http_req_http10(const struct http_req *r);
void *http_req_server_ctx(const struct http_req *r);

/*
 * One query parameter, decoded (+ and %XX) into a string that the caller
 * frees; NULL if it is not there.  NUL bytes are refused (NULL, *bad set).
 */
char *http_req_param(const struct http_req *r, const char *name, bool *bad);
/* Percent-decodes n bytes to a terminated string; -1 if malformed or NUL. */
int http_decode(const char *s, size_t n, bool plus, char *to, size_t cap);

/* The handler's own data about the request. */
void http_req_set_data(struct http_req *r, void *data);
void *http_req_data(const struct http_req *r);
/* Called once, last, whether the reply ended or the client went away. */
void http_req_on_gone(struct http_req *r, void (*on_gone)(struct http_req *r));
/*
 * The client has said that it sends no more, while a reply without a length
 * is under way.  Without this the connection ends then; with it the reply
 * may be brought to its own end, if there is still somebody to read it.  It
 * is called at once where that has been said already.
 */
void http_req_on_eof(struct http_req *r, void (*on_eof)(struct http_req *r));

/* --- body: one of these, in on_request -----------------------------------*/

/*
 * Collects up to max bytes, then on_body.  A longer one: on_body gets
 * body == NULL and the rest is thrown away (reply 413).
 */
void http_req_collect(struct http_req *r, size_t max,
    void (*on_body)(struct http_req *r, const char *body, size_t n));
/*
 * Piece by piece; n == 0 says the end.  Sends 100-continue where asked for.
 */
void http_req_stream(struct http_req *r,
    void (*on_data)(struct http_req *r, const char *p, size_t n));
/* Stop reading the body, and go on. */
void http_req_pause(struct http_req *r);
void http_req_resume(struct http_req *r);

/* --- reply ---------------------------------------------------------------*/

/* Whole: sets Content-Length, ends.  ctype NULL with n 0 for an empty one. */
void http_reply(struct http_req *r, int status, const char *ctype,
    const void *body, size_t n);
/* A header for the reply that comes next.  CR, LF in value are refused. */
void http_reply_header(
    struct http_req *r, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* In pieces: chunked if length < 0 (or until close, for HTTP/1.0). */
void http_reply_begin(
    struct http_req *r, int status, const char *ctype, int64_t length);
/* Queues and sends; returns the bytes that the client has not taken yet. */
size_t http_reply_write(struct http_req *r, const void *p, size_t n);
/* Calls once when fewer than `low` bytes wait. */
void http_reply_on_drain(
    struct http_req *r, size_t low, void (*on_drain)(struct http_req *r));
/* n bytes of fd from off, by sendfile where it can; then as reply_end.
 * Takes fd. */
void http_reply_file(struct http_req *r, int fd, int64_t off, int64_t n);
void http_reply_end(struct http_req *r);
/* Cuts the connection without a proper end: the client must notice. */
void http_reply_abort(struct http_req *r);
bool http_reply_begun(const struct http_req *r);

const char *http_status_text(int status);

#endif
