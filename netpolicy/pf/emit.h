/*
 * pf/emit.h - pf text: the root rule set, and the anchor of one sandbox.
 *
 * The grammar is the one that FreeBSD 14 and 15 share.  An anchor is loaded
 * once, when its slot is made; from then on an update replaces the addresses
 * of its one table.  Only numbers and names of ours get into the text.
 */
#ifndef PF_EMIT_H
#define PF_EMIT_H

#include "base/buf.h"
#include "ir.h"

struct pf_conf {
	const char *uplink; /* interface; letters and digits */
	unsigned freebsd;   /* 14 or 15 */
	bool v6;	    /* does the host have IPv6? */
	uint16_t resolver_port;
	struct np_prefix net4, net6; /* of all sandboxes */
	struct np_addr resolver4, resolver6;
};

struct pf_slot {
	uint32_t slot;
	struct np_addr sb4, sb6;
	const struct np_reach *reach; /* NULL: nothing */
};

/* The values that coppiced.conf has when it says nothing. */
void pf_conf_default(struct pf_conf *c);
/* Slot n of 10.78.0.0/16 and fd77::/64. */
void pf_slot_default(uint32_t slot, struct pf_slot *out);

/* For the main rule set; the operator's own rules go around it. */
int pf_emit_root(struct buf *b, const struct pf_conf *c, struct err *e);
/* For `pfctl -a coppice/sbN -f -`. */
int pf_emit_anchor(struct buf *b, const struct pf_conf *c,
    const struct pf_slot *s, const struct np_site *site, struct err *e);

#endif
