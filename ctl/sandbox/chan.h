/*
 * chan.h - asking one of the privds: numbered requests, answered in any
 * order, and its events.  Never waits.
 */
#ifndef SANDBOX_CHAN_H
#define SANDBOX_CHAN_H

#include <stdbool.h>

#include "ctl/priv/rules_msg.h"
#include "ctl/priv/spawn_msg.h"
#include "io/seqpkt.h"

enum { CHAN_PENDING_MAX = 32768 }; /* a power of two */

/* What is behind a reply; fd is the callee's, -1 if there is none. */
struct chan_reply {
	union {
		struct rules_reply rules;
		struct spawn_reply spawn;
	} u;
	int fd;
};

/*
 * Called once for each request that was sent: `who` and `n` are the asker's
 * own, often a slot and its incarnation, or a sandbox's reference.
 */
typedef void (*chan_done)(
    void *ctx, uint32_t who, uint32_t n, struct chan_reply *r);

struct chan {
	struct seqpkt sp;
	const char *name;
	size_t reply_len;
	void (*on_event)(
	    struct chan *c, uint16_t type, const void *body, size_t len);
	void (*on_close)(struct chan *c);
	void *ctx;
	uint32_t seq;
	size_t npending;
	struct chan_pending *pending;
};

/* Set name, reply_len, callbacks and ctx first.  Takes fd. */
int chan_open(struct chan *c, struct loop *l, int fd, struct err *e);
void chan_fini(struct chan *c);
/*
 * Sends head and then tail (or nothing); fd, unless -1, is taken.  done may
 * be NULL where nobody cares.
 */
struct chan_ask {
	uint16_t type, pad;
	const void *head;
	size_t head_len;
	const void *tail;
	size_t tail_len;
	int fd;
	chan_done done;
	void *ctx;
	uint32_t who, n;
};
int chan_ask(struct chan *c, const struct chan_ask *a, struct err *e);

#endif
