/*
 * sock_msg.h - what coppice-proxyd says on its channel to the process that
 * makes sockets inside sandboxes.
 *
 * The records are those of ctl/priv/spawn_msg.h, which is a floor above and
 * so not ours to include: SPAWN_SOCK, its body and the front of the reply.
 * tests/unit/test_proxy_msg.c has the compiler compare the two.
 */
#ifndef PROXY_SOCK_MSG_H
#define PROXY_SOCK_MSG_H

#include <stdint.h>

#include "base/err.h"

enum {
	SOCK_MSG_TYPE = 6, /* SPAWN_SOCK */
	SOCK_MSG_N_MAX = 8,
};

struct sock_hdr {
	uint16_t type;
	uint16_t pad;
	uint32_t len; /* of the body, in bytes */
	uint32_t seq; /* comes back in the reply; never 0 */
};

struct sock_ask {
	uint32_t slot;
	uint32_t incarnation;
	uint32_t n;	 /* 1 to SOCK_MSG_N_MAX */
	uint32_t family; /* 4 or 6 */
};

/* Behind a header; the reply begins like this, and carries the sockets. */
struct sock_reply {
	uint32_t seq;
	int32_t rc; /* 0, or -1 with err */
	struct err err;
};

#endif
