#include "http/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "http/http1.h"

enum { HEAD_MAX = 64 * 1024, READ_BYTES = 16 * 1024 };

enum stage { CONNECTING, SENDING, HEAD, BODY };

struct http_call_priv {
	struct http_call *call;
	struct loop_io io;
	struct loop_timer timer;
	struct buf out, in, body;
	struct http1_head head;
	struct http1_body decode;
	size_t seen, max;
	uint64_t timeout_ms;
	enum stage stage;
	bool to_head;
	bool streams; /* the body is handed on */
	bool handing; /* ... and somebody looks at it: not to be freed */
	bool dead;
	bool refused; /* at once, as FreeBSD does; told in the loop all the same
		       */
	bool reusable; /* the answer is over, and the connection is not */
};

static void
release(struct http_call_priv *p)
{
	loop_timer_stop(&p->timer);
	loop_io_stop(&p->io);
	drop_fd(&p->io.fd);
	buf_fini(&p->out);
	buf_fini(&p->in);
	buf_fini(&p->body);
	p->dead = true;
	if (!p->handing)
		free(p);
}

static void
finish(struct http_call_priv *p, int status, const struct err *e)
{
	struct http_call *c = p->call;
	const char *body = buf_str(&p->body);

	c->priv = NULL;
	c->fd = -1;
	loop_timer_stop(&p->timer);
	loop_io_stop(&p->io);
	if (c->keep && p->reusable)
		c->fd = take_fd(&p->io.fd);
	c->on_done(c, status, body != NULL ? body : "", p->body.len, e);
	release(p);
}

static void
failed(struct http_call_priv *p, struct err *e)
{
	err_wrap(e, "request");
	finish(p, 0, e);
}

static void
failed_sys(struct http_call_priv *p, const char *what)
{
	struct err e = { 0 };

	err_sys(&e, "%s", what);
	failed(p, &e);
}

static void
failed_because(struct http_call_priv *p, const char *why)
{
	struct err e = { 0 };

	err_set(&e, ERR_SYS, "%s", why);
	failed(p, &e);
}

/* Below, 0 is "go on", -1 says that the call has ended. */
static int
head_came(struct http_call_priv *p)
{
	ptrdiff_t n = http1_head_end(p->in.data, p->in.len, &p->seen);

	if (n == 0 && p->in.len < HEAD_MAX)
		return 0;
	if (n <= 0) {
		failed_because(p, "the answer is not HTTP");
		return -1;
	}
	if (http1_response(&p->head, p->in.data, (size_t)n, p->to_head) < 0) {
		failed_because(p, p->head.why);
		return -1;
	}
	buf_consume(&p->in, (size_t)n);
	p->seen = 0;
	if (p->head.ll.status_code / 100 == 1)
		return 0; /* the real one follows */
	http1_body_begin(&p->decode, &p->head);
	p->stage = BODY;
	p->streams = p->call->on_data != NULL && p->head.ll.status_code == 200;
	return 0;
}

static int
piece_came(struct http_call_priv *p)
{
	struct http_call *c = p->call;

	if (p->streams) {
		p->handing = true;
		c->on_data(c, p->decode.data, p->decode.ndata);
		p->handing = false;
		if (!p->dead)
			return 0;
		free(p);
		return -1;
	}
	if (buf_add(&p->body, p->decode.data, p->decode.ndata) == 0)
		return 0;
	failed_because(p, "the answer is too long");
	return -1;
}

static int
body_came(struct http_call_priv *p, const char *at, size_t n)
{
	for (;;)
		switch (http1_body_next(&p->decode, &at, &n)) {
		case HTTP1_DATA:
			if (piece_came(p) == 0)
				break;
			return -1;
		case HTTP1_END:
			p->reusable = p->head.keep_alive && n == 0;
			finish(p, p->head.ll.status_code, NULL);
			return -1;
		case HTTP1_BAD:
			failed_because(p, "the answer's body is malformed");
			return -1;
		case HTTP1_MORE:
			return 0;
		}
}

static void
came(struct http_call_priv *p)
{
	while (p->stage == HEAD && p->in.len > 0) {
		size_t before = p->in.len;

		if (head_came(p) < 0)
			return;
		if (p->in.len == before && p->stage == HEAD)
			return;
	}
	if (p->stage == BODY && body_came(p, p->in.data, p->in.len) == 0)
		buf_fini(&p->in); /* a stream may be long, and there are many */
}

static void
on_eof(struct http_call_priv *p)
{
	if (p->stage == BODY && http1_body_eof(&p->decode))
		finish(p, p->head.ll.status_code, NULL);
	else
		failed_because(p, "closed before the answer was complete");
}

