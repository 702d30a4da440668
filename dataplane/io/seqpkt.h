/*
 * io/seqpkt.h - messages and descriptors between our own processes, over
 * SOCK_SEQPACKET.  A message arrives whole or not at all.
 */
#ifndef IO_SEQPKT_H
#define IO_SEQPKT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/loop.h"

enum {
	SEQPKT_FDS_MAX = 16,	      /* descriptors in one message */
	SEQPKT_MSG_MAX = 96 * 1024,   /* bytes in one message */
	SEQPKT_QUEUE_MAX = 16 * 1024, /* messages waiting for a slow peer */
};

/* Both ends close-on-exec and non-blocking. */
int seqpkt_pair(int fd[2], struct err *e);

/* Sends now: 0, 1 if it would wait, -1 on error.  fds stay the caller's. */
int seqpkt_send(int fd, const void *msg, size_t len, const int *fds,
    size_t nfds, struct err *e);
/*
 * Takes one message: its length, 0 if the peer is gone, -1 if there is none
 * (e->kind is ERR_NONE) or on error.  The received descriptors, close-on-exec,
 * are the caller's.  A message longer than cap is an error.
 */
ssize_t seqpkt_recv(int fd, void *msg, size_t cap, int fds[SEQPKT_FDS_MAX],
    size_t *nfds, struct err *e);

/* A channel in a loop.  Sending never waits: what does not fit is queued. */
struct seqpkt {
	/* fds are the callee's to close. */
	void (*on_msg)(struct seqpkt *c, const void *msg, size_t len,
	    const int *fds, size_t nfds);
	/* The peer is gone.  The channel has been closed already. */
	void (*on_close)(struct seqpkt *c);
	struct loop_io io; /* io.fd is -1 when closed */
	struct seqpkt_out *head, **tail;
	size_t nqueued;
	struct seqpkt_in *part; /* of a message whose rest has not come */
};

/* Set the callbacks first.  Takes fd. */
void seqpkt_open(struct loop *l, struct seqpkt *c, int fd);
void seqpkt_close(struct seqpkt *c);
/* Takes fds, whether it succeeds or not. */
int seqpkt_post(struct seqpkt *c, const void *msg, size_t len, const int *fds,
    size_t nfds, struct err *e);
/* Handles, now, all messages that have already arrived. */
void seqpkt_drain(struct seqpkt *c);

#endif
