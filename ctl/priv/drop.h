/*
 * drop.h - giving up capabilities, and proof that they are gone.
 *
 * The uid stays 0: whoever has the uid that made a user namespace rules over
 * it, and privd is meant to.
 */
#ifndef PRIV_DROP_H
#define PRIV_DROP_H

#include <stddef.h>

#include "base/err.h"

/* What FreeBSD's has instead of CAP_*: programs started may gain privileges. */
enum { PRIV_CHILDREN_GAIN = 1 };

/*
 * Keeps the n capabilities (CAP_*) in the effective and permitted sets; empties
 * inheritable and ambient.  The bounding set becomes the same, for good.
 * Fails if, read back, anything else is left, or one of `keep` is missing.
 */
int priv_drop(const unsigned *keep, size_t n, struct err *e);

#endif
