/*
 * ir.h - the one model that kernel rules, explain, dry runs and re-judging
 * ask.  Ordered rules, first match decides, each with its origin; lowering
 * always ends with a rule for everything.
 */
#ifndef NP_IR_H
#define NP_IR_H

#include "policy.h"
#include "site.h"

enum np_verdict { NP_PASS, NP_DROP };

enum np_src {
	NP_SRC_SITE,	   /* always denied; item: index into np_site */
	NP_SRC_ALLOW,	   /* /network/allowOut/<item> */
	NP_SRC_DENY,	   /* /network/denyOut/<item> */
	NP_SRC_NOINTERNET, /* /allow_internet_access */
	NP_SRC_DEFAULT,	   /* nothing denies it */
	NP_SRC_NSRC,
};

/* Why this rule is here.  No rule exists without one. */
struct np_origin {
	enum np_src src;
	uint32_t item;
};

struct np_rule {
	struct np_range to;
	enum np_family family;
	enum np_verdict verdict;
	struct np_origin origin;
};

struct np_ir {
	struct np_rule *v;
	size_t n, cap;
};

/* deny-all covers both families.  Takes copies of what it needs. */
int np_lower(const struct np_policy *p, const struct np_site *s,
    struct np_ir *out, struct err *e);
void np_ir_fini(struct np_ir *ir);

/* What the IR means.  Never NULL after np_lower(). */
const struct np_rule *np_judge(const struct np_ir *ir, struct np_addr to);

/*
 * The last pass: what a sandbox may reach, of one family, as sorted disjoint
 * ranges; adjacent ones with the same origin are one.  This is what the
 * kernel's ok4 and ok6 sets hold.
 */
struct np_ok_range {
	struct np_range range;
	struct np_origin origin;
};

struct np_ok {
	struct np_ok_range *v;
	size_t n, cap;
	enum np_family family;
};

int np_flatten(
    const struct np_ir *ir, enum np_family f, struct np_ok *out, struct err *e);
void np_ok_fini(struct np_ok *ok);
bool np_ok_has(const struct np_ok *ok, struct np_addr a);

/* out = a without b: flows that `a` passed and `b` no longer does. */
int np_revoked(const struct np_ok *a, const struct np_ok *b, struct np_ok *out,
    struct err *e);

/*
 * Which ranges of the kernel's set to delete and to add, to get from a to b.
 * A range whose bounds stay is left alone, whatever its origin says.
 */
int np_delta(const struct np_ok *a, const struct np_ok *b, struct np_ok *del,
    struct np_ok *add, struct err *e);

/* "/network/allowOut/3", "built in", "coppiced.conf:14"; returns to. */
enum { NP_ORIGIN_TEXT = 64 };
const char *np_origin_text(
    struct np_origin o, const struct np_site *s, char to[NP_ORIGIN_TEXT]);

#endif
