/* pf/emit_int.h - writing pf text.  For this directory only. */
#ifndef PF_EMIT_INT_H
#define PF_EMIT_INT_H

#include "base/buf.h"

/* The first failure is kept; what follows says nothing. */
struct pf_out {
	struct buf *b;
	int rc;
};

/* At most 511 bytes at once. */
void pf_say(struct pf_out *o, const char *fmt, ...) PRINTF(2, 3);
int pf_said(const struct pf_out *o, struct err *e);

#endif
