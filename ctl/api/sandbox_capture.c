/*
 * sandbox_capture.c - GET /sandboxes/{sandboxID}/network/capture
 *
 * privd starts coppice-capture and hands its stream over; what is asked goes
 * there, and when that says yes, its file goes to the client, as fast as the
 * client takes it and no faster.
 */
#include "ctl/api/api_int.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "capture/capture_msg.h"

enum {
	PIECE_BYTES = 64 * 1024,
	HIGH_BYTES = 256 * 1024, /* the client has not taken so much */
	LOW_BYTES = 64 * 1024,
	SNAPLEN_MAX = 262144, /* what others call everything */
	ANSWER_MS = 15000,
};

#define BYTES_USUAL ((int64_t)64 * 1024 * 1024)

struct capture {
	struct api *api;
	struct capture *next, **prev;
	struct call *call;  /* until it is answered */
	struct http_req *r; /* from then on */
	struct loop_io io;
	struct loop_timer patience;
	struct capture_ask ask;
	struct capture_answer answer;
	size_t have; /* of the answer */
};

static struct capture *
capture_new(struct call *call, const struct capture_ask *ask)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->api = call->api;
	c->call = call;
	c->ask = *ask;
	c->io.fd = -1;
	c->next = c->api->captures;
	c->prev = &c->api->captures;
	if (c->next != NULL)
		c->next->prev = &c->next;
	c->api->captures = c;
	return c;
}

/* Closing the stream ends coppice-capture. */
static void
capture_free(struct capture *c)
{
	loop_io_stop(&c->io);
	loop_timer_stop(&c->patience);
	drop_fd(&c->io.fd);
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	free(c);
}

void
captures_drop(struct api *api)
{
	while (api->captures != NULL)
		capture_free(api->captures);
}

static void
fail(struct capture *c, const struct err *e)
{
	struct call *call = c->call;

	capture_free(c);
	call_error(call, e, NULL);
}

/* --- the file ------------------------------------------------------------- */

static void on_drain(struct http_req *r);

static void
forget_client(struct capture *c)
{
	http_req_on_gone(c->r, NULL);
	http_req_on_eof(c->r, NULL);
	http_req_set_data(c->r, NULL);
}

static void
end(struct capture *c, bool well)
{
	struct http_req *r = c->r;

	forget_client(c);
	capture_free(c);
	if (well)
		http_reply_end(r);
	else
		http_reply_abort(r);
}

static void
on_data(struct loop_io *w, unsigned events)
{
	static char piece[PIECE_BYTES];
	struct capture *c = container_of(w, struct capture, io);
	ssize_t n = read(w->fd, piece, sizeof(piece));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(c, n == 0);
		return;
	}
	if (http_reply_write(c->r, piece, (size_t)n) < HIGH_BYTES)
		return;
	loop_io_stop(&c->io);
	http_reply_on_drain(c->r, LOW_BYTES, on_drain);
}

static void
on_drain(struct http_req *r)
{
	struct capture *c = http_req_data(r);

	if (c != NULL)
		loop_io_set(c->api->loop, &c->io, LOOP_READ);
}

static void
on_gone(struct http_req *r)
{
	capture_free(http_req_data(r));
}

/* It wants no more packets, and may still want the file's end. */
static void
on_eof(struct http_req *r)
{
	struct capture *c = http_req_data(r);

	(void)shutdown(c->io.fd, SHUT_WR);
}

static void
begin_file(struct capture *c)
{
	struct call *call = c->call;

	c->call = NULL;
	loop_timer_stop(&c->patience);
	call_header(call, "Cache-Control", "no-store");
	c->r = call_stream(call, 200, "application/x-pcapng");
	if (c->r == NULL) {
		capture_free(c);
		return;
	}
	http_req_set_data(c->r, c);
	http_req_on_gone(c->r, on_gone);
	http_req_on_eof(c->r, on_eof);
	c->io.on_ready = on_data;
}

/* --- its answer ----------------------------------------------------------- */

