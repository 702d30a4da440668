/*
 * link/link.h - the pair of interfaces between the host and one sandbox:
 * routed point to point, neighbours fixed, nothing ever asked on the wire.
 *
 * Nothing here deletes a link: that waits for the kernel's grace periods.  A
 * pair goes away with the sandbox's network namespace.
 */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "link/addr.h"

struct link_spec {
	struct link_addr addr;
	uint32_t mtu;
	bool ipv6;
};

/*
 * Where the two ends are, for a process that may enter both: network
 * namespaces on Linux; on FreeBSD the caller is the host, and sandbox_ns is
 * the number of the jail that owns the network.
 */
struct link_ends {
	int host_ns, sandbox_ns;
};

/*
 * Makes the pair, up, with addresses, neighbours and routes; leaves the caller
 * in the sandbox's namespace (on FreeBSD, where it was).  ERR_BUSY while the
 * slot's last pair is still going away.  A failure later than that leaves the
 * pair to the namespace (on FreeBSD, nothing).
 */
int link_make(
    const struct link_ends *ends, const struct link_spec *s, struct err *e);

/*
 * Brings the neighbours of a pair that an earlier version may have made up to
 * date, and leaves the caller in host_ns, or ends it.
 */
int link_renew(
    const struct link_ends *ends, const struct link_spec *s, struct err *e);

/*
 * Lets packets of sandboxes through the interfaces that hold a default route,
 * in the caller's namespace, and tells the smallest MTU among them (1500 if
 * there is none).  Harmless to repeat: uplinks come and go.
 */
int link_uplinks(bool ipv6, uint32_t *mtu, struct err *e);

/* Whether the host has IPv6 at all. */
bool link_has_ipv6(void);

#endif
