/*
 * load.c - an anchor's rules and tables, in one transaction.
 *
 * What is loaded is what the text says, taken apart by the parser that the
 * model has, too; each rule is given to the kernel as pfctl would.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/in_systm.h>
#include <netinet/ip.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include "base/own.h"
#include "pf/freebsd/dev_int.h"

/* Somebody else's pfctl began to collect addresses: theirs or ours. */
enum { TRIES = 20 };

/* --- one rule ------------------------------------------------------------- */

void
pf_put_bytes(struct pf_ask *a, unsigned addr_type, unsigned mask_type,
    const struct np_prefix *p)
{
	uint8_t addr[16] = { 0 }, mask[16] = { 0 };

	if (p->family != 0) {
		np_u128 last = np_last(p->family);
		struct np_addr m = { p->len == 0 ? 0 : last & ~(last >> p->len),
			p->family };

		/* A shift by all of its bits is none at all. */
		if (p->len == (p->family == NP_V4 ? 32 : 128))
			m.n = last;
		np_addr_bytes((struct np_addr){ p->addr, p->family }, addr);
		np_addr_bytes(m, mask);
	}
	pf_ask_put(a, addr_type, addr, sizeof(addr));
	pf_ask_put(a, mask_type, mask, sizeof(mask));
}

void
pf_put_prefix(struct pf_ask *a, const struct np_prefix *p)
{
	pf_put_bytes(a, PFN_A_ADDR, PFN_A_MASK, p);
}

static void
put_host(struct pf_ask *a, const struct pfm_host *h)
{
	static const struct np_prefix any = { 0, 0, 0 };
	size_t nest = pf_ask_nest(a, PFN_RA_ADDR);

	pf_put_prefix(a, h->kind == PFM_PREFIX ? &h->prefix : &any);
	if (h->kind == PFM_IN_TABLE)
		pf_ask_str(a, PFN_A_TABLENAME, h->table);
	pf_ask_u8(
	    a, PFN_A_TYPE, h->kind == PFM_IN_TABLE ? PFN_TABLE : PFN_ADDRMASK);
	pf_ask_nest_end(a, nest);
	pf_ask_u8(a, PFN_RA_NEG, h->not );
}

static void
put_ports(struct pf_ask *a, uint16_t lo, uint16_t hi)
{
	pf_ask_u16(a, PFN_RA_PORT0, htons(lo));
	pf_ask_u16(a, PFN_RA_PORT1, htons(hi));
	pf_ask_u8(a, PFN_RA_OP, lo == hi ? PFN_OP_EQ : PFN_OP_RRG);
}

static void
put_ends(struct pf_ask *a, const struct pfm_rule *r)
{
	size_t nest = pf_ask_nest(a, PFN_R_SRC);

	put_host(a, &r->src);
	pf_ask_nest_end(a, nest);
	nest = pf_ask_nest(a, PFN_R_DST);
	put_host(a, &r->dst);
	if (r->has_port)
		put_ports(a, r->port_lo, r->port_hi);
	pf_ask_nest_end(a, nest);
}

static void
put_label(struct pf_ask *a, const struct pfm_rule *r)
{
	size_t nest = pf_ask_nest(a, PFN_R_LABELS);

	if (r->label[0] != '\0')
		pf_ask_str(a, PFN_L_LABEL, r->label);
	pf_ask_nest_end(a, nest);
}

static uint8_t
action_of(const struct pfm_rule *r)
{
	switch (r->action) {
	case PFM_BLOCK:
		return PFN_DROP;
	case PFM_MATCH:
		return PFN_MATCH;
	case PFM_NAT:
		return PFN_NAT;
	case PFM_RDR:
	case PFM_RDR_ANCHOR_CALL:
		return PFN_RDR;
	case PFM_PASS:
	case PFM_ANCHOR_CALL:
		return PFN_PASS;
	}
	return PFN_PASS;
}

