/* proxyd's view of privd's records is privd's own. */
#include "ctl/priv/spawn_msg.h"
#include "proxy/sock_msg.h"

#include <stddef.h>

#include "../t.h"

#define SAME(a, b, f)                                                          \
	_Static_assert(                                                        \
	    offsetof(struct a, f) == offsetof(struct b, f) &&                  \
		sizeof(((struct a *)0)->f) == sizeof(((struct b *)0)->f),      \
	    #f)

_Static_assert((int)SOCK_MSG_TYPE == (int)SPAWN_SOCK, "type");
_Static_assert(sizeof(struct sock_hdr) == sizeof(struct spawn_hdr), "header");
SAME(sock_hdr, spawn_hdr, type);
SAME(sock_hdr, spawn_hdr, len);
SAME(sock_hdr, spawn_hdr, seq);
_Static_assert(sizeof(struct sock_ask) == sizeof(struct spawn_sock), "body");
_Static_assert(
    offsetof(struct sock_ask, slot) == offsetof(struct spawn_sock, ref.slot),
    "slot");
_Static_assert(offsetof(struct sock_ask, incarnation) ==
		   offsetof(struct spawn_sock, ref.incarnation),
    "incarnation");
SAME(sock_ask, spawn_sock, n);
SAME(sock_ask, spawn_sock, family);
_Static_assert(
    sizeof(struct sock_reply) <= sizeof(struct spawn_reply), "reply");
SAME(sock_reply, spawn_reply, seq);
SAME(sock_reply, spawn_reply, rc);
SAME(sock_reply, spawn_reply, err);

int
main(void)
{
	CHECK(sizeof(struct sock_reply) <= sizeof(struct spawn_reply));
	return t_end();
}
