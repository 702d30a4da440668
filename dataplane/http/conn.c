/* One connection: what it reads, whose turn it is, how it ends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "http/http_int.h"

static void
release(struct http_conn *c)
{
	if (c->busy > 0 || !c->dead)
		return;
	if (c->r != NULL)
		req_free(c->r);
	buf_fini(&c->in);
	buf_fini(&c->out);
	free(c);
}

void
conn_close(struct http_conn *c)
{
	if (c->dead)
		return;
	c->dead = c->broken = true;
	buf_reset(&c->out);
	conn_count(c);
	server_forget(c);
	loop_io_stop(&c->io);
	drop_fd(&c->io.fd);
	drop_fd(&c->file_fd);
	c->busy++;
	if (c->r != NULL) {
		req_drop_body(c->r);
		req_tell_gone(c->r);
	}
	c->busy--;
	release(c);
}

/* --- what it waits for ----------------------------------------------------*/

static bool
wants_input(const struct http_conn *c)
{
	if (c->eof)
		return false;
	if (c->shut)
		return true;
	if (c->r != NULL && !c->r->body_done && !c->r->paused)
		return true;
	/* Else only to notice that the client leaves. */
	return c->in.len < AHEAD_BYTES_MAX &&
	       (c->r == NULL || !c->r->paused || c->r->body_done);
}

static enum timed
waits_for(const struct http_conn *c)
{
	if (c->shut)
		return TIMED_LINGER;
	if (c->out.len > 0 || c->file_fd >= 0)
		return TIMED_BODY;
	if (c->r == NULL)
		return c->in.len > 0 ? TIMED_HEAD : TIMED_IDLE;
	/* Answered: the rest of its body is of no use to anybody. */
	if (c->r->reply == REPLY_ENDED && !c->r->body_done)
		return TIMED_LINGER;
	if (!c->r->body_done && !c->r->paused)
		return TIMED_BODY;
	return UNTIMED;
}

void
conn_interest(struct http_conn *c)
{
	enum timed kind;
	unsigned want = 0;

	if (c->dead)
		return;
	if (wants_input(c))
		want |= LOOP_READ;
	if (c->out.len > 0 || c->file_fd >= 0)
		want |= LOOP_WRITE;
	loop_io_set(c->srv->loop, &c->io, want);
	kind = waits_for(c);
	/* A head has one time from its first byte, and so has lingering. */
	if (c->timed == kind && (kind == TIMED_HEAD || kind == TIMED_LINGER))
		return;
	server_time(c, kind);
}

/* --- events ---------------------------------------------------------------*/

static void
use_pending(struct http_conn *c)
{
	size_t used;

	if (c->in.len == 0 && (c->r == NULL || !c->r->body.ended))
		return;
	used = conn_use(c, c->in.data, c->in.len);
	if (c->dead)
		return;
	buf_consume(&c->in, used);
	if (c->in.len == 0)
		buf_fini(&c->in);
}

static void
use_new(struct http_conn *c, const char *p, size_t n)
{
	size_t used;

	if (c->in.len > 0) {
		if (buf_add(&c->in, p, n) < 0)
			conn_close(c);
		else
			use_pending(c);
		return;
	}
	used = conn_use(c, p, n);
	if (!c->dead && used < n && buf_add(&c->in, p + used, n - used) < 0)
		conn_close(c);
}

/*
 * The client sends no more.  It may still wait for an answer, unless the
 * answer has no end of its own: then nobody is left to hear it.
 */
static void
saw_eof(struct http_conn *c)
{
	struct http_req *r = c->r;

	c->eof = true;
	if (c->shut || (r == NULL && c->out.len == 0)) {
		conn_close(c);
		return;
	}
	if (r == NULL) {
		c->closing = true;
		return;
	}
	if (r->body_done && r->reply == REPLY_BEGUN && r->on_eof != NULL)
		r->on_eof(r);
	else if (!r->body_done ||
		 (r->reply == REPLY_BEGUN && r->reply_left < 0))
		conn_close(c);
}

static void
on_readable(struct http_conn *c)
{
	char *to = c->srv->scratch;
	ssize_t n = read(c->io.fd, to, SCRATCH_BYTES);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_close(c);
		return;
	}
	if (n == 0) {
		saw_eof(c);
		return;
	}
	if (c->shut || c->closing)
		return; /* thrown away */
	use_new(c, to, (size_t)n);
}

static void
maybe_drained(struct http_conn *c)
{
	struct http_req *r = c->r;
	void (*on_drain)(struct http_req *);

	if (r == NULL || r->gone || r->on_drain == NULL ||
	    (c->out.len > 0 && c->out.len >= r->drain_low))
		return;
	on_drain = r->on_drain;
	r->on_drain = NULL;
	on_drain(r);
}

