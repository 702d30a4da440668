/*
 * conns.h - the list of a slot's connections that sub_connected() makes, the
 * same for each system that tells of them in its own way.
 */
#ifndef SUBSTRATE_CONNS_H
#define SUBSTRATE_CONNS_H

#include "base/err.h"
#include "ctl/priv/spawn_msg.h"
#include "ctl/substrate/substrate.h"
#include "link/addr.h"

enum { CONNS_MAX = 65536 };

struct conns {
	struct np_addr own4, own6; /* of the sandbox; no IPv6: all 0 */
	struct spawn_socket *v;	   /* the caller's to free */
	uint32_t n, cap;
};

/* Of whose link this is. */
void conns_init(struct conns *c, const struct link_addr *own);
/* Not if it stays inside, and no more than CONNS_MAX. */
int conns_add(struct conns *c, const struct spawn_socket *s, struct err *e);

#endif
