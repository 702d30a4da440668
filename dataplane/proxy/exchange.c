#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/own.h"
#include "proxy/proxy_int.h"

static struct http1_head head; /* see request.c */

enum { BULK_MIN = 128 * 1024, BULK_BUDGET = 16 };

/* --- bytes
 * --------------------------------------------------------------------*/

/* How much of what s has sent belongs to the body; -1 if it is malformed. */
static int
scan(struct body *b, struct side *s)
{
	size_t n = s->in.len - s->ok, take;
	const char *p = s->in.data + s->ok;
	enum http1_piece piece;

	if (b->done || b->kind == BODY_NONE) {
		b->done = true;
		return 0;
	}
	if (b->kind == BODY_LENGTH) {
		take = n < b->left ? n : (size_t)b->left;
		s->ok += take;
		b->left -= take;
		b->done = b->left == 0;
		return 0;
	}
	if (b->kind == BODY_EOF) {
		s->ok = s->in.len;
		b->done = s->eof;
		return 0;
	}
	while (n > 0) {
		piece = http1_body_next(&b->chunked, &p, &n);
		if (piece == HTTP1_BAD)
			return -1;
		if (piece == HTTP1_END) {
			b->done = true;
			break;
		}
		if (piece == HTTP1_MORE)
			break;
	}
	s->ok = (size_t)(p - s->in.data);
	return 0;
}

/* For a client of HTTP/1.0: the data alone, without the chunks around it. */
static int
scan_dechunk(struct conn *c)
{
	struct side *s = &c->u;
	size_t n = s->in.len;
	const char *p = s->in.data;
	enum http1_piece piece = HTTP1_DATA;

	if (c->resp.done || c->c.out.len > 0)
		return 0;
	while (n > 0 && piece == HTTP1_DATA) {
		piece = http1_body_next(&c->resp.chunked, &p, &n);
		if (piece == HTTP1_BAD ||
		    (piece == HTTP1_DATA &&
			buf_add(&c->c.out, c->resp.chunked.data,
			    c->resp.chunked.ndata) < 0))
			return -1;
	}
	c->resp.done = piece == HTTP1_END;
	buf_consume(&s->in, (size_t)(p - s->in.data));
	return 0;
}

