/* seqpkt_int.h - where a message ends; linux/ or freebsd/. */
#ifndef IO_SEQPKT_INT_H
#define IO_SEQPKT_INT_H

#include <stdbool.h>
#include <sys/socket.h>

/* What was received ends a message; otherwise more of it follows. */
bool seqpkt_ends(const struct msghdr *mh);

#endif
