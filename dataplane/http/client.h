/* http/client.h - one HTTP/1.1 request on a socket, answered in the loop. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "io/loop.h"

struct http_call {
	/* status 0: it failed, e says why.  The call may be freed in here. */
	void (*on_done)(struct http_call *c, int status, const char *body,
	    size_t n, const struct err *e);
	/*
	 * Not NULL: a body with status 200 is not gathered but comes in here,
	 * piece by piece, for as long as the server goes on; the time limit
	 * is one between two pieces.  The call may be cancelled and
	 * freed in here.
	 */
	void (*on_data)(struct http_call *c, const char *p, size_t n);
	void *ctx;
	/* Ask for the connection to stay; then, in on_done, fd is what can
	 * be used for another call (the callee's), or -1. */
	bool keep;
	int fd;
	struct http_call_priv *priv;
};

/*
 * Connects fd (a fresh non-blocking TCP socket, in whatever namespace) to
 * 127.0.0.1:port, or uses it as it is if it is connected; sends, reads at most
 * max bytes of body, closes fd unless it is to be kept.  Takes fd.  headers:
 * "Name: value\r\n" lines, or NULL.  -1 only if it could not even begin;
 * on_done is not called then.
 */
int http_call_start(struct loop *l, struct http_call *c, int fd, uint16_t port,
    const char *method, const char *path, const char *headers, const void *body,
    size_t n, size_t max, uint64_t timeout_ms, struct err *e);
/* No on_done will come any more. */
void http_call_cancel(struct http_call *c);

#endif