/* `return` says what to tell whom; and `flags S/SA` is pfctl's own default. */
static void
put_manner(struct pf_ask *a, const struct pfm_rule *r)
{
	bool tcp = r->proto == 0 || r->proto == IPPROTO_TCP;
	uint32_t flag =
	    (r->ret ? PFN_F_RETURN : 0) | (r->if_bound ? PFN_F_IFBOUND : 0);

	if (r->ret) {
		pf_ask_u16(a, PFN_R_RETURN_ICMP,
		    ICMP_UNREACH << 8 | ICMP_UNREACH_PORT);
		pf_ask_u16(a, PFN_R_RETURN_ICMP6,
		    ICMP6_DST_UNREACH << 8 | ICMP6_DST_UNREACH_NOPORT);
	}
	pf_ask_u32(a, PFN_R_RULE_FLAG, flag);
	if (!r->keep)
		return;
	pf_ask_u8(a, PFN_R_KEEP_STATE, PFN_STATE_NORMAL);
	pf_ask_u32(a, PFN_R_MAX_STATES, r->max);
	if (tcp) {
		pf_ask_u8(a, PFN_R_FLAGS, TH_SYN);
		pf_ask_u8(a, PFN_R_FLAGSET, TH_SYN | TH_ACK);
	}
}

static uint8_t
family_of(enum np_family f)
{
	return f == 0 ? AF_UNSPEC : f == NP_V4 ? AF_INET : AF_INET6;
}

static void
put_rule(struct pf_ask *a, const struct pfm_rule *r)
{
	size_t nest = pf_ask_nest(a, PFN_AR_RULE);

	put_ends(a, r);
	put_label(a, r);
	pf_ask_str(a, PFN_R_IFNAME, r->ifname);
	pf_ask_str(a, PFN_R_TAGNAME, r->tag);
	pf_ask_str(a, PFN_R_MATCH_TAGNAME, r->tagged);
	if (r->action == PFM_RDR) {
		size_t pool = pf_ask_nest(a, PFN_R_POOL_RDR);

		pf_ask_u16(a, PFN_PO_PORT0, r->to_port);
		pf_ask_nest_end(a, pool);
	}
	pf_ask_u32(a, PFN_R_RTABLEID, UINT32_MAX);
	put_manner(a, r);
	pf_ask_u8(a, PFN_R_ACTION, action_of(r));
	pf_ask_u8(a, PFN_R_DIRECTION,
	    r->action == PFM_RDR ? PFM_BOTH : (uint8_t)r->dir);
	pf_ask_u8(a, PFN_R_LOG, r->log ? PFN_LOG : 0);
	pf_ask_u8(a, PFN_R_QUICK, r->quick);
	pf_ask_u8(a, PFN_R_MATCH_TAG_NOT, r->not_tagged);
	pf_ask_u8(a, PFN_R_AF, family_of(r->af));
	pf_ask_u8(a, PFN_R_PROTO, r->proto);
	if (r->has_type)
		pf_ask_u8(a, PFN_R_TYPE, (uint8_t)(r->type + 1));
	pf_ask_nest_end(a, nest);
}

/* --- the anchor ----------------------------------------------------------- */

struct load {
	struct pf_dev *d;
	const struct pfm_ruleset *rs;
	uint32_t tickets[PF_TRANS_N];
	uint32_t pool;
};

static int
on_pool(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	uint32_t *ticket = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_BA_TICKET)
			*ticket = pf_attr_u32(&a);
	return 0;
}

/* Rules take along what was collected before them: where a rdr leads. */
static int
begin_pool(struct load *l, struct err *e)
{
	struct pf_ask a;
	int rc;

	pf_ask_init(&a, &l->d->nl);
	pf_ask_cmd(&a, PFN_BEGIN_ADDRS);
	rc = pf_ask_send(&a, on_pool, &l->pool, e);
	pf_ask_fini(&a);
	return rc;
}

static void
put_target(struct pf_ask *a, const struct load *l, const struct pfm_rule *r)
{
	const struct np_prefix to = { r->to.n, r->to.family,
		r->to.family == NP_V4 ? 32 : 128 };
	size_t nest, wrap;

	pf_ask_cmd(a, PFN_ADD_ADDR);
	pf_ask_u32(a, PFN_AA_TICKET, l->pool);
	pf_ask_u8(a, PFN_AA_AF, family_of(r->to.family));
	pf_ask_u32(a, PFN_AA_WHICH, PFN_RDR);
	nest = pf_ask_nest(a, PFN_AA_ADDR);
	wrap = pf_ask_nest(a, PFN_PA_ADDR);
	pf_put_prefix(a, &to);
	pf_ask_u8(a, PFN_A_TYPE, PFN_ADDRMASK);
	pf_ask_nest_end(a, wrap);
	pf_ask_nest_end(a, nest);
}

