/*
 * policy.h - what a client asked for, valid and as numbers.
 *
 * Input is E2B's network object (reference: docs/policy.md).  Nothing here
 * does I/O; JSON is taken apart by the caller, so that privd, which links no
 * JSON, can use the same code.
 */
#ifndef NP_POLICY_H
#define NP_POLICY_H

#include "base/prefix.h"

enum {
	NP_LIST_MAX = 10000, /* entries in allowOut, and in denyOut */
	NP_ENTRY_MAX = 253,  /* bytes in one entry */
	NP_NAME_MAX = 1024,  /* names in allowOut */
	NP_PORTS_MAX = 256,  /* entries in ports */
};

struct np_entry {
	struct np_prefix prefix;
	uint32_t item; /* index in the client's list: its origin */
};

struct np_list {
	struct np_entry *v;
	size_t n, cap;
};

/* Not E2B's: a port that is open or closed whatever the address is. */
struct np_port {
	uint16_t lo, hi; /* 1 <= lo <= hi */
	uint8_t proto;	 /* IPPROTO_TCP or IPPROTO_UDP */
	bool deny;
	uint32_t item; /* index in the client's list: its origin */
};

struct np_policy {
	struct np_list allow, deny;
	struct np_port *ports;
	size_t nports;
	bool deny_all;	  /* the literal 0.0.0.0/0 is in denyOut, or below */
	bool no_internet; /* allow_internet_access: false */
	/* Set when a name was seen in allowOut; see np_policy_finish(). */
	bool has_name;
	uint32_t first_name;
	uint32_t nnames;
};

void np_policy_init(struct np_policy *p);
void np_policy_fini(struct np_policy *p);

/*
 * Adds entry number `item` of the list.  On failure e->where is "" and
 * e->msg is E2B's sentence, e.g. `invalid denied CIDR example.org`
 * (ERR_INVALID).
 */
int np_policy_deny(
    struct np_policy *p, const char *entry, uint32_t item, struct err *e);
/* A well-formed host name is taken note of, and judged by finish. */
int np_policy_allow(
    struct np_policy *p, const char *entry, uint32_t item, struct err *e);
/*
 * Fails (ERR_INVALID) where an earlier entry says the opposite of the same
 * port.
 */
int np_policy_port(
    struct np_policy *p, const struct np_port *port, struct err *e);
/*
 * Call once, after all entries: checks what spans both lists (a name needs
 * 0.0.0.0/0 in denyOut: ERR_INVALID with E2B's message; with it, names are
 * ERR_UNSUPPORTED until the egress proxy can judge them).
 */
int np_policy_finish(struct np_policy *p, struct err *e);

#endif