/* Everything has been sent and the connection is to end. */
static void
finish(struct http_conn *c)
{
	if (!c->linger || c->eof) {
		conn_close(c);
		return;
	}
	if (c->shut)
		return;
	/* Closing with bytes unread would take the answer from the client. */
	c->shut = true;
	(void)shutdown(c->io.fd, SHUT_WR);
}

static bool
all_sent(const struct http_conn *c)
{
	return c->out.len == 0 && c->file_fd < 0;
}

void
conn_reply_ended(struct http_conn *c)
{
	struct http_req *r = c->r;

	r->reply = REPLY_ENDED;
	r->on_drain = NULL;
	c->busy++;
	req_tell_gone(r);
	c->busy--;
	if (c->dead) {
		release(c);
		return;
	}
	if (!r->body_done && !c->closing) {
		r->mode = BODY_DISCARD;
		r->paused = false;
	} else {
		c->r = NULL;
		req_free(r);
	}
	/* Inside conn_use() the next request follows by itself. */
	if (c->busy == 0 || c->closing || c->out.len > 0)
		server_kick(c);
}

static void
file_sent(struct http_conn *c)
{
	if (c->file_fd < 0 || c->file_left > 0 || c->out.len > 0)
		return;
	drop_fd(&c->file_fd);
	if (c->r != NULL)
		http_reply_end(c->r);
}

void
conn_look(struct http_conn *c)
{
	if (c->dead)
		return;
	c->busy++;
	conn_send(c);
	file_sent(c);
	if (!c->dead && !c->broken)
		maybe_drained(c);
	if (!c->dead && !c->broken)
		use_pending(c);
	if (!c->dead && c->eof && c->r == NULL)
		c->closing = true;
	if (!c->dead && (c->broken || (c->closing && all_sent(c) &&
					  (c->r == NULL || c->r->gone)))) {
		if (c->broken)
			conn_close(c);
		else
			finish(c);
	}
	conn_interest(c);
	c->busy--;
	release(c);
}

static void
on_conn_ready(struct loop_io *w, unsigned events)
{
	struct http_conn *c = container_of(w, struct http_conn, io);

	c->busy++;
	if (events & LOOP_READ)
		on_readable(c);
	c->busy--;
	if (c->dead) {
		release(c);
		return;
	}
	/* A request answered at once leaves nothing else to look at. */
	if (!(events & LOOP_WRITE) && c->r == NULL && c->in.len == 0 &&
	    c->out.len == 0 && !c->closing && !c->broken) {
		conn_interest(c);
		return;
	}
	conn_look(c);
}

void
conn_expired(struct http_conn *c, enum timed kind)
{
	if (kind == TIMED_HEAD) {
		conn_refuse(c, 408, "the request head did not arrive in time");
		return;
	}
	if (kind == TIMED_BODY && c->r != NULL && !c->r->gone &&
	    c->r->reply == REPLY_BEGUN) {
		http_reply_abort(c->r);
		return;
	}
	conn_close(c);
}

/* An answer to what is no request.  The connection ends with it. */
void
conn_refuse(struct http_conn *c, int status, const char *why)
{
	struct http_server *s = c->srv;
	struct buf body;

	if (c->r != NULL && c->r->reply == REPLY_BEGUN) {
		http_reply_abort(c->r);
		return;
	}
	if (c->r != NULL && c->r->reply == REPLY_ENDED) {
		c->closing = c->linger = true;
		server_kick(c);
		return;
	}
	c->busy++;
	if (c->r != NULL)
		req_tell_gone(c->r);
	buf_init(&body, 64 * 1024);
	if (s->h.on_bad_request != NULL)
		s->h.on_bad_request(status, why, &body, s->h.ctx);
	else
		(void)buf_printf(&body, "%s\n", why);
	buf_reset(&s->head);
	(void)buf_printf(&s->head,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n",
	    status, http_status_text(status), server_date(s),
	    s->h.on_bad_request != NULL ? "application/json"
					: "text/plain; charset=utf-8",
	    body.len);
	conn_send2(c, s->head.data, s->head.len, body.data, body.len);
	buf_fini(&body);
	c->closing = c->linger = true;
	server_kick(c);
	c->busy--;
}

void
conn_new(struct http_server *s, int fd)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->srv = s;
	c->io.fd = fd;
	c->io.on_ready = on_conn_ready;
	c->file_fd = -1;
	c->timed = UNTIMED;
	buf_init(&c->in, s->lim.head_bytes_max + 2 * SCRATCH_BYTES);
	buf_init(&c->out, OUT_BYTES_MAX);
	c->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->nconns++;
	conn_interest(c);
}
