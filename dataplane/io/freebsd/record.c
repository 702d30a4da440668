#include "io/seqpkt_int.h"

/*
 * Since FreeBSD 15 a SOCK_SEQPACKET socket of unix(4) is a stream with marks:
 * only MSG_EOR ends a message, and what finds no room goes in pieces.
 */
bool
seqpkt_ends(const struct msghdr *mh)
{
	return (mh->msg_flags & MSG_EOR) != 0;
}
