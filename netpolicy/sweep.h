/*
 * sweep.h - walks a family's addresses from the first to the last and says,
 * stretch by stretch, which rule decides.  For this directory only.
 */
#ifndef NP_SWEEP_H
#define NP_SWEEP_H

#include "ir.h"

/*
 * r decides for all of `range`, of the rules that ask for the address alone;
 * whether rules for ports stand before r is told by its place.  Stretches come
 * in order, without gaps.
 */
typedef int np_stretch_fn(
    void *arg, struct np_range range, const struct np_rule *r, struct err *e);

/* O(n log n) for n rules.  Where nobody decides, fn is not called. */
int np_sweep(const struct np_ir *ir, enum np_family f, np_stretch_fn *fn,
    void *arg, struct err *e);

#endif
