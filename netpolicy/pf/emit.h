/*
 * pf/emit.h - pf text: the root rule set, and the anchor of one sandbox.
 *
 * The grammar is the one that FreeBSD 14 and 15 share; what differs is said
 * by pf_conf.freebsd.  Only numbers and names of ours get into the text.
 */
#ifndef PF_EMIT_H
#define PF_EMIT_H

#include "base/buf.h"
#include "ir.h"

enum {
	PF_ANCHOR_NAME = 32, /* "coppice/sb7" */
	PF_IF_NAME = 16,     /* "cop7" */
};

struct pf_conf {
	const char *uplink; /* interface; letters and digits */
	unsigned freebsd;   /* 14 or 15 */
	bool v6;	    /* does the host have IPv6? */
	uint16_t resolver_port;
	struct np_prefix net4, net6; /* of all sandboxes */
	struct np_addr resolver4, resolver6;
	/*
	 * Of one sandbox.  Caps on packets and bytes are no business of pf's
	 * rules: they name a dummynet pipe (`dnpipe`), which somebody must
	 * have made with dnctl(8), one for each sandbox and direction.
	 */
	uint32_t max_flows;
};

struct pf_slot {
	uint32_t slot;
	struct np_addr sb4, sb6;
	const struct np_reach *reach; /* NULL: closed */
};

/* The values that coppiced.conf has when it says nothing. */
void pf_conf_default(struct pf_conf *c);
/* Slot n of 10.78.0.0/16 and fd77::/64. */
void pf_slot_default(uint32_t slot, struct pf_slot *out);

const char *pf_anchor_name(uint32_t slot, char to[PF_ANCHOR_NAME]);
const char *pf_if_name(uint32_t slot, char to[PF_IF_NAME]);

/* For the main rule set; the operator's own rules go around it. */
int pf_emit_root(struct buf *b, const struct pf_conf *c, struct err *e);
/* For `pfctl -a coppice/sbN -f -`: tables, then rules.  Closed: no rules. */
int pf_emit_anchor(struct buf *b, const struct pf_conf *c,
    const struct pf_slot *s, const struct np_site *site, struct err *e);

/* --- in parts ------------------------------------------------------------- */

/* All of the anchor but what its tables hold. */
int pf_emit_rules(struct buf *b, const struct pf_conf *c,
    const struct pf_slot *s, struct err *e);

/* A class's table is there while the class has an address. */
const char *pf_table_name(enum np_class class);
bool pf_has_table(
    const struct pf_conf *c, const struct np_reach *r, enum np_class class);

struct pf_addrs {
	struct np_prefix *v; /* IPv4 first, in order, disjoint */
	size_t n, cap;
};

/* What it holds; r may be NULL. */
int pf_table_addrs(const struct pf_conf *c, const struct np_reach *r,
    enum np_class class, struct pf_addrs *out, struct err *e);

#endif
