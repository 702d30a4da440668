/*
 * code/zmtp.h - the wire of ZeroMQ: ZMTP 3.0, NULL mechanism, client side.
 *
 * RFC 23 (rfc.zeromq.org/spec/23): a greeting of 64 bytes, then frames; the
 * first is the command READY, each way.  Bytes in, "what is it" out; no I/O.
 */
#ifndef CODE_ZMTP_H
#define CODE_ZMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	ZMTP_GREETING = 64,
	ZMTP_PARTS_MAX = 64,
	ZMTP_COMMAND_MAX = 4096,
};

enum zmtp_what {
	ZMTP_MORE,    /* nothing yet: all bytes are used */
	ZMTP_READY,   /* the peer has shaken hands */
	ZMTP_MESSAGE, /* parts[0..nparts), until the next call */
	ZMTP_SKIPPED, /* a message was over the limit and is gone: skipped */
	ZMTP_PING,    /* parts[0] is the context to answer with */
	ZMTP_BAD,     /* why says what; there is no going on */
};

struct zmtp_part {
	const char *p;
	size_t n;
};

struct zmtp {
	enum { ZMTP_AT_GREETING, ZMTP_AT_FLAGS, ZMTP_AT_SIZE, ZMTP_AT_BODY } at;
	bool ready;    /* READY has come */
	bool skipping; /* until the message ends */
	bool given;    /* what is in body has been told */
	uint8_t flags;
	uint8_t head[ZMTP_GREETING]; /* the greeting, then sizes */
	size_t nhead;
	uint64_t left, skipped;
	struct buf body; /* frames of one message, one behind the other */
	size_t ends[ZMTP_PARTS_MAX];
	struct zmtp_part parts[ZMTP_PARTS_MAX];
	size_t nparts;
	const char *why;
};

/* max: bytes of one message, all parts together. */
void zmtp_init(struct zmtp *z, size_t max);
void zmtp_fini(struct zmtp *z);

/* Takes of *p what makes one thing, and says what it is. */
enum zmtp_what zmtp_next(struct zmtp *z, const char **p, size_t *n);

/* What the client says: at once, both, without waiting for the peer. */
int zmtp_put_hello(struct buf *b, const char *socket_type);
int zmtp_put_frame(struct buf *b, const void *p, size_t n, bool more);
/* A SUB socket wants everything. */
int zmtp_put_subscribe(struct buf *b);
int zmtp_put_pong(struct buf *b, const void *context, size_t n);

#endif
