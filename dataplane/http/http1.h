/*
 * http/http1.h - HTTP/1 heads and bodies: bytes in, meaning out; no I/O.
 *
 * A head is parsed once it is whole, so that it means the same however it
 * arrived.  llhttp parses; what it tolerates beyond RFC 9112 (folded lines,
 * spaces before a colon, blanks in a target, chunks without their line ends)
 * is refused here: another program would read it in another way.
 */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

enum {
	HTTP1_HEADERS_MAX = 128,
	HTTP1_OVERHEAD_MAX = 16 * 1024, /* around chunks, between two data */
};

/*
 * Bytes of a whole head in p[0..n), 0 if its end is not there yet, -1 if it
 * can be no head (a control byte, a line end without CR).  *seen: how far
 * earlier calls have looked; 0 at first.
 */
ptrdiff_t http1_head_end(const char *p, size_t n, size_t *seen);

struct http1_span {
	uint32_t at, len; /* from the start of the head */
};

struct http1_header {
	struct http1_span name, value; /* the value without outer blanks */
};

struct http1_head {
	llhttp_t ll; /* as after the head, ready for a body */
	struct http1_span target;
	struct http1_header header[HTTP1_HEADERS_MAX];
	uint32_t nheaders;
	bool chunked;
	bool has_length; /* a Content-Length was there */
	bool expect_100;
	bool keep_alive;  /* what the peer asks for */
	uint64_t length;  /* the Content-Length, or 0 */
	int status;	  /* for what is wrong: 400, 417, 431, 501, 505 */
	const char *why;  /* one sentence, static or of the parser */
	const char *base; /* during the parse only */
};

/*
 * The n bytes of a head that http1_head_end() found.  0, or -1 with status
 * and why.
 */
int http1_request(struct http1_head *h, const char *p, size_t n);
int http1_response(struct http1_head *h, const char *p, size_t n, bool to_head);

/* --- a body ---------------------------------------------------------------*/

enum http1_piece { HTTP1_MORE, HTTP1_DATA, HTTP1_END, HTTP1_BAD };

struct http1_body {
	llhttp_t ll;
	const char *data; /* the piece just found */
	size_t ndata;
	uint32_t overhead;
	uint8_t line_end; /* of CR LF behind a chunk: bytes still to come */
	bool chunked, counted, ended;
	bool cr; /* the last byte around chunks was a CR */
};

/* Continues where the head stopped. */
void http1_body_begin(struct http1_body *b, const struct http1_head *h);
/*
 * The next piece of *p, which moves past what was used.  DATA: b->data and
 * b->ndata point into the input.  MORE: all was used.  END may come with
 * nothing left to look at (b->ended says so); what is left then belongs to
 * the next message.
 */
enum http1_piece http1_body_next(
    struct http1_body *b, const char **p, size_t *n);
/* The peer has closed: is the body complete by that? */
bool http1_body_eof(struct http1_body *b);

#endif
