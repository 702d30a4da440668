/* Replies: one head each, then nothing, bytes, pieces or a file. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "http/http_int.h"

static void
put(struct buf *b, const char *s, size_t n)
{
	char *to = buf_room(b, n);

	if (to == NULL || n == 0)
		return; /* sized for all of it: extra has its own ceiling */
	memcpy(to, s, n);
	buf_added(b, n);
}

#define PUT(b, literal) put(b, literal, sizeof(literal) - 1)

static void
put_number(struct buf *b, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	put(b, text + at, sizeof(text) - at);
}

static bool
is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == ':' || *s == 0x7f)
			return false;
	return true;
}

static bool
is_line(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

void
http_reply_header(struct http_req *r, const char *name, const char *fmt, ...)
{
	char value[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value) || !is_token(name) ||
	    !is_line(value))
		return;
	(void)buf_printf(&r->extra, "%s: %s\r\n", name, value);
}

static bool
has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* Whether this connection can serve another request after this one. */
static bool
ends_here(const struct http_req *r)
{
	const struct http_conn *c = r->conn;

	if (!r->keep_alive || c->closing || (c->eof && c->in.len == 0))
		return true;
	if (r->body_done)
		return false;
	/* It waits for our 100, which will not come. */
	if (r->expect_100 && !r->said_100)
		return true;
	return !r->body.chunked && r->body.ll.content_length > DRAIN_BYTES_MAX;
}

static void
make_head(struct http_req *r, int status, const char *ctype, int64_t length)
{
	struct http_conn *c = r->conn;
	struct buf *b = &c->srv->head;
	const char *text = http_status_text(status);

	buf_reset(b);
	PUT(b, "HTTP/1.1 ");
	put_number(b, (uint64_t)status);
	PUT(b, " ");
	put(b, text, strlen(text));
	PUT(b, "\r\nDate: ");
	put(b, server_date(c->srv), strlen(server_date(c->srv)));
	if (ctype != NULL && is_line(ctype) && strlen(ctype) < 1024) {
		PUT(b, "\r\nContent-Type: ");
		put(b, ctype, strlen(ctype));
	}
	if (length >= 0 && !has_no_body(status)) {
		PUT(b, "\r\nContent-Length: ");
		put_number(b, (uint64_t)length);
	} else if (r->chunked_reply)
		PUT(b, "\r\nTransfer-Encoding: chunked");
	if (c->closing)
		PUT(b, "\r\nConnection: close");
	else if (r->http10)
		PUT(b, "\r\nConnection: keep-alive");
	PUT(b, "\r\n");
	put(b, r->extra.data, r->extra.len);
	PUT(b, "\r\n");
}

static void
begin(struct http_req *r, int status, const char *ctype, int64_t length)
{
	r->reply = REPLY_BEGUN;
	if (ends_here(r)) {
		r->conn->closing = true;
		r->conn->linger |= !r->body_done;
	}
	r->no_body_reply = r->is_head || has_no_body(status);
	if (length < 0 && !has_no_body(status)) {
		r->chunked_reply = !r->http10;
		r->conn->closing |= r->http10;
	}
	r->reply_left = length;
	make_head(r, status, ctype, length);
}

void
http_reply(struct http_req *r, int status, const char *ctype, const void *body,
    size_t n)
{
	const struct buf *head = &r->conn->srv->head;

	if (r->reply != REPLY_NONE)
		return;
	begin(r, status, ctype, (int64_t)n);
	conn_send2(
	    r->conn, head->data, head->len, body, r->no_body_reply ? 0 : n);
	conn_reply_ended(r->conn);
}

void
http_reply_begin(
    struct http_req *r, int status, const char *ctype, int64_t length)
{
	const struct buf *head = &r->conn->srv->head;

	if (r->reply != REPLY_NONE)
		return;
	begin(r, status, ctype, length);
	/* It leaves with what is written in this round. */
	conn_queue(r->conn, head->data, head->len);
	server_kick(r->conn);
}

static size_t
only_promised(struct http_req *r, size_t n)
{
	if (r->reply_left < 0)
		return n;
	if ((uint64_t)n > (uint64_t)r->reply_left)
		n = (size_t)r->reply_left;
	r->reply_left -= (int64_t)n;
	return n;
}

size_t
http_reply_write(struct http_req *r, const void *p, size_t n)
{
	struct http_conn *c = r->conn;
	char size[24];

	n = only_promised(r, n);
	if (r->reply != REPLY_BEGUN || r->no_body_reply || n == 0)
		return c->out.len;
	if (r->chunked_reply) {
		int len = snprintf(size, sizeof(size), "%zx\r\n", n);

		conn_queue(c, size, (size_t)len);
	}
	conn_queue(c, p, n);
	if (r->chunked_reply)
		conn_queue(c, "\r\n", 2);
	if (c->out.len >= SCRATCH_BYTES)
		conn_send(c);
	server_kick(c);
	return c->out.len;
}

void
http_reply_on_drain(
    struct http_req *r, size_t low, void (*on_drain)(struct http_req *r))
{
	r->on_drain = on_drain;
	r->drain_low = low;
	server_kick(r->conn);
}

void
http_reply_file(struct http_req *r, int fd, int64_t off, int64_t n)
{
	struct http_conn *c = r->conn;

	if (r->reply != REPLY_BEGUN || r->no_body_reply || c->broken ||
	    n <= 0 || r->chunked_reply) {
		(void)close(fd);
		http_reply_end(r);
		return;
	}
	if (r->reply_left >= 0 && n > r->reply_left)
		n = r->reply_left;
	if (r->reply_left >= 0)
		r->reply_left -= n;
	c->file_fd = fd;
	c->file_off = off;
	c->file_left = n;
	server_kick(c);
}

void
http_reply_end(struct http_req *r)
{
	struct http_conn *c = r->conn;

	if (r->reply != REPLY_BEGUN)
		return;
	if (r->reply_left > 0 && !r->no_body_reply) {
		http_reply_abort(r); /* less than promised */
		return;
	}
	if (r->chunked_reply && !r->no_body_reply)
		conn_queue(c, "0\r\n\r\n", 5);
	conn_reply_ended(c);
}

void
http_reply_abort(struct http_req *r)
{
	struct http_conn *c = r->conn;
	struct linger now = { .l_onoff = 1 };

	(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_close(c);
}
