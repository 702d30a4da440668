/* fuzz_rpc.h - a server of rpcs that do nothing, on one end of a socket. */
#ifndef FUZZ_RPC_H
#define FUZZ_RPC_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/connect.h"
#include "envd/journal.h"
#include "envd/text.h"
#include "http/http_int.h"
#include "process.pb-c.h"

static struct loop *l;
static struct http_server *srv;
static struct envd d;

static void
on_call(struct rpc *c, const json_t *in)
{
	const char *s = "";
	uint64_t n = 0;
	struct err e;

	if (field_text(in, "tag", "t_a_g", &s, &e) < 0 ||
	    field_uint(in, "n", NULL, 100, &n, &e) < 0) {
		rpc_fail_err(c, &e);
		return;
	}
	if (c->m->kind == RPC_SERVER_STREAM) {
		(void)rpc_send_data(c, "stdout", s, strlen(s) % 32768);
		rpc_end(c);
	} else
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
	for (size_t i = 0; i < countof(kinds); i++)
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
	d.journal = journal_new(&d, &e);
	if (srv == NULL || d.journal == NULL)
		abort();
}

/* The client's end of a new connection. */
static int
dial(void)
{
	int p[2];

	if (l == NULL)
		set_up();
	if (socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p) < 0)
		abort();
	conn_new(srv, p[0]);
	return p[1];
}

/* Nothing of it may be left. */
static void
hang_up(int fd)
{
	(void)close(fd);
	settle();
	if (http_server_nconns(srv) == 0)
		return;
	settle(); /* lingering, at most: the other end is closed */
	if (http_server_nconns(srv) != 0)
		abort();
}

static void
send_pieces(int fd, const void *p, size_t n, size_t step)
{
	for (size_t i = 0; i < n;) {
		size_t some = n - i < step ? n - i : step;

		if (send(fd, (const char *)p + i, some, MSG_NOSIGNAL) < 0)
			break;
		i += some;
		if (i < n)
			settle();
	}
}

#endif
