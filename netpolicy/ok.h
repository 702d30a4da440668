/* ok.h - building a struct np_ok.  For the compiler and its back-ends. */
#ifndef NP_OK_H
#define NP_OK_H

#include "ir.h"

/*
 * Behind what *ok holds, in order.  With `join`, a range that continues the
 * last one with the same origin and class
 * becomes part of it.
 */
int np_ok_add(
    struct np_ok *ok, const struct np_ok_range *r, bool join, struct err *e);

/* ports.c: behind what *p holds. */
int np_ports_add(struct np_ports *p, struct np_port_box b, struct err *e);
void np_ports_fini(struct np_ports *p);
/* What is in a and not in b, sorted. */
int np_ports_minus(const struct np_ports *a, const struct np_ports *b,
    struct np_ports *out, struct err *e);
/* Every protocol and port. */
extern const struct np_ports np_ports_all;
/* The lists of BUT and ONLY; they are empty before. */
int np_ports_of(const struct np_ir *ir, struct np_ports *ports, struct err *e);

#endif