static void
read_some(struct http_call_priv *p)
{
	static char body[READ_BYTES]; /* looked at before anybody else reads */
	char *to = p->stage == BODY ? body : buf_room(&p->in, READ_BYTES);
	ssize_t n;

	if (to == NULL) {
		failed_because(p, "no room for the answer");
		return;
	}
	n = read(p->io.fd, to, READ_BYTES);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			failed_sys(p, "read");
		return;
	}
	if (n == 0) {
		on_eof(p);
		return;
	}
	if (p->streams)
		loop_timer_start(p->io.loop, &p->timer, p->timeout_ms);
	if (to == body) {
		(void)body_came(p, body, (size_t)n);
		return;
	}
	buf_added(&p->in, (size_t)n);
	came(p);
}

static void
send_some(struct http_call_priv *p)
{
	ssize_t n = send(p->io.fd, p->out.data, p->out.len, MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			failed_sys(p, "send");
		return;
	}
	buf_consume(&p->out, (size_t)n);
	if (p->out.len > 0)
		return;
	p->stage = HEAD;
	loop_io_set(p->io.loop, &p->io, LOOP_READ);
}

/* What does not work is found out in the loop, where it may be answered. */
static void
send_at_once(struct http_call_priv *p)
{
	ssize_t n = p->stage == SENDING
			? send(p->io.fd, p->out.data, p->out.len, MSG_NOSIGNAL)
			: -1;

	if (n < 0)
		return;
	buf_consume(&p->out, (size_t)n);
	if (p->out.len == 0)
		p->stage = HEAD;
}

static void
on_ready(struct loop_io *w, unsigned events)
{
	struct http_call_priv *p = container_of(w, struct http_call_priv, io);

	(void)events;
	if (p->stage == CONNECTING) {
		int sys = 0;
		socklen_t n = sizeof(sys);

		(void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &sys, &n);
		if (sys != 0) {
			errno = sys;
			failed_sys(p, "connect");
			return;
		}
		p->stage = SENDING;
	}
	if (p->stage == SENDING)
		send_some(p);
	else
		read_some(p);
}

static void
on_time(struct loop_timer *t)
{
	struct http_call_priv *p =
	    container_of(t, struct http_call_priv, timer);

	errno = p->refused ? ECONNREFUSED : ETIMEDOUT;
	failed_sys(p, p->refused ? "connect" : "no answer");
}

static int
compose(struct http_call_priv *p, const char *method, const char *path,
    const char *headers, const void *body, size_t n, uint16_t port)
{
	struct buf *b = &p->out;

	if (buf_printf(b, "%s %s HTTP/1.1\r\nHost: localhost:%u\r\n", method,
		path, port) < 0 ||
	    buf_puts(b, headers != NULL ? headers : "") < 0)
		return -1;
	if ((n > 0 || strcmp(method, "GET") != 0) &&
	    buf_printf(b, "Content-Length: %zu\r\n", n) < 0)
		return -1;
	if (buf_puts(b, p->call->keep ? "\r\n" : "Connection: close\r\n\r\n") <
	    0)
		return -1;
	return buf_add(b, body, n);
}

static int
begin(struct http_call_priv *p, uint16_t port, struct err *e)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (connect(p->io.fd, (const struct sockaddr *)(const void *)&a,
		sizeof(a)) == 0 ||
	    errno == EISCONN)
		p->stage = SENDING;
	else if (errno == ECONNREFUSED)
		p->refused = true;
	else if (errno != EINPROGRESS)
		return err_sys(e, "connect to port %u", port);
	return 0;
}

int
http_call_start(struct loop *l, struct http_call *c, int fd, uint16_t port,
    const char *method, const char *path, const char *headers, const void *body,
    size_t n, size_t max, uint64_t timeout_ms, struct err *e)
{
	struct http_call_priv *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		(void)close(fd);
		return err_sys(e, "request");
	}
	p->call = c;
	p->io.fd = fd;
	p->io.on_ready = on_ready;
	p->timer.on_time = on_time;
	p->timeout_ms = timeout_ms;
	p->to_head = strcmp(method, "HEAD") == 0;
	buf_init(&p->out, n + HEAD_MAX);
	buf_init(&p->in, HEAD_MAX + READ_BYTES);
	buf_init(&p->body, max);
	if (compose(p, method, path, headers, body, n, port) < 0) {
		release(p);
		return err_set(e, ERR_TOOBIG, "request: head is too long");
	}
	if (begin(p, port, e) < 0) {
		release(p);
		return -1;
	}
	c->priv = p;
	if (p->refused) {
		loop_timer_start(l, &p->timer, 0);
		return 0;
	}
	send_at_once(p);
	loop_io_set(l, &p->io, p->stage == HEAD ? LOOP_READ : LOOP_WRITE);
	if (timeout_ms > 0)
		loop_timer_start(l, &p->timer, timeout_ms);
	return 0;
}

void
http_call_cancel(struct http_call *c)
{
	if (c->priv == NULL)
		return;
	release(c->priv);
	c->priv = NULL;
}
