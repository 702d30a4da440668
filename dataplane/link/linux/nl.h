/* nl.h - a few rtnetlink requests in one send, for this directory only. */
#ifndef LINK_NL_H
#define LINK_NL_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { NL_BATCH_ROOM = 4096, NL_BATCH_LAST = 1024 };

struct nl_batch {
	struct nlmsghdr *msg; /* the one being written */
	size_t nmsgs;
	_Alignas(8) char room[NL_BATCH_ROOM];
};

int nl_open(struct err *e);
void nl_batch_init(struct nl_batch *b);
/* A new message; its fixed part, zeroed. */
void *nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, size_t len);
/* Sends all and reads every answer; the first refusal is the error. */
int nl_batch_run(int fd, struct nl_batch *b, struct err *e);

/* IPv6 packets that come in by this interface may be forwarded. */
int link_forward6(const char *name, struct err *e);
/* One packet to one host may come in a frame to a group, IPv6's too. */
int link_take_groups6(const char *name, struct err *e);

#endif
