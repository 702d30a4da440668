/*
 * epair.h - what a pair needs on FreeBSD beside link.h: its end, and its
 * owner's name.
 *
 * The host's end outlives the jail.  Its description is the name of the jail
 * that it belongs to: so another incarnation's is never taken for it.
 */
#ifndef LINK_EPAIR_H
#define LINK_EPAIR_H

#include <stdint.h>

#include "base/err.h"

enum { EPAIR_OWNER_MAX = 64 };

/*
 * Destroys the slot's pair if `owner` has it; none is fine.  Waits for the
 * kernel: for helpers, who keep others away from the slot meanwhile.
 */
int epair_remove(uint32_t slot, const char *owner, struct err *e);
/*
 * The same of one that has no owner yet: whoever made it was killed.  To make
 * a pair takes the kernel a while, and a signal waits for it.
 */
int epair_remove_unowned(uint32_t slot, struct err *e);
/* Calls fn for each pair's host end, with its owner. */
int epair_each(
    void (*fn)(void *arg, const char *owner), void *arg, struct err *e);
/* Whether the kernel can make any; says what to load. */
int epair_check(struct err *e);

#endif
