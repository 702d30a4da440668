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
	NP_SRC_PORTS,	   /* /network/ports/<item> */
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
	/* Of a NP_SRC_PORTS rule, which is for every address; else 0. */
	uint8_t proto;
	uint16_t port_lo, port_hi;
};

/* What is judged: where a flow goes, seen from the sandbox that opens it. */
struct np_flow {
	struct np_addr to;
	uint16_t port; /* 0: not said, or the protocol has none */
	int16_t proto; /* IPPROTO_*; NP_PROTO_UNSAID */
};

enum { NP_PROTO_UNSAID = -1 };

struct np_ir {
	struct np_rule *v;
	size_t n, cap;
};

/* deny-all covers both families.  Takes copies of what it needs. */
int np_lower(const struct np_policy *p, const struct np_site *s,
    struct np_ir *out, struct err *e);
void np_ir_fini(struct np_ir *ir);

/*
 * What the IR means.  Never NULL after np_lower().  Of a flow that does not
 * say protocol and port, no rule for ports decides.
 */
const struct np_rule *np_judge(
    const struct np_ir *ir, const struct np_flow *flow);

/*
 * --- flattened ---------------------------------------------------------------
 *
 * The last pass: what a sandbox may reach, of one family, as sorted disjoint
 * ranges; adjacent ones with the same origin and class are one.
 *
 * Rules for ports stand between allowOut and the denials and hold for every
 * address, so an address falls into one of few classes, and only two lists of
 * ports are ever needed: a policy of many addresses and many ports does not
 * become their product.
 */
enum np_class {
	NP_WHOLE, /* passes, whatever protocol and port */
	NP_BUT,	  /* nothing denies the address: all but the denied ports */
	NP_ONLY,  /* something denies it: the allowed ports alone */
	NP_NCLASSES,
};

struct np_ok_range {
	struct np_range range;
	struct np_origin origin;
	enum np_class class;
};

struct np_ok {
	struct np_ok_range *v;
	size_t n, cap;
	enum np_family family;
};

/* Protocols times ports.  A protocol without ports counts as port 0. */
struct np_port_box {
	uint8_t proto_lo, proto_hi;
	uint16_t lo, hi;
};

struct np_ports {
	struct np_port_box *v; /* sorted, disjoint */
	size_t n, cap;
};

struct np_reach {
	struct np_ok ok4, ok6;
	struct np_ports ports[NP_NCLASSES]; /* of BUT and ONLY */
};

/* Without IPv6, ok6 stays empty.  On failure out is empty. */
int np_reach_make(
    const struct np_ir *ir, bool v6, struct np_reach *out, struct err *e);
void np_reach_init(struct np_reach *r); /* reaches nothing */
void np_reach_fini(struct np_reach *r);
/* flow->proto must be said. */
bool np_reach_has(const struct np_reach *r, const struct np_flow *flow);
bool np_ports_same(const struct np_ports *a, const struct np_ports *b);
bool np_ports_has(const struct np_ports *p, int proto, uint16_t port);

int np_flatten(
    const struct np_ir *ir, enum np_family f, struct np_ok *out, struct err *e);
void np_ok_fini(struct np_ok *ok);
/* The range that holds a, or NULL. */
const struct np_ok_range *np_ok_find(const struct np_ok *ok, struct np_addr a);

/*
 * Flows that `a` passes and `b` does not: ranges of addresses, each with the
 * ports that it is about.  A range's class is an index into ports here.
 */
enum { NP_NGONE = NP_NCLASSES * (NP_NCLASSES + 1) };

struct np_gone {
	struct np_ok gone4, gone6;
	struct np_ports ports[NP_NGONE];
};

int np_revoked(const struct np_reach *a, const struct np_reach *b,
    struct np_gone *out, struct err *e);
void np_gone_fini(struct np_gone *g);
bool np_gone_has(const struct np_gone *g, const struct np_flow *flow);
/* Names each range by the rule of ir that decides it now. */
void np_gone_name(struct np_gone *g, const struct np_ir *ir);

/*
 * Which ranges of the kernel's set to delete and to add, to get from a to b.
 * A range whose bounds and class stay is left alone, whatever its origin says.
 */
int np_delta(const struct np_ok *a, const struct np_ok *b, struct np_ok *del,
    struct np_ok *add, struct err *e);

/* "tcp/25, udp/1-1023"; "" for everything.  Cut at the end if it must. */
enum { NP_PORTS_TEXT = 256 };
const char *np_ports_text(const struct np_ports *p, char to[NP_PORTS_TEXT]);

/* What a rule is about: "tcp/25" of one for ports, else its range. */
enum { NP_TO_TEXT = NP_PORTS_TEXT };
const char *np_to_text(const struct np_rule *r, char to[NP_TO_TEXT]);

/* "/network/allowOut/3", "built in", "coppiced.conf:14"; returns to. */
enum { NP_ORIGIN_TEXT = 64 };
const char *np_origin_text(
    struct np_origin o, const struct np_site *s, char to[NP_ORIGIN_TEXT]);

#endif
