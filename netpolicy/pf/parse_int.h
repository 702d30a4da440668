/* pf/parse_int.h - the parser's two halves.  For this directory only. */
#ifndef PF_PARSE_INT_H
#define PF_PARSE_INT_H

#include "pf/lex.h"
#include "pf/rules.h"

struct pfm_parser {
	struct pfm_lex l;
	struct pfm_ruleset *rs;
	enum pfm_place place;
	unsigned freebsd;
	unsigned part; /* pf wants its parts in order */
};

/* Protocols, types of ICMP and ports of one line: a rule each, protocols
 * outside. */
struct pfm_lists {
	uint8_t protos[256];
	size_t nprotos;
	uint8_t types[16];
	size_t ntypes;
	struct {
		uint16_t lo, hi;
	} ports[1024];
	size_t nports;
};

/* parse.c */
int pfm_add_rules(struct pfm_parser *p, struct pfm_rules *to,
    const struct pfm_rule *r, const struct pfm_lists *lists, struct err *e);

/* parse_parts.c: each takes what it is about, or fails */
int pfm_take_word(struct pfm_parser *p, const char *word, struct err *e);
int pfm_take_punct(struct pfm_parser *p, char c, struct err *e);
int pfm_take_number(
    struct pfm_parser *p, uint32_t max, uint32_t *out, struct err *e);
int pfm_take_name(struct pfm_parser *p, char *to, size_t max, struct err *e);
int pfm_take_string(struct pfm_parser *p, char *to, size_t max, struct err *e);
int pfm_take_prefix(struct pfm_parser *p, struct np_prefix *out, struct err *e);
int pfm_take_addr(struct pfm_parser *p, struct np_addr *out, struct err *e);
int pfm_take_table_name(
    struct pfm_parser *p, char to[PFM_TABLE], struct err *e);
int pfm_take_family(struct pfm_parser *p, enum np_family *out, struct err *e);
int pfm_take_protos(
    struct pfm_parser *p, struct pfm_lists *lists, struct err *e);
/* icmp-type or icmp6-type: of a rule of one protocol, errors by their names. */
int pfm_take_types(struct pfm_parser *p, const struct pfm_rule *r,
    struct pfm_lists *lists, struct err *e);
/* `all`, or `from X to Y [port ...]`. */
int pfm_take_from_to(struct pfm_parser *p, struct pfm_rule *r,
    struct pfm_lists *lists, struct err *e);

/* parse_rule.c: `block`, `pass` and `match` */
int pfm_take_rule(struct pfm_parser *p, struct err *e);

#endif
