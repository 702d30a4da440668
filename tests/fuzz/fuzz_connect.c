/*
 * Whole requests to a server of rpcs that do nothing: HTTP, envelopes, JSON.
 * The first byte says what kind, the second how it is cut up.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "envd/connect.h"
#include "envd/text.h"
#include "http/http_int.h"
#include "process.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *l;
static struct http_server *srv;
static struct envd d;

static void
on_call(struct rpc *c, const json_t *in)
{
	const char *s = "";
	uint64_t n = 0;
	struct err e;

	if (field_text(in, "aB", "a_b", &s, &e) < 0 ||
	    field_uint(in, "n", NULL, 100, &n, &e) < 0) {
		rpc_fail_err(c, &e);
		return;
	}
	if (c->m->kind == RPC_SERVER_STREAM)
		(void)rpc_send_data(c, "stdout", s, strlen(s) % 32768);
	if (c->m->kind == RPC_SERVER_STREAM)
		rpc_end(c);
	else
		rpc_reply(c, "{}", 2);
}

static bool
on_message(struct rpc *c, const json_t *in)
{
	if (in != NULL)
		return true;
	rpc_reply(c, "{}", 2);
	return false;
}

static const struct rpc_method kinds[] = {
	{ "/u", RPC_UNARY, on_call, NULL, &process__start_request__descriptor,
	    &process__list_response__descriptor },
	{ "/s", RPC_SERVER_STREAM, on_call, NULL,
	    &process__start_request__descriptor,
	    &process__start_response__descriptor },
	{ "/c", RPC_CLIENT_STREAM, NULL, on_message,
	    &process__stream_input_request__descriptor,
	    &process__stream_input_response__descriptor },
};

static void
on_request(struct http_req *r, void *ctx)
{
	const char *p = http_req_path(r);

	(void)ctx;
	for (size_t i = 0; i < 3; i++)
		if (strcmp(p, kinds[i].path) == 0) {
			rpc_serve(r, &d, &kinds[i]);
			return;
		}
	http_reply(r, 404, NULL, NULL, 0);
}

static void
on_stop(struct loop_timer *t)
{
	loop_stop(t->loop);
}

static void
settle(void)
{
	struct loop_timer t = { .on_time = on_stop };

	loop_timer_start(l, &t, 0);
	loop_run(l);
	loop_timer_stop(&t);
}

static void
set_up(void)
{
	struct http_handler h = { .on_request = on_request };
	struct http_limits lim = { 0 };
	struct err e;

	l = loop_new(&e);
	srv = http_server_new(l, h, lim, &e);
	d.loop = l;
	if (srv == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const heads[] = {
		"POST /u HTTP/1.1\r\nHost: a\r\nContent-Type: "
		"application/json\r\n",
		"POST /s HTTP/1.1\r\nHost: a\r\nContent-Type: "
		"application/connect+json\r\nConnect-Content-Encoding: "
		"gzip\r\n",
		"POST /c HTTP/1.1\r\nHost: a\r\nContent-Type: "
		"application/connect+json\r\n",
		"",
	};
	const char *head;
	char text[512], sink[4096];
	int p[2], n;

	if (size < 2 || size > 30000)
		return 0;
	if (l == NULL)
		set_up();
	if (socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p) < 0)
		abort();
	conn_new(srv, p[0]);
	head = heads[data[0] % 4];
	n = *head != '\0' ? snprintf(text, sizeof(text),
				"%sContent-Length: %zu\r\n\r\n", head, size - 2)
			  : 0;
	(void)send(p[1], text, (size_t)n, MSG_NOSIGNAL);
	for (size_t i = 2; i < size;) {
		size_t step = data[1] % 4 == 0 ? size : data[1] + 1u;
		size_t some = size - i < step ? size - i : step;

		if (send(p[1], data + i, some, MSG_NOSIGNAL) < 0)
			break;
		i += some;
		if (i < size)
			settle();
	}
	settle();
	while (read(p[1], sink, sizeof(sink)) > 0)
		;
	(void)close(p[1]);
	settle();
	if (http_server_nconns(srv) != 0) {
		/* Lingering, at most: the other end is closed. */
		settle();
		if (http_server_nconns(srv) != 0)
			abort();
	}
	return 0;
}
