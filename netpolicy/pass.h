/*
 * pass.h - passes: the same meaning in fewer rules.
 *
 * Each can be left out.  np_flatten() is right without any; with merge, the
 * kernel's sets get no bigger than they must be.
 */
#ifndef NP_PASS_H
#define NP_PASS_H

#include "ir.h"

/*
 * Neighbouring rules with one verdict and one source become one range where
 * they overlap or touch; its origin is that of its first address.  Returns
 * how many rules went, or -1 without memory.
 */
int np_pass_merge(struct np_ir *ir, struct err *e);

/* Rules that decide nothing, because those before them cover them, go. */
int np_pass_shadow(struct np_ir *ir, struct err *e);

/*
 * Fills used[ir->n]: does rule i decide for any address?  What explains and
 * warns asks this of an IR that no pass has touched.
 */
int np_rules_used(const struct np_ir *ir, bool *used, struct err *e);

#endif
