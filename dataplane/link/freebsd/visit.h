/*
 * visit.h - a few system calls made in a jail's network, from outside.
 *
 * A child that shares our memory attaches to the jail and runs fn; we stand
 * still until it has ended, so that what fn writes is there afterwards.  It is
 * cheap: no page is copied.  The jail must be one that no tenant can look
 * into: its processes could trace the child, and so us.
 */
#ifndef LINK_VISIT_H
#define LINK_VISIT_H

#include "base/err.h"

/*
 * What fn returns.  Of our descriptors it has `keep` alone, unless that is -1:
 * nobody is let in who has a directory open.  What it opens is closed when it
 * returns.
 */
int visit_jail(int jid, int keep, int (*fn)(void *arg, struct err *e),
    void *arg, struct err *e);

#endif
