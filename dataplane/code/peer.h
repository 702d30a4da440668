/*
 * code/peer.h - a ZMTP connection to a kernel's unix socket, on the loop.
 *
 * It tries until the socket is there.  Reading can be held; then the kernel's
 * end fills up, and nothing of it is lost.
 */
#ifndef CODE_PEER_H
#define CODE_PEER_H

#include <stdbool.h>
#include <sys/un.h>

#include "code/zmtp.h"
#include "io/loop.h"

enum {
	PEER_RETRY_MS = 10,
	PEER_OUT_MAX = 160 * 1024 * 1024,
};

struct peer {
	struct loop_io io;
	struct loop_timer retry;
	struct loop *loop;
	const char *socket_type;    /* "DEALER" or "SUB" */
	struct sockaddr_un addr[2]; /* the second may be empty */
	struct zmtp z;
	struct buf out;
	size_t in_max;
	bool up;      /* hands are shaken */
	bool held;    /* do not read */
	bool reading; /* inside on_...: peer_stop() may be called there */
	bool stopped;
	void *owner;
	void (*on_up)(struct peer *p);
	void (*on_message)(
	    struct peer *p, const struct zmtp_part *parts, size_t n);
	void (*on_skipped)(struct peer *p, uint64_t bytes);
	/* The connection was up, or the peer speaks nonsense; it is stopped. */
	void (*on_lost)(struct peer *p, const char *why);
};

/*
 * The callbacks, owner and in_max are set before.  other (or NULL): where it
 * may be instead.  -1: a path is too long.
 */
int peer_start(struct peer *p, struct loop *l, const char *socket_type,
    const char *path, const char *other, struct err *e);
/* Sent now as far as it goes; -1 if too much waits already. */
int peer_flush(struct peer *p);
void peer_hold(struct peer *p, bool hold);
void peer_stop(struct peer *p);

#endif
