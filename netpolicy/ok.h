/* ok.h - building a struct np_ok.  For this directory only. */
#ifndef NP_OK_H
#define NP_OK_H

#include "ir.h"

/*
 * Behind what *ok holds, in order.  With `join`, a range that continues the
 * last one with the same origin becomes part of it.
 */
int np_ok_add(struct np_ok *ok, struct np_range r, struct np_origin why,
    bool join, struct err *e);

#endif
