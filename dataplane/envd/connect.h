/*
 * envd/connect.h - Connect RPC over the HTTP server, in JSON and in binary.
 *
 * Handlers take and give JSON; codec.h is between them and a binary client.
 * An rpc lives until its reply has ended, its deadline has passed or its
 * client has gone; on_gone is then the last call about it.
 */
#ifndef ENVD_CONNECT_H
#define ENVD_CONNECT_H

#include <jansson.h>

#include "envd/envd.h"

enum rpc_code {
	RPC_CANCELED = 1,
	RPC_UNKNOWN,
	RPC_INVALID_ARGUMENT,
	RPC_DEADLINE_EXCEEDED,
	RPC_NOT_FOUND,
	RPC_ALREADY_EXISTS,
	RPC_PERMISSION_DENIED,
	RPC_RESOURCE_EXHAUSTED,
	RPC_FAILED_PRECONDITION,
	RPC_ABORTED,
	RPC_OUT_OF_RANGE,
	RPC_UNIMPLEMENTED,
	RPC_INTERNAL,
	RPC_UNAVAILABLE,
	RPC_DATA_LOSS,
	RPC_UNAUTHENTICATED,
};

enum rpc_kind { RPC_UNARY, RPC_SERVER_STREAM, RPC_CLIENT_STREAM };

enum {
	ENVELOPE_HEAD = 5,
	ENVELOPE_GZIP = 1,
	ENVELOPE_END = 2,
	KEEPALIVE_DEFAULT_S = 90,
	RPC_GZIP_MIN = 1024, /* smaller ones are not worth packing */
};

struct rpc {
	struct http_req *r;
	struct envd *d;
	const struct rpc_method *m;
	const char *type; /* of the request, and so of the reply */
	void *data;	  /* the handler's */
	void (*on_gone)(struct rpc *c);
	struct loop_timer deadline;
	uint64_t timeout_ms;
	uint64_t keepalive_ms;
	enum rpc_code failed; /* 0: it has not */
	bool has_timeout;
	bool begun;
	bool binary;
	bool gzip;	 /* what the request's messages may be packed with */
	bool gzip_reply; /* the client takes packed ones */
	bool legacy;	 /* a client that knows the first fields alone */
	bool broken;	 /* a message could not be sent: the end is near */
	/* client streams: an envelope as it comes in */
	struct buf in;
	bool ended, paused;
};

struct rpc_method {
	const char *path;
	enum rpc_kind kind;
	/* The request message; the reply may come later. */
	void (*on_call)(struct rpc *c, const json_t *in);
	/*
	 * Client streams: after each message; NULL is the end.  false: an
	 * answer was given, no more is wanted.
	 */
	bool (*on_message)(struct rpc *c, const json_t *in);
	const struct ProtobufCMessageDescriptor *in, *out;
};

/* NULL if there is none of that path. */
const struct rpc_method *rpc_find(const char *path);
bool rpc_is_stream_type(const struct http_req *r);
void rpc_serve(struct http_req *r, struct envd *d, const struct rpc_method *m);
/* For a failure before there is an rpc, in the form that its client wants. */
void rpc_refuse(
    struct http_req *r, bool stream, enum rpc_code code, const char *msg);

/* Unary: the answer.  Client streams: the only message, and the end. */
void rpc_reply(struct rpc *c, const char *json, size_t n);
/* Ends it with an error; c is dead afterwards. */
void rpc_fail(struct rpc *c, enum rpc_code code, const char *fmt, ...)
    PRINTF(3, 4);
/* As e->kind says. */
void rpc_fail_err(struct rpc *c, const struct err *e);
enum rpc_code rpc_code_of(const struct err *e);

/* --- server streams -------------------------------------------------------*/

/* What the client has not taken yet. */
size_t rpc_send(struct rpc *c, const char *json, size_t n);
/* {"event":{"data":{"KIND":"base64"}}} */
size_t rpc_send_data(struct rpc *c, const char *kind, const void *p, size_t n);
void rpc_end(struct rpc *c); /* c is dead afterwards */

/* Stops or resumes the messages of a client stream. */
void rpc_pause(struct rpc *c);
void rpc_resume(struct rpc *c);

#endif
