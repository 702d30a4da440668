/*
 * explain.h - why a flow passes or does not: the rule, its origin, and what
 * was tried before it.  Give it an IR that no pass has touched: passes keep
 * the meaning and lose the reasons.
 */
#ifndef NP_EXPLAIN_H
#define NP_EXPLAIN_H

#include "ir.h"

/* Rules first..last, all of one source, that did not match. */
struct np_tried {
	size_t first, last;
	enum np_src src;
	size_t nfamily; /* of them, those of the flow's family */
};

enum { NP_TRIED_MAX = NP_SRC_NSRC + 1, NP_NOTES_MAX = 4 };

struct np_explained {
	enum np_verdict verdict;
	const struct np_rule *rule; /* NULL: the resolver's, before all rules */
	size_t at;		    /* its index */
	struct np_tried before[NP_TRIED_MAX];
	size_t nbefore;
	const char *notes[NP_NOTES_MAX];
	size_t nnotes;
};

/*
 * ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, then /PROTO or nothing; a port
 * without one is TCP's.
 */
int np_flow_parse(const char *s, struct np_flow *out, struct err *e);
/* "tcp", "udp" or "icmp"; -1 if it is none of them. */
int np_proto_parse(const char *s, int16_t *out);
/*
 * What a port or an address alone says of the protocol: TCP, ICMPv6.  -1: a
 * port that its protocol does not have.
 */
int np_flow_settle(struct np_flow *f);
/* Port 53 of one of these; n 0: there is none. */
bool np_flow_is_dns(const struct np_flow *f, struct np_addr resolver4,
    struct np_addr resolver6);

/* resolver4 and resolver6: port 53 there is ours, whatever a policy says. */
void np_explain(const struct np_ir *ir, const struct np_flow *flow,
    struct np_addr resolver4, struct np_addr resolver6,
    struct np_explained *out);

/* What a run of rules is, where it comes from, and why it did not decide. */
enum { NP_TRIED_TEXT = 320 };
const char *np_tried_what(
    const struct np_ir *ir, const struct np_tried *t, char to[NP_TRIED_TEXT]);
const char *np_tried_from(const struct np_ir *ir, const struct np_site *s,
    const struct np_tried *t, char to[NP_ORIGIN_TEXT]);
const char *np_tried_why(const struct np_tried *t);

/* "always denied", "allow", ... */
const char *np_src_text(enum np_src src);

#endif
