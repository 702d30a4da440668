/* route.h - routes and fixed neighbours, by a PF_ROUTE socket. */
#ifndef LINK_ROUTE_H
#define LINK_ROUTE_H

#include <stdint.h>

#include "base/err.h"
#include "base/prefix.h"

/* Not link/addr.h, whose link_addr() is another one in <net/if_dl.h>. */
enum { ROUTE_MAC_LEN = 6 };

/* -1 and e, or a socket in the caller's network that hears nothing. */
int route_open(struct err *e);
/* Who has that address on the interface, for good; it may be known already. */
int route_neighbour(int rs, unsigned ifindex, const struct np_addr *a,
    const uint8_t mac[ROUTE_MAC_LEN], struct err *e);
int route_default(int rs, const struct np_addr *via, struct err *e);

#endif
