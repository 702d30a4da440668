/* A reply of events: bounded, with a sign of life, to its end. */
#include <string.h>

#include "base/own.h"
#include "code/code.h"
#include "code/event.h"

enum {
	/* HTTP holds so much for a client before the kernel has to wait. */
	OUT_HIGH = 256 * 1024,
	OUT_LOW = 64 * 1024,
	PIECE = 64 * 1024,
	/* The longest message, when each of its bytes becomes six. */
	OUT_MAX = 400 * 1024 * 1024,
};

static void
on_req_gone(struct http_req *r)
{
	struct stream *s = http_req_data(r);

	s->r = NULL;
	loop_timer_stop(&s->keepalive);
	buf_fini(&s->out);
	s->on_gone(s);
}

/* Nobody closes half a connection to go on reading from it. */
static void
on_eof(struct http_req *r)
{
	http_reply_abort(r);
}

static void
on_keepalive(struct loop_timer *t)
{
	struct stream *s = container_of(t, struct stream, keepalive);
	uint64_t idle = mono_ms(s->last, mono_now());

	if (idle < CODE_KEEPALIVE_MS) {
		loop_timer_start(s->loop, t, CODE_KEEPALIVE_MS - idle);
		return;
	}
	loop_timer_start(s->loop, t, CODE_KEEPALIVE_MS);
	if (s->full || s->ended)
		return;
	if (event_put_keepalive(&s->out) == 0)
		stream_send(s);
}

void
stream_init(struct stream *s, struct loop *l, struct http_req *r)
{
	s->loop = l;
	s->r = r;
	s->keepalive.on_time = on_keepalive;
	buf_init(&s->out, OUT_MAX);
	http_req_set_data(r, s);
	http_req_on_gone(r, on_req_gone);
}

void
stream_fini(struct stream *s)
{
	loop_timer_stop(&s->keepalive);
	buf_fini(&s->out);
}

void
stream_begin(struct stream *s)
{
	if (s->r == NULL || s->begun)
		return;
	s->begun = true;
	s->last = mono_now();
	loop_timer_start(s->loop, &s->keepalive, CODE_KEEPALIVE_MS);
	http_reply_begin(s->r, 200, NULL, -1);
	http_req_on_eof(s->r, on_eof);
}

static void
on_drain(struct http_req *r)
{
	struct stream *s = http_req_data(r);

	s->full = false;
	stream_send(s);
	/* It may be gone by now; then so is the request. */
}

static void
wait_for_room(struct stream *s)
{
	s->full = true;
	http_reply_on_drain(s->r, OUT_LOW, on_drain);
}

void
stream_send(struct stream *s)
{
	size_t waits = 0;

	if (s->r == NULL || !s->begun || s->full)
		return;
	if (s->out.len > 0)
		s->last = mono_now();
	while (s->out.len > 0 && waits <= OUT_HIGH) {
		size_t n = s->out.len < PIECE ? s->out.len : PIECE;

		waits = http_reply_write(s->r, s->out.data, n);
		buf_consume(&s->out, n);
	}
	if (waits > OUT_HIGH) {
		wait_for_room(s);
		return;
	}
	if (s->out.cap > OUT_HIGH)
		buf_fini(&s->out);
	if (s->ended)
		http_reply_end(s->r);
	else
		s->on_room(s);
}

void
stream_end(struct stream *s)
{
	if (s->r == NULL)
		return;
	s->ended = true;
	if (event_put_end(&s->out) < 0) {
		http_reply_abort(s->r);
		return;
	}
	stream_send(s);
}

void
stream_refuse(struct stream *s, int status, const char *text)
{
	if (s->r != NULL && !s->begun)
		reply_text(s->r, status, text);
}
