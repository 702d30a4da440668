#include "io/seqpkt_int.h"

/* Here a SOCK_SEQPACKET socket gives a message whole, or cuts it. */
bool
seqpkt_ends(const struct msghdr *mh)
{
	(void)mh;
	return true;
}