/* It has read a stranger's text: what it says is bytes. */
static void
answered(struct capture *c)
{
	struct err e = c->answer.err;

	if (c->answer.rc == 0) {
		begin_file(c);
		return;
	}
	e.msg[sizeof(e.msg) - 1] = '\0';
	e.where[0] = '\0';
	if (e.kind != ERR_INVALID && e.kind != ERR_UNSUPPORTED)
		e.kind = ERR_SYS;
	fail(c, &e);
}

static void
on_answer(struct loop_io *w, unsigned events)
{
	struct capture *c = container_of(w, struct capture, io);
	char *to = (char *)&c->answer + c->have;
	ssize_t n = read(w->fd, to, sizeof(c->answer) - c->have);
	struct err e;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->have += (size_t)n;
		if (c->have == sizeof(c->answer))
			answered(c);
		return;
	}
	err_set(&e, ERR_SYS,
	    "coppice-capture ended without an answer: its log says why");
	fail(c, &e);
}

static void
on_late(struct loop_timer *w)
{
	struct err e;

	err_set(&e, ERR_SYS, "coppice-capture does not answer");
	fail(container_of(w, struct capture, patience), &e);
}

static void
on_stream(void *ctx, int fd, const struct err *why)
{
	struct capture *c = ctx;
	struct err e;

	if (why != NULL) {
		fail(c, why);
		return;
	}
	c->io.fd = fd;
	c->io.on_ready = on_answer;
	/* Fresh: there is room for all of it. */
	if (send(fd, &c->ask, sizeof(c->ask), MSG_NOSIGNAL) != sizeof(c->ask)) {
		err_sys(&e, "ask coppice-capture");
		fail(c, &e);
		return;
	}
	c->patience.on_time = on_late;
	loop_timer_start(c->api->loop, &c->patience, ANSWER_MS);
	loop_io_set(c->api->loop, &c->io, LOOP_READ);
}

/* --- what is asked -------------------------------------------------------- */

static int
take_query(const struct query *q, struct capture_ask *a, struct err *e)
{
	const char *filter = query_get(q, "filter");
	int64_t bytes, packets, snaplen, seconds;

	memset(a, 0, sizeof(*a));
	if (filter != NULL && strlen(filter) > CAPTURE_FILTER_MAX)
		return err_set(e, ERR_INVALID,
		    "filter: %zu bytes, more than %d", strlen(filter),
		    CAPTURE_FILTER_MAX);
	if (query_int(q, "bytes", CAPTURE_BYTES_MIN, CAPTURE_BYTES_MAX,
		BYTES_USUAL, &bytes, e) < 0 ||
	    query_int(q, "packets", 1, INT64_MAX, 0, &packets, e) < 0 ||
	    query_int(q, "snaplen", CAPTURE_SNAPLEN_MIN, SNAPLEN_MAX,
		SNAPLEN_MAX, &snaplen, e) < 0 ||
	    query_int(q, "seconds", 1, CAPTURE_SECONDS_MAX, 0, &seconds, e) < 0)
		return -1;
	a->bytes = (uint64_t)bytes;
	a->packets = (uint64_t)packets;
	a->snaplen = snaplen > CAPTURE_SNAPLEN_MAX ? CAPTURE_SNAPLEN_MAX
						   : (uint32_t)snaplen;
	a->seconds = (uint32_t)seconds;
	if (filter != NULL)
		memcpy(a->filter, filter, strlen(filter));
	return 0;
}

void
get_capture(struct call *call)
{
	struct sandbox *sb = call_sandbox(call);
	struct capture_ask ask;
	struct capture *c;
	struct err e;

	if (sb == NULL)
		return;
	if (take_query(&call->query, &ask, &e) < 0) {
		call_error(call, &e, NULL);
		return;
	}
	c = capture_new(call, &ask);
	if (c == NULL) {
		err_sys(&e, "capture");
		call_error(call, &e, NULL);
		return;
	}
	engine_capture(call->api->en, call->arg, on_stream, c);
}
