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
