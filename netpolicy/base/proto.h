/* base/proto.h - which IP protocols have ports (IANA protocol numbers). */
#ifndef BASE_PROTO_H
#define BASE_PROTO_H

#include <netinet/in.h>
#include <stdbool.h>

/* FreeBSD's netinet/in.h has no names for them. */
enum { PROTO_DCCP = 33, PROTO_UDPLITE = 136 };

/* The two ports come first in its header. */
static inline bool
proto_has_ports(int proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
	       proto == IPPROTO_SCTP || proto == PROTO_DCCP ||
	       proto == PROTO_UDPLITE;
}

#endif
