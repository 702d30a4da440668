/* envd/connect_int.h - what the files of the Connect protocol share. */
#ifndef ENVD_CONNECT_INT_H
#define ENVD_CONNECT_INT_H

#include "envd/connect.h"

/* The type of a streamed reply: that of the request, if there is such. */
const char *rpc_stream_type(const struct http_req *r);

/*
 * legacy.c: a reply of filesystem.Filesystem with nothing but what the first
 * generation of clients knows, which stumble over more.
 */
bool legacy_client(const struct rpc *c);
int legacy_reduce(const char *json, size_t n, struct buf *out, struct err *e);

#endif