static void
put_rules(struct pf_ask *a, const struct load *l, const struct pfm_rules *v,
    uint32_t ticket)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->v[i].action == PFM_RDR)
			put_target(a, l, &v->v[i]);
		pf_ask_cmd(a, PFN_ADDRULE);
		pf_ask_u32(a, PFN_AR_TICKET, ticket);
		pf_ask_u32(a, PFN_AR_POOL_TICKET, l->pool);
		pf_ask_str(a, PFN_AR_ANCHOR, l->rs->name);
		/* 15.1's kernel looks at it unasked, and panics without. */
		pf_ask_str(a, PFN_AR_ANCHOR_CALL, "");
		put_rule(a, &v->v[i]);
	}
}

static int
send_rules(struct load *l, struct err *e)
{
	struct pf_ask a;
	int rc;

	pf_ask_init(&a, &l->d->nl);
	put_rules(&a, l, &l->rs->rdr, l->tickets[PF_TRANS_RDR]);
	put_rules(&a, l, &l->rs->filter, l->tickets[PF_TRANS_FILTER]);
	rc = pf_ask_send(&a, NULL, NULL, e);
	pf_ask_fini(&a);
	return rc;
}

static int
define_table(struct load *l, const struct pfm_table *t, struct err *e)
{
	autofree struct np_prefix *v = calloc(t->n + 1, sizeof(*v));

	if (v == NULL)
		return err_sys(e, "%zu addresses", t->n);
	for (size_t i = 0; i < t->n; i++)
		v[i] = t->v[i].prefix;
	return pf_table_define(
	    l->d, l->rs->name, t->name, l->tickets[PF_TRANS_TABLE], v, t->n, e);
}

static int
fill(struct load *l, struct err *e)
{
	for (size_t i = 0; i < l->rs->ntables; i++)
		if (define_table(l, &l->rs->tables[i], e) < 0)
			return -1;
	if (l->rs->rdr.n + l->rs->filter.n == 0)
		return 0;
	if (begin_pool(l, e) < 0 || send_rules(l, e) < 0)
		return err_wrap(e, "rules of %s", l->rs->name);
	return 0;
}

static int
load_once(struct load *l, struct err *e)
{
	const char *name = l->rs->name;

	if (pf_trans_begin(l->d, name, l->tickets, e) < 0)
		return -1;
	if (fill(l, e) == 0 && pf_trans_commit(l->d, name, l->tickets, e) == 0)
		return 0;
	pf_trans_rollback(l->d, name, l->tickets);
	return -1;
}

static int
load_direct(struct pf_dev *d, const struct pfm_ruleset *rs, struct err *e)
{
	struct load l = { .d = d, .rs = rs };
	int rc = -1;

	for (int i = 0; i < TRIES; i++) {
		rc = load_once(&l, e);
		if (rc == 0 || e->kind != ERR_SYS || e->sys_errno != EBUSY)
			break;
	}
	return rc;
}

/* A table that persists outlives the load that has it no more. */
static int
remove_tables(struct pf_dev *d, const struct pfm_ruleset *rs, struct err *e)
{
	char names[PFM_TABLES_MAX][PFM_TABLE];
	size_t n;

	if (pf_table_names(d, rs->name, names, PFM_TABLES_MAX, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (pfm_table_find(rs, names[i]) == NULL &&
		    pf_table_remove(d, rs->name, names[i], e) < 0)
			return -1;
	return 0;
}

int
pf_load(struct pf_dev *d, const char *anchor, const char *text, size_t len,
    unsigned freebsd, struct err *e)
{
	/* Labels stay as they are, and rules in their order: no optimiser. */
	const char *const argv[] = { "pfctl", "-q", "-o", "none", "-a", anchor,
		"-f", "-", NULL };
	struct pfm_ruleset rs;
	int rc;

	if (pfm_parse(text, len, anchor, PFM_CHILD, freebsd, &rs, e) < 0)
		return -1;
	rc = d->direct ? load_direct(d, &rs, e) : pf_ctl(argv, text, len, e);
	if (rc == 0)
		rc = remove_tables(d, &rs, e);
	pfm_ruleset_fini(&rs);
	return rc;
}
