/*
 * io/inside.h - how a server that runs inside a sandbox starts: whoever starts
 * it may have left it no standard descriptors.
 */
#ifndef IO_INSIDE_H
#define IO_INSIDE_H

#include <stdint.h>

#include "base/err.h"

/* 0, 1 and 2 are somebody's: what we open later does not land there. */
void inside_fill_stdio(void);
/*
 * A TCP socket bound to 127.0.0.1:port, which does not listen yet: until it
 * does, whoever connects is refused.  The caller's; -1 with ERR_SYS.
 */
int inside_bind(uint16_t port, struct err *e);

#endif