/* Our own words to `to`, then what `from` said.  -1 if `to` is broken. */
static int
flush(struct conn *c, struct side *to, struct side *from)
{
	while (to->out.len + from->ok > 0) {
		struct iovec v[2] = {
			{ to->out.data, to->out.len },
			{ from->in.data, from->ok },
		};
		bool both = to->out.len > 0;
		ssize_t n;
		size_t own;

		if (to->shut) { /* nobody listens: it is thrown away */
			buf_reset(&to->out);
			buf_consume(&from->in, from->ok);
			from->ok = 0;
			return 0;
		}
		n = side_writev(
		    to, both ? v : v + 1, both && from->ok > 0 ? 2 : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		conn_progress(c);
		if (to == &c->u)
			table_count(c, (uint64_t)n, 0);
		else
			c->sent += (uint64_t)n;
		own = (size_t)n < to->out.len ? (size_t)n : to->out.len;
		if (own > 0)
			buf_consume(&to->out, own);
		if ((size_t)n > own) {
			buf_consume(&from->in, (size_t)n - own);
			from->ok -= (size_t)n - own;
		}
	}
	return 0;
}

/* Says to `to` that `from` has ended, once all is passed on. */
static void
pass_end(struct side *to, const struct side *from)
{
	if (!from->eof || to->shut || from->ok > 0 || to->out.len > 0)
		return;
	side_shut(to);
}

/* --- the request's way in
 * -------------------------------------------------------*/

void
exchange_begin(struct conn *c)
{
	loop_timer_stop(&c->timer);
	c->state = C_EXCHANGE;
	conn_progress(c);
	conn_advance(c);
}

/* False: the exchange has come to another end. */
static bool
way_in(struct conn *c)
{
	if (scan(&c->req, &c->c) < 0) {
		c->req.done = true;
		c->keep = false;
		if (c->resp_head) {
			conn_kill(c, true);
			return false;
		}
		buf_reset(&c->c.in);
		c->c.ok = 0;
		answer_bad(c, 400, "the request's body is malformed");
		return false;
	}
	if (c->u.io.fd < 0) { /* our own answer: nobody wants the body */
		buf_consume(&c->c.in, c->c.ok);
		c->c.ok = 0;
		return true;
	}
	/* Nobody listens any more, but an answer may be on its way. */
	if (flush(c, &c->u, &c->c) < 0)
		c->u.shut = true;
	if (c->c.eof && !c->req.done && c->c.in.len == 0) {
		conn_kill(c, true); /* the client left in the middle */
		return false;
	}
	if (c->req.done && c->c.in.len == 0)
		pass_end(&c->u, &c->c);
	return true;
}

/* --- the response's way out
 * -----------------------------------------------------*/

static void
body_of_response(struct conn *c, const struct http1_head *h)
{
	int status = h->ll.status_code;

	c->resp = (struct body){ .kind = BODY_EOF };
	if (c->to_head || status == 204 || status == 304) {
		c->resp.kind = BODY_NONE;
		c->resp.done = true;
	} else if (h->chunked) {
		c->resp.kind = BODY_CHUNKED;
		http1_body_begin(&c->resp.chunked, h);
		c->dechunk = c->http10;
	} else if (h->has_length) {
		c->resp.kind = BODY_LENGTH;
		c->resp.left = h->length;
		c->resp.done = h->length == 0;
	}
	c->up_keep = h->keep_alive && c->resp.kind != BODY_EOF;
	if (c->resp.kind == BODY_EOF || c->dechunk)
		c->keep = false;
}

/* 1 one head passed on, 0 more bytes needed, -1 not HTTP. */
static int
take_head(struct conn *c)
{
	struct buf *in = &c->u.in;
	ptrdiff_t len = http1_head_end(in->data, in->len, &c->up_seen);
	bool interim;

	if (len == 0)
		return in->len < SIDE_MAX ? 0 : -1;
	if (len < 0 ||
	    http1_response(&head, in->data, (size_t)len, c->to_head) < 0)
		return -1;
	c->up_seen = 0;
	c->reused = false;
	interim = head.ll.status_code < 200 && head.ll.status_code != 101;
	if (head.ll.status_code == 101 && !c->upgrade)
		return -1; /* nobody asked for that */
	if (!interim)
		body_of_response(c, &head);
	/* HTTP/1.0 has no interim answers. */
	if ((!interim || !c->http10) &&
	    head_response(c, &head, in->data, (size_t)len) < 0)
		return -1;
	buf_consume(in, (size_t)len);
	if (head.ll.status_code == 101)
		c->state = C_TUNNEL;
	c->resp_head = !interim;
	if (!interim)
		c->status = head.ll.status_code;
	return 1;
}

/* u has ended, or cannot be understood, with no answer passed on. */
void
exchange_lost(struct conn *c)
{
	bool retry = c->reused && c->again.len > 0 && c->u.in.len == 0;
	struct route *r = c->route;

	if (!retry) {
		answer_broken(c);
		return;
	}
	/* It closed a kept connection just as we used it: once more. */
	c->reused = false;
	c->counted = false; /* conn_detach() must not count it as ended */
	conn_detach(c);
	conn_attach(c, r);
	c->counted = true;
	if (buf_add(&c->u.out, c->again.data, c->again.len) < 0)
		answer_broken(c);
	else
		dial_begin(c);
}

/* Bodies of known length, and large: the kernel moves them. */
static int
bulk(struct conn *c)
{
	struct body *b = &c->resp;
	int budget = BULK_BUDGET; /* then it is the others' turn */

	if (c->piped > 0 && bulk_flush(c) < 0)
		return -1;
	while (budget-- > 0 && c->piped == 0 && b->kind == BODY_LENGTH &&
	       b->left > 0 && (b->left >= BULK_MIN || c->pipe[0] >= 0) &&
	       c->u.in.len == 0 && c->c.out.len == 0 && !c->u.eof) {
		ssize_t n = bulk_fill(
		    c, b->left < SIDE_MAX * 4 ? (size_t)b->left : SIDE_MAX * 4);

		if (n == 0)
			c->u.eof = true;
		if (n <= 0)
			return n == 0 || errno == EAGAIN || errno == ENOSYS
				   ? 0
				   : -1;
		b->left -= (uint64_t)n;
		b->done = b->left == 0;
		conn_progress(c);
		table_count(c, 0, (uint64_t)n);
		if (bulk_flush(c) < 0)
			return -1;
	}
	return 0;
}

/* As much as the client takes; the rest waits in u.in. */
static int
dechunk(struct conn *c)
{
	size_t before;

	do {
		before = c->u.in.len;
		if (flush(c, &c->c, &c->u) < 0 || scan_dechunk(c) < 0)
			return -1;
	} while (c->u.in.len < before);
	return 0;
}

static bool
way_out(struct conn *c)
{
	bool bad = false;

	while (!c->resp_head) {
		int rc = take_head(c);

		if (rc == 0 && !c->u.eof)
			break;
		if (rc <= 0) {
			exchange_lost(c);
			return false;
		}
		if (c->state == C_TUNNEL)
			return true;
	}
	if (c->resp_head && c->dechunk)
		bad = dechunk(c) < 0;
	else if (c->resp_head && c->piped == 0)
		bad = scan(&c->resp, &c->u) < 0;
	if (!bad && c->piped == 0)
		bad = flush(c, &c->c, &c->u) < 0;
	if (!bad && c->resp_head && c->u.io.fd >= 0)
		bad = bulk(c) < 0;
	/* Cut short: the client must not take it for the whole. */
	if (!bad && c->u.eof && c->resp_head && !c->resp.done &&
	    c->u.in.len == 0 && c->piped == 0)
		bad = true;
	if (bad)
		conn_kill(c, true);
	return !bad;
}

/* --- both
 * ------------------------------------------------------------------------*/

/* The answer is with the client: what becomes of the connections? */
void
request_over(struct conn *c)
{
	bool all_said = c->req.done;

	access_end(c);
	if (c->counted && c->route != NULL)
		c->route->nrequests--;
	c->counted = false;
	bulk_end(c);
	if (c->u.io.fd >= 0 && (!c->up_keep || !all_said || c->u.eof ||
				   c->u.shut || c->u.in.len > 0))
		conn_detach(c);
	c->up_since = loop_now(c->p->loop);
	c->since = c->up_since;
	if (c->keep && all_said) {
		c->state = C_HEAD;
		c->head_seen = 0;
		crowd_idle(c);
		return;
	}
	conn_detach(c);
	c->state = C_LINGER;
	side_shut(&c->c);
}

bool
exchange_step(struct conn *c)
{
	if (!way_in(c))
		return !c->dead;
	if (!way_out(c))
		return !c->dead;
	if (c->state != C_EXCHANGE)
		return true;
	if (c->resp_head && c->resp.done && c->u.ok == 0 && c->c.out.len == 0 &&
	    c->piped == 0) {
		request_over(c);
		return true;
	}
	return false;
}

void
tunnel_step(struct conn *c)
{
	c->c.ok = c->c.in.len;
	c->u.ok = c->u.in.len;
	if (flush(c, &c->u, &c->c) < 0 || flush(c, &c->c, &c->u) < 0) {
		conn_kill(c, true);
		return;
	}
	pass_end(&c->u, &c->c);
	pass_end(&c->c, &c->u);
	if (c->u.shut && c->c.shut)
		conn_kill(c, false);
}
