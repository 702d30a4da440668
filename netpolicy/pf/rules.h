/*
 * pf/rules.h - pf text taken apart, as pfctl would load it: lists become
 * rules of their own, in pfctl's order.
 *
 * Only what pf/emit.c writes is known; anything else is an error with its
 * line and column, never passed over.  Pure: no I/O, no names resolved.
 */
#ifndef PF_RULES_H
#define PF_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"

/* pf's own limits, with the terminator. */
enum {
	PFM_LABEL = 64,
	PFM_TAG = 64,
	PFM_TABLE = 32,
	PFM_IF = 16,
	PFM_ANCHOR = 64, /* one component; a path of ours has two */
	PFM_PATH = 2 * PFM_ANCHOR,
};

/* Ours: what hostile text can make us hold. */
enum { PFM_RULES_MAX = 65536, PFM_TABLES_MAX = 64 };

enum pfm_action {
	PFM_PASS,
	PFM_BLOCK,
	PFM_MATCH,
	PFM_NAT,
	PFM_RDR,
	PFM_ANCHOR_CALL,
	PFM_RDR_ANCHOR_CALL,
};

enum pfm_dir { PFM_BOTH, PFM_IN, PFM_OUT };

enum pfm_host_kind { PFM_ANY, PFM_PREFIX, PFM_IN_TABLE, PFM_SELF };

struct pfm_host {
	enum pfm_host_kind kind;
	bool not ;
	struct np_prefix prefix;
	char table[PFM_TABLE];
};

struct pfm_rule {
	enum pfm_action action;
	enum pfm_dir dir;
	bool ret;	     /* block: tell the sender */
	bool log;	     /* the packet is copied to pflog0 */
	bool quick;	     /* first match wins */
	char ifname[PFM_IF]; /* or a group; "": any */
	enum np_family af;   /* 0: both */
	uint8_t proto;	     /* 0: any */
	struct pfm_host src, dst;
	bool has_port;
	uint16_t port_lo, port_hi; /* of dst */
	bool has_type;
	uint8_t type;	   /* of ICMP */
	char tag[PFM_TAG]; /* "": none */
	char tagged[PFM_TAG];
	bool not_tagged;
	bool keep, if_bound;
	uint32_t max; /* states of this rule; 0: no limit */
	char label[PFM_LABEL];
	char anchor[PFM_PATH]; /* of a call; may end in a star */
	/* Where nat and rdr lead to: an interface's own address, or this one */
	char to_if[PFM_IF];
	struct np_addr to;
	uint16_t to_port;
	unsigned line;
};

struct pfm_rules {
	struct pfm_rule *v;
	size_t n, cap;
};

struct pfm_entry {
	struct np_prefix prefix;
	bool not ;
};

struct pfm_table {
	char name[PFM_TABLE];
	bool persist;
	bool listed;	     /* else a load leaves in it what was there */
	struct pfm_entry *v; /* sorted by family, length, address */
	size_t n, cap;
};

/* pf's words for the errors of ICMP, of each family; NULL where it has none,
 * or where the type is no error. */
const char *pfm_icmp_error(enum np_family f, uint8_t type);

/* What a text may say. */
enum pfm_place { PFM_ROOT, PFM_CHILD };

struct pfm_ruleset {
	char name[PFM_PATH]; /* "": the root */
	struct pfm_rules nat, rdr, filter;
	struct pfm_table *tables;
	size_t ntables;
	char skip[PFM_IF]; /* `set skip on` */
};

/*
 * freebsd: 14 or 15, whose limits differ.  On failure *out is empty and
 * e->where is NAME:LINE:COLUMN, with "root" for no name.
 */
int pfm_parse(const char *text, size_t len, const char *name,
    enum pfm_place place, unsigned freebsd, struct pfm_ruleset *out,
    struct err *e);
void pfm_ruleset_fini(struct pfm_ruleset *rs);

/* Whether they mean the same; the line they stand in does not matter. */
bool pfm_rule_same(const struct pfm_rule *a, const struct pfm_rule *b);
/* As the parser takes it; of one protocol and one range of ports. */
enum { PFM_RULE_TEXT = 512 };
const char *pfm_rule_text(const struct pfm_rule *r, char to[PFM_RULE_TEXT]);

/* --- tables --------------------------------------------------------------- */

/* Fails where an address is there already: nothing of ours says one twice. */
int pfm_table_add(
    struct pfm_table *t, const struct pfm_entry *entry, struct err *e);
/* Call once after the last one. */
int pfm_table_sort(struct pfm_table *t, struct err *e);
void pfm_table_fini(struct pfm_table *t);
/* The most specific entry decides; one with `!` says no. */
bool pfm_table_has(const struct pfm_table *t, struct np_addr a);
const struct pfm_table *pfm_table_find(
    const struct pfm_ruleset *rs, const char *name);

#endif
