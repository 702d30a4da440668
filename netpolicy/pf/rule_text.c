/* rule_text.c - one rule, compared and written down. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pf/rules.h"

struct line {
	char *to;
	size_t len;
};

static void PRINTF(2, 3) say(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->to + l->len, PFM_RULE_TEXT - l->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n;
	if (l->len >= PFM_RULE_TEXT)
		l->len = PFM_RULE_TEXT - 1; /* cut */
}

static void
say_host(struct line *l, const struct pfm_host *h)
{
	char text[NP_PREFIX_TEXT];

	say(l, "%s", h->not ? "! " : "");
	switch (h->kind) {
	case PFM_ANY:
		say(l, "any");
		return;
	case PFM_PREFIX:
		say(l, "%s", np_prefix_text(&h->prefix, text));
		return;
	case PFM_IN_TABLE:
		say(l, "<%s>", h->table);
		return;
	case PFM_SELF:
		say(l, "(self)");
		return;
	}
}

static void
say_head(struct line *l, const struct pfm_rule *r)
{
	static const char *const words[] = { [PFM_PASS] = "pass",
		[PFM_BLOCK] = "block",
		[PFM_MATCH] = "match",
		[PFM_NAT] = "nat",
		[PFM_RDR] = "rdr",
		[PFM_ANCHOR_CALL] = "anchor",
		[PFM_RDR_ANCHOR_CALL] = "rdr-anchor" };
	bool filter = r->action == PFM_PASS || r->action == PFM_BLOCK ||
		      r->action == PFM_MATCH || r->action == PFM_ANCHOR_CALL;

	say(l, "%s", words[r->action]);
	if (r->action == PFM_BLOCK)
		say(l, " %s", r->ret ? "return" : "drop");
	if (r->anchor[0] != '\0')
		say(l, " \"%s\"", r->anchor);
	if (filter && r->dir != PFM_BOTH)
		say(l, " %s", r->dir == PFM_IN ? "in" : "out");
	say(l, "%s%s", r->log ? " log" : "", r->quick ? " quick" : "");
	if (r->ifname[0] != '\0')
		say(l, " on %s", r->ifname);
	if (r->af != 0)
		say(l, " %s", r->af == NP_V4 ? "inet" : "inet6");
}

const char *
pfm_icmp_error(enum np_family f, uint8_t type)
{
	static const char *const v4[] = { [3] = "unreach",
		[4] = "squench",
		[5] = "redir",
		[11] = "timex",
		[12] = "paramprob" };
	static const char *const v6[] = { [1] = "unreach",
		[2] = "toobig",
		[3] = "timex",
		[4] = "paramprob" };

	if (f == NP_V4)
		return type < sizeof(v4) / sizeof(v4[0]) ? v4[type] : NULL;
	return type < sizeof(v6) / sizeof(v6[0]) ? v6[type] : NULL;
}

static void
say_type(struct line *l, const struct pfm_rule *r)
{
	const char *name = pfm_icmp_error(r->af, r->type);

	if (!r->has_type)
		return;
	say(l, " %s ", r->af == NP_V4 ? "icmp-type" : "icmp6-type");
	if (name != NULL)
		say(l, "%s", name);
	else
		say(l, "%u", r->type);
}

static void
say_proto(struct line *l, uint8_t proto)
{
	if (proto == IPPROTO_TCP)
		say(l, " proto tcp");
	else if (proto == IPPROTO_UDP)
		say(l, " proto udp");
	else if (proto == IPPROTO_ICMP)
		say(l, " proto icmp");
	else if (proto == IPPROTO_ICMPV6)
		say(l, " proto icmp6");
	else if (proto != 0)
		say(l, " proto %u", proto);
}

static void
say_ends(struct line *l, const struct pfm_rule *r)
{
	if (r->src.kind == PFM_ANY && r->dst.kind == PFM_ANY && !r->has_port) {
		say(l, " all");
		return;
	}
	say(l, " from ");
	say_host(l, &r->src);
	say(l, " to ");
	say_host(l, &r->dst);
	if (r->has_port && r->port_lo == r->port_hi)
		say(l, " port %u", r->port_lo);
	else if (r->has_port)
		say(l, " port %u:%u", r->port_lo, r->port_hi);
}

static void
say_tail(struct line *l, const struct pfm_rule *r)
{
	char text[NP_ADDR_TEXT];

	say_type(l, r);
	if (r->tag[0] != '\0')
		say(l, " tag %s", r->tag);
	if (r->tagged[0] != '\0')
		say(l, " %stagged %s", r->not_tagged ? "! " : "", r->tagged);
	if (r->keep)
		say(l, " keep state");
	if (r->max != 0)
		say(l, " (max %u%s)", r->max, r->if_bound ? ", if-bound" : "");
	else if (r->if_bound)
		say(l, " (if-bound)");
	if (r->label[0] != '\0')
		say(l, " label \"%s\"", r->label);
	if (r->action == PFM_NAT)
		say(l, " -> (%s)", r->to_if);
	if (r->action == PFM_RDR)
		say(l, " -> %s port %u", np_addr_text(r->to, text), r->to_port);
}

const char *
pfm_rule_text(const struct pfm_rule *r, char to[PFM_RULE_TEXT])
{
	struct line l = { to, 0 };

	to[0] = '\0';
	say_head(&l, r);
	/* A call takes no more than that from us. */
	if (r->action == PFM_ANCHOR_CALL || r->action == PFM_RDR_ANCHOR_CALL)
		return to;
	say_proto(&l, r->proto);
	say_ends(&l, r);
	say_tail(&l, r);
	return to;
}

static bool
same_host(const struct pfm_host *a, const struct pfm_host *b)
{
	if (a->kind != b->kind || a->not != b->not )
		return false;
	if (a->kind == PFM_IN_TABLE)
		return strcmp(a->table, b->table) == 0;
	if (a->kind != PFM_PREFIX)
		return true;
	return a->prefix.family == b->prefix.family &&
	       a->prefix.addr == b->prefix.addr &&
	       a->prefix.len == b->prefix.len;
}

static bool
same_flags(const struct pfm_rule *a, const struct pfm_rule *b)
{
	return a->ret == b->ret && a->log == b->log && a->quick == b->quick &&
	       a->not_tagged == b->not_tagged && a->keep == b->keep &&
	       a->if_bound == b->if_bound && a->has_port == b->has_port &&
	       a->has_type == b->has_type;
}

static bool
same_names(const struct pfm_rule *a, const struct pfm_rule *b)
{
	return strcmp(a->ifname, b->ifname) == 0 &&
	       strcmp(a->tag, b->tag) == 0 &&
	       strcmp(a->tagged, b->tagged) == 0 &&
	       strcmp(a->label, b->label) == 0 &&
	       strcmp(a->anchor, b->anchor) == 0 &&
	       strcmp(a->to_if, b->to_if) == 0;
}

bool
pfm_rule_same(const struct pfm_rule *a, const struct pfm_rule *b)
{
	return a->action == b->action && a->dir == b->dir && a->af == b->af &&
	       a->proto == b->proto && a->type == b->type &&
	       a->port_lo == b->port_lo && a->port_hi == b->port_hi &&
	       a->max == b->max && a->to.n == b->to.n &&
	       a->to_port == b->to_port && same_flags(a, b) &&
	       same_names(a, b) && same_host(&a->src, &b->src) &&
	       same_host(&a->dst, &b->dst);
}
