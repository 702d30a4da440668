/* What a client sends, as requests and pieces of body. */
#include <string.h>

#include "base/own.h"
#include "http/http_int.h"

/* --- bodies ---------------------------------------------------------------*/

static bool
room_for_all(const struct http_server *s, size_t n)
{
	return s->lim.collect_max == 0 ||
	       s->collected + n <= s->lim.collect_max;
}

static void
collect(struct http_req *r, const char *p, size_t n)
{
	struct http_server *s = r->conn->srv;

	if (r->too_long)
		return;
	if (room_for_all(s, n) && buf_add(&r->collected, p, n) == 0) {
		s->collected += n;
		return;
	}
	r->too_long = true;
	req_drop_body(r);
}

/* It need not live as long as the request, which may be a stream. */
static void
tell_body(struct http_req *r)
{
	struct http_server *s = r->conn->srv;
	struct buf b = r->collected;
	const char *body = r->too_long ? NULL : buf_str(&b);

	buf_init(&r->collected, 0);
	s->collected -= b.len;
	r->mode = BODY_DISCARD;
	r->on_body(r, body, body != NULL ? b.len : 0);
	buf_fini(&b);
}

static void
body_piece(struct http_req *r, const char *p, size_t n)
{
	struct http_conn *c = r->conn;

	if (r->gone) {
		r->drained += n;
		if (r->drained > DRAIN_BYTES_MAX)
			c->closing = c->linger = true;
		return;
	}
	if (r->mode == BODY_STREAM)
		r->on_data(r, p, n);
	else if (r->mode == BODY_COLLECT)
		collect(r, p, n);
}

static void
body_ended(struct http_req *r)
{
	struct http_conn *c = r->conn;

	r->body_done = true;
	if (r->gone) {
		c->r = NULL;
		req_free(r);
		return;
	}
	if (r->mode == BODY_STREAM)
		r->on_data(r, "", 0);
	else if (r->mode == BODY_COLLECT)
		tell_body(r);
}

static void
say_100(struct http_conn *c)
{
	struct http_req *r = c->r;

	if (!r->expect_100 || r->said_100 || r->reply != REPLY_NONE)
		return;
	r->said_100 = true;
	conn_queue(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	conn_send(c);
}

static size_t
read_body(struct http_conn *c, const char *p, size_t n)
{
	const char *at = p;

	while (!c->dead && !c->closing && c->r != NULL && !c->r->body_done &&
	       !c->r->paused && (n > 0 || c->r->body.ended)) {
		struct http_req *r = c->r;

		switch (http1_body_next(&r->body, &at, &n)) {
		case HTTP1_DATA:
			body_piece(r, r->body.data, r->body.ndata);
			break;
		case HTTP1_END:
			c->corked = n > 0;
			body_ended(r);
			break;
		case HTTP1_BAD:
			conn_refuse(c, 400, "malformed chunked body");
			break;
		case HTTP1_MORE:
			break;
		}
	}
	return (size_t)(at - p);
}

/* --- heads ----------------------------------------------------------------*/

static void
start(struct http_conn *c, const char *p, size_t n)
{
	struct http1_head *h = &c->srv->parsed;
	struct http_req *r;

	if (http1_request(h, p, n) < 0) {
		conn_refuse(c, h->status, h->why);
		return;
	}
	if (h->length > INT64_MAX) {
		conn_refuse(c, 413, "Content-Length is out of range");
		return;
	}
	r = req_new(c, h, p, n);
	if (r == NULL) {
		conn_close(c);
		return;
	}
	c->r = r;
	c->srv->h.on_request(r, c->srv->h.ctx);
	if (c->dead || c->r != r || r->gone)
		return;
	if (r->body_done) {
		body_ended(r);
		return;
	}
	if (r->mode == BODY_COLLECT && r->too_long) {
		tell_body(r);
		return;
	}
	if (r->mode != BODY_DISCARD)
		say_100(c);
}

static size_t
blank_lines(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (p[i] == '\r' || p[i] == '\n'))
		i++;
	return i;
}

static size_t
read_head(struct http_conn *c, const char *p, size_t n)
{
	size_t max = c->srv->lim.head_bytes_max;
	ptrdiff_t len;

	if (c->head_seen == 0) {
		size_t skip = blank_lines(p, n);

		if (skip > 0)
			return skip;
		/* A method; anything else is not worth waiting for. */
		if (*p < 'A' || *p > 'Z') {
			conn_refuse(c, 400, "Invalid method encountered");
			return n;
		}
	}
	len = http1_head_end(p, n, &c->head_seen);
	if (len < 0) {
		conn_refuse(c, 400, "control character in the head");
		return n;
	}
	if (len > (ptrdiff_t)max || (len == 0 && n >= max)) {
		conn_refuse(c, 431, "request line and headers are too long");
		return n;
	}
	if (len == 0)
		return 0;
	c->head_seen = 0;
	c->corked = (size_t)len < n;
	start(c, p, (size_t)len);
	return (size_t)len;
}

size_t
conn_use(struct http_conn *c, const char *p, size_t n)
{
	size_t used = 0;

	/* The end of a body may have been seen while its reader paused. */
	if (n == 0)
		return read_body(c, p, n);
	while (used < n && !c->dead && !c->closing) {
		size_t some;

		if (c->r == NULL) {
			if (c->out.len > OUT_HIGH)
				break;
			some = read_head(c, p + used, n - used);
		} else if (!c->r->body_done && !c->r->paused)
			some = read_body(c, p + used, n - used);
		else
			break;
		if (some == 0 && c->r == NULL && c->head_seen > 0)
			break;
		used += some;
	}
	c->corked = false;
	return used;
}
