/*
 * read.c - rules and tables of an anchor, as the kernel has them, said in the
 * parser's own terms: what our text comes to on both ways must be the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/own.h"
#include "pf/freebsd/dev_int.h"

/* A rule on its way from the kernel's words to ours. */
struct reading {
	struct pfm_rule r;
	uint8_t action, keep, flags, flagset;
	uint16_t pool_port[2];
	uint32_t rule_flag, rtable;
	uint64_t packets;
	const char *odd; /* what it has and we have no word for */
};

static void
odd_if(struct reading *x, bool is, const char *what)
{
	if (is && x->odd == NULL)
		x->odd = what;
}

/* --- addresses ------------------------------------------------------------ */

struct wrap {
	uint8_t addr[16], mask[16], type;
	char name[PFM_TABLE]; /* of a table or an interface */
};

static void
copy(const struct pf_attr *a, uint8_t to[16])
{
	memcpy(to, a->data, a->len < 16 ? a->len : 16);
}

static void
read_wrap(struct pf_attrs left, struct wrap *w)
{
	struct pf_attr a;

	while (pf_attr_next(&left, &a)) {
		if (a.type == PFN_A_ADDR)
			copy(&a, w->addr);
		else if (a.type == PFN_A_MASK)
			copy(&a, w->mask);
		else if (a.type == PFN_A_TYPE)
			w->type = pf_attr_u8(&a);
		else if (a.type == PFN_A_IFNAME || a.type == PFN_A_TABLENAME)
			pf_attr_str(&a, w->name, sizeof(w->name));
	}
}

static bool
all_zero(const uint8_t v[16])
{
	static const uint8_t zero[16];

	return memcmp(v, zero, sizeof(zero)) == 0;
}

/* The mask's length; 255 where it is none. */
static uint8_t
mask_len(const uint8_t mask[16], size_t nbytes)
{
	uint8_t len = 0;
	bool over = false;

	for (size_t i = 0; i < nbytes * 8; i++) {
		bool bit = (mask[i / 8] >> (7 - i % 8) & 1) != 0;

		if (bit && over)
			return UINT8_MAX;
		over = over || !bit;
		len += bit;
	}
	return len;
}

static void
read_host(
    struct reading *x, const struct wrap *w, uint8_t af, struct pfm_host *out)
{
	enum np_family f = af == AF_INET6 ? NP_V6 : NP_V4;

	switch (w->type) {
	case PFN_TABLE:
		out->kind = PFM_IN_TABLE;
		memcpy(out->table, w->name, sizeof(out->table));
		return;
	case PFN_DYNIFTL:
		out->kind = PFM_SELF;
		odd_if(x, strcmp(w->name, "self") != 0, "(interface)");
		return;
	case PFN_ADDRMASK:
		break;
	default:
		odd_if(x, true, "a kind of address");
		return;
	}
	out->kind = all_zero(w->mask) ? PFM_ANY : PFM_PREFIX;
	if (out->kind == PFM_ANY)
		return;
	out->prefix.family = f;
	out->prefix.addr = np_addr_from_bytes(f, w->addr).n;
	out->prefix.len = mask_len(w->mask, f == NP_V4 ? 4 : 16);
	odd_if(x, out->prefix.len == UINT8_MAX, "a mask with holes");
}

/* --- one rule ------------------------------------------------------------- */

struct end {
	struct wrap w;
	uint16_t port[2];
	uint8_t neg, op;
};

static void
read_end(struct pf_attrs left, struct end *out)
{
	struct pf_attr a;

	while (pf_attr_next(&left, &a)) {
		if (a.type == PFN_RA_ADDR)
			read_wrap(pf_attr_nest(&a), &out->w);
		else if (a.type == PFN_RA_PORT0)
			out->port[0] = ntohs(pf_attr_u16(&a));
		else if (a.type == PFN_RA_PORT1)
			out->port[1] = ntohs(pf_attr_u16(&a));
		else if (a.type == PFN_RA_NEG)
			out->neg = pf_attr_u8(&a);
		else if (a.type == PFN_RA_OP)
			out->op = pf_attr_u8(&a);
	}
}

static void
read_label(struct reading *x, struct pf_attrs left)
{
	struct pf_attr a;

	while (pf_attr_next(&left, &a)) {
		odd_if(x, x->r.label[0] != '\0', "a second label");
		pf_attr_str(&a, x->r.label, sizeof(x->r.label));
	}
}

static void
read_pool(struct reading *x, struct pf_attrs left)
{
	struct pf_attr a;

	while (pf_attr_next(&left, &a)) {
		if (a.type == PFN_PO_PORT0)
			x->pool_port[0] = pf_attr_u16(&a);
		else if (a.type == PFN_PO_PORT1)
			x->pool_port[1] = pf_attr_u16(&a);
	}
}

/* Words that no rule of ours has. */
static void
read_foreign(struct reading *x, const struct pf_attr *a)
{
	static const struct {
		enum pfn_rule type;
		const char *name;
	} numbers[] = { { PFN_R_OS_FINGERPRINT, "os" },
		{ PFN_R_MAX_SRC_NODES, "max-src-nodes" },
		{ PFN_R_MAX_SRC_STATES, "max-src-states" },
		{ PFN_R_MAX_SRC_CONN, "max-src-conn" },
		{ PFN_R_DNPIPE, "dnpipe" }, { PFN_R_DNRPIPE, "dnpipe" },
		{ PFN_R_PROB, "probability" }, { PFN_R_IF_NOT, "on !" },
		{ PFN_R_NATPASS, "rdr pass" }, { PFN_R_CODE, "icmp-code" },
		{ PFN_R_ALLOW_OPTS, "allow-opts" }, { PFN_R_RT, "route-to" },
		{ PFN_R_TOS, "tos" }, { PFN_R_QNAME, "queue" },
		{ PFN_R_OVERLOAD, "overload" },
		{ PFN_R_RCV_IFNAME, "received-on" },
		{ PFN_R_LOGIF, "log (to)" } };

	for (size_t i = 0; i < countof(numbers); i++) {
		bool is = false;

		if (numbers[i].type != (enum pfn_rule)a->type)
			continue;
		for (size_t k = 0; k < a->len; k++)
			is = is || a->data[k] != 0;
		odd_if(x, is, numbers[i].name);
	}
}

static void
read_word(struct reading *x, const struct pf_attr *a)
{
	struct pfm_rule *r = &x->r;

	switch (a->type) {
	case PFN_R_LABELS:
		read_label(x, pf_attr_nest(a));
		break;
	case PFN_R_IFNAME:
		pf_attr_str(a, r->ifname, sizeof(r->ifname));
		break;
	case PFN_R_TAGNAME:
		pf_attr_str(a, r->tag, sizeof(r->tag));
		break;
	case PFN_R_MATCH_TAGNAME:
		pf_attr_str(a, r->tagged, sizeof(r->tagged));
		break;
	case PFN_R_POOL_RDR:
		read_pool(x, pf_attr_nest(a));
		break;
	case PFN_R_RTABLEID:
		x->rtable = pf_attr_u32(a);
		break;
	case PFN_R_MAX_STATES:
		r->max = pf_attr_u32(a);
		break;
	case PFN_R_RULE_FLAG:
		x->rule_flag = pf_attr_u32(a);
		break;
	case PFN_R_ACTION:
		x->action = pf_attr_u8(a);
		break;
	case PFN_R_DIRECTION:
		r->dir = (enum pfm_dir)pf_attr_u8(a);
		break;
	case PFN_R_LOG:
		r->log = pf_attr_u8(a) != 0;
		odd_if(x, pf_attr_u8(a) > PFN_LOG, "log (all)");
		break;
	case PFN_R_QUICK:
		r->quick = pf_attr_u8(a) != 0;
		break;
	case PFN_R_MATCH_TAG_NOT:
		r->not_tagged = pf_attr_u8(a) != 0;
		break;
	case PFN_R_KEEP_STATE:
		x->keep = pf_attr_u8(a);
		break;
	case PFN_R_PROTO:
		r->proto = pf_attr_u8(a);
		break;
	case PFN_R_TYPE: /* one more than the type; 0: any */
		r->has_type = pf_attr_u8(a) != 0;
		r->type = (uint8_t)(pf_attr_u8(a) - r->has_type);
		break;
	case PFN_R_FLAGS:
		x->flags = pf_attr_u8(a);
		break;
	case PFN_R_FLAGSET:
		x->flagset = pf_attr_u8(a);
		break;
	case PFN_R_PACKETS_IN:
	case PFN_R_PACKETS_OUT:
		x->packets += pf_attr_u64(a);
		break;
	case PFN_R_ANCHOR_CALL:
		pf_attr_str(a, r->anchor, sizeof(r->anchor));
		break;
	default:
		read_foreign(x, a);
		break;
	}
}

static void
take_action(struct reading *x)
{
	bool call = x->r.anchor[0] != '\0';

	switch (x->action) {
	case PFN_PASS:
		x->r.action = call ? PFM_ANCHOR_CALL : PFM_PASS;
		break;
	case PFN_DROP:
		x->r.action = PFM_BLOCK;
		break;
	case PFN_MATCH:
		x->r.action = PFM_MATCH;
		break;
	case PFN_NAT:
		x->r.action = PFM_NAT;
		odd_if(x, call, "nat-anchor");
		break;
	case PFN_RDR:
		x->r.action = call ? PFM_RDR_ANCHOR_CALL : PFM_RDR;
		break;
	default:
		odd_if(x, true, "an action");
		break;
	}
}

/* What goes without saying in a text, and is said in the kernel. */
static void
take_manner(struct reading *x)
{
	struct pfm_rule *r = &x->r;
	bool tcp = r->proto == 0 || r->proto == IPPROTO_TCP;
	bool opens = x->flags == TH_SYN && x->flagset == (TH_SYN | TH_ACK);

	r->ret = (x->rule_flag & PFN_F_RETURN) != 0;
	r->if_bound = (x->rule_flag & PFN_F_IFBOUND) != 0;
	odd_if(x,
	    (x->rule_flag & ~(uint32_t)(PFN_F_RETURN | PFN_F_IFBOUND)) != 0,
	    "an option");
	r->keep = x->keep != 0;
	odd_if(x, x->keep > PFN_STATE_NORMAL, "synproxy or modulate state");
	odd_if(x, x->rtable != UINT32_MAX && x->rtable != 0, "rtable");
	odd_if(x, r->action == PFM_PASS && !r->keep, "no state");
	odd_if(
	    x, r->keep ? opens != tcp : (x->flags | x->flagset) != 0, "flags");
	if (r->action == PFM_RDR)
		r->to_port = x->pool_port[0];
	/* The parser gives translation the direction that it has anyway. */
	if (r->action == PFM_RDR || r->action == PFM_RDR_ANCHOR_CALL)
		r->dir = PFM_IN;
	if (r->action == PFM_NAT)
		r->dir = PFM_OUT;
}

static int
on_rule(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct reading *x = arg;
	struct pf_attrs left = attrs;
	struct end src = { .neg = 0 }, dst = { .neg = 0 };
	struct pf_attr a;
	uint8_t af = 0;

	(void)e;
	while (pf_attr_next(&left, &a)) {
		if (a.type == PFN_R_SRC)
			read_end(pf_attr_nest(&a), &src);
		else if (a.type == PFN_R_DST)
			read_end(pf_attr_nest(&a), &dst);
		else if (a.type == PFN_R_AF)
			af = pf_attr_u8(&a);
		else
			read_word(x, &a);
	}
	x->r.af = af == AF_INET ? NP_V4 : af == AF_INET6 ? NP_V6 : 0;
	read_host(x, &src.w, af, &x->r.src);
	read_host(x, &dst.w, af, &x->r.dst);
	x->r.src.not = src.neg != 0;
	x->r.dst.not = dst.neg != 0;
	odd_if(x, src.op != PFN_OP_NONE, "a source port");
	x->r.has_port = dst.op != PFN_OP_NONE;
	odd_if(x,
	    dst.op != PFN_OP_NONE && dst.op != PFN_OP_EQ &&
		dst.op != PFN_OP_RRG,
	    "a port");
	if (x->r.has_port) {
		x->r.port_lo = dst.port[0];
		x->r.port_hi = dst.op == PFN_OP_EQ ? dst.port[0] : dst.port[1];
	}
	take_action(x);
	take_manner(x);
	return 0;
}

/* --- where translation leads ---------------------------------------------- */

static int
on_target(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct reading *x = arg;
	struct wrap w = { .type = 0 };
	struct pf_attr a, b;

	(void)e;
	while (pf_attr_next(&attrs, &a)) {
		struct pf_attrs in = pf_attr_nest(&a);

		if (a.type != PFN_AA_ADDR)
			continue;
		while (pf_attr_next(&in, &b))
			if (b.type == PFN_PA_ADDR)
				read_wrap(pf_attr_nest(&b), &w);
	}
	if (w.type == PFN_DYNIFTL) {
		(void)snprintf(
		    x->r.to_if, sizeof(x->r.to_if), "%.*s", PFM_IF - 1, w.name);
		return 0;
	}
	odd_if(x, w.type != PFN_ADDRMASK, "a pool of addresses");
	x->r.to.family = x->r.af;
	x->r.to.n =
	    np_addr_from_bytes(x->r.af == NP_V6 ? NP_V6 : NP_V4, w.addr).n;
	return 0;
}

static int
on_count(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	uint32_t *n = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_AA_NR)
			*n = pf_attr_u32(&a);
	return 0;
}

static void
put_where(struct pf_ask *q, enum pfn_cmd cmd, const char *anchor,
    uint32_t ticket, uint32_t nr, uint8_t action)
{
	pf_ask_cmd(q, cmd);
	pf_ask_u32(q, PFN_AA_TICKET, ticket);
	pf_ask_u32(q, PFN_AA_NR, 0);
	pf_ask_u32(q, PFN_AA_R_NUM, nr);
	pf_ask_u8(q, PFN_AA_R_ACTION, action);
	pf_ask_str(q, PFN_AA_ANCHOR, anchor);
	pf_ask_u32(q, PFN_AA_WHICH, PFN_RDR);
}

static int
read_target(struct pf_nl *nl, const char *anchor, uint32_t ticket, uint32_t nr,
    struct reading *x, struct err *e)
{
	struct pf_ask q;
	uint32_t n = 0;
	int rc;

	pf_ask_init(&q, nl);
	put_where(&q, PFN_GET_ADDRS, anchor, ticket, nr, x->action);
	rc = pf_ask_send(&q, on_count, &n, e);
	pf_ask_fini(&q);
	if (rc < 0)
		return -1;
	odd_if(x, n != 1, "a pool of addresses");
	if (n == 0)
		return 0;
	pf_ask_init(&q, nl);
	put_where(&q, PFN_GET_ADDR, anchor, ticket, nr, x->action);
	rc = pf_ask_send(&q, on_target, x, e);
	pf_ask_fini(&q);
	return rc;
}

/* --- a rule set ----------------------------------------------------------- */

struct count {
	uint32_t n, ticket;
};

static int
on_rules(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct count *c = arg;
	struct pf_attr a;

	(void)e;
	while (pf_attr_next(&attrs, &a)) {
		if (a.type == PFN_GR_NR)
			c->n = pf_attr_u32(&a);
		else if (a.type == PFN_GR_TICKET)
			c->ticket = pf_attr_u32(&a);
	}
	return 0;
}

static void
put_count(struct pf_ask *q, const char *anchor, uint8_t action)
{
	pf_ask_cmd(q, PFN_GETRULES);
	pf_ask_str(q, PFN_GR_ANCHOR, anchor);
	pf_ask_u8(q, PFN_GR_ACTION, action);
}

static int
count_rules(struct pf_nl *nl, const char *anchor, uint8_t action,
    struct count *out, struct err *e)
{
	struct pf_ask q;
	int rc;

	*out = (struct count){ 0, 0 };
	pf_ask_init(&q, nl);
	put_count(&q, anchor, action);
	rc = pf_ask_send(&q, on_rules, out, e);
	pf_ask_fini(&q);
	return rc;
}

static int
read_rule(struct pf_nl *nl, const char *anchor, uint8_t action,
    const struct count *c, uint32_t nr, struct reading *x, struct err *e)
{
	struct pf_ask q;
	int rc;

	*x = (struct reading){ .rtable = UINT32_MAX };
	pf_ask_init(&q, nl);
	pf_ask_cmd(&q, PFN_GETRULE);
	pf_ask_str(&q, PFN_GR_ANCHOR, anchor);
	pf_ask_u8(&q, PFN_GR_ACTION, action);
	pf_ask_u32(&q, PFN_GR_NR, nr);
	pf_ask_u32(&q, PFN_GR_TICKET, c->ticket);
	rc = pf_ask_send(&q, on_rule, x, e);
	pf_ask_fini(&q);
	if (rc < 0)
		return -1;
	x->r.line = nr + 1;
	if (x->r.action == PFM_RDR || x->r.action == PFM_NAT)
		return read_target(nl, anchor, c->ticket, nr, x, e);
	return 0;
}

static int
keep_rule(struct pf_found *f, struct pfm_rules *to, const struct reading *x,
    struct err *e)
{
	if (to->n == to->cap) {
		size_t cap = to->cap == 0 ? 16 : to->cap * 2;
		struct pfm_rule *v = realloc(to->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu pf rules", cap);
		to->v = v;
		to->cap = cap;
	}
	if (to == &f->rs.filter) {
		uint64_t *p =
		    realloc(f->packets, to->cap * sizeof(*f->packets));

		if (p == NULL)
			return err_sys(e, "%zu pf rules", to->cap);
		f->packets = p;
		p[to->n] = x->packets;
	}
	to->v[to->n++] = x->r;
	if (x->odd == NULL || f->odd)
		return 0;
	f->odd = true;
	(void)snprintf(f->why, sizeof(f->why), "rule %u (%s) has \"%s\"",
	    x->r.line, x->r.label, x->odd);
	return 0;
}

static int
read_set(struct pf_dev *d, const char *anchor, uint8_t action,
    struct pf_found *f, struct pfm_rules *to, struct err *e)
{
	struct count c;

	if (count_rules(&d->nl, anchor, action, &c, e) < 0) {
		/* There is no such anchor: it has no rules. */
		if (e->sys_errno == EINVAL || e->sys_errno == ENOENT)
			return 0;
		return -1;
	}
	for (uint32_t i = 0; i < c.n && i < PFM_RULES_MAX; i++) {
		struct reading x;

		if (read_rule(&d->nl, anchor, action, &c, i, &x, e) < 0 ||
		    keep_rule(f, to, &x, e) < 0)
			return -1;
	}
	return 0;
}

static int
read_table(struct pf_dev *d, const char *anchor, const char *name,
    struct pfm_table *t, bool *odd, struct err *e)
{
	struct pf_addrs a;
	int rc = 0;

	*t = (struct pfm_table){ .persist = true };
	(void)snprintf(t->name, sizeof(t->name), "%s", name);
	if (pf_table_get(d, anchor, name, &a, odd, e) < 0)
		return -1;
	for (size_t i = 0; i < a.n && rc == 0; i++)
		rc = pfm_table_add(t, &(struct pfm_entry){ a.v[i], false }, e);
	free(a.v);
	return rc < 0 ? -1 : pfm_table_sort(t, e);
}

static int
read_tables(
    struct pf_dev *d, const char *anchor, struct pf_found *f, struct err *e)
{
	char names[PFM_TABLES_MAX][PFM_TABLE];
	size_t n;
	bool odd;

	if (pf_table_names(d, anchor, names, PFM_TABLES_MAX, &n, e) < 0)
		return -1;
	f->rs.tables = calloc(n + 1, sizeof(*f->rs.tables));
	if (f->rs.tables == NULL)
		return err_sys(e, "%zu pf tables", n);
	for (size_t i = 0; i < n; i++) {
		struct pfm_table *t = &f->rs.tables[f->rs.ntables++];

		if (read_table(d, anchor, names[i], t, &odd, e) < 0)
			return -1;
		if (!odd || f->odd)
			continue;
		f->odd = true;
		(void)snprintf(f->why, sizeof(f->why),
		    "table <%s> has an entry with \"!\"", names[i]);
	}
	return 0;
}

void
pf_found_fini(struct pf_found *f)
{
	pfm_ruleset_fini(&f->rs);
	free(f->packets);
	*f = (struct pf_found){ .odd = false };
}

int
pf_read_rules(
    struct pf_dev *d, const char *anchor, struct pf_found *out, struct err *e)
{
	*out = (struct pf_found){ .odd = false };
	(void)snprintf(out->rs.name, sizeof(out->rs.name), "%s", anchor);
	if (read_set(d, anchor, PFN_PASS, out, &out->rs.filter, e) == 0)
		return 0;
	pf_found_fini(out);
	return err_wrap(e, "%s", anchor);
}

/* Tickets tell of a load meanwhile: then all is read once more. */
int
pf_read(
    struct pf_dev *d, const char *anchor, struct pf_found *out, struct err *e)
{
	enum { TRIES = 8 };
	int rc = -1;

	for (int i = 0; i < TRIES; i++) {
		*out = (struct pf_found){ .odd = false };
		(void)snprintf(
		    out->rs.name, sizeof(out->rs.name), "%s", anchor);
		rc = read_set(d, anchor, PFN_RDR, out, &out->rs.rdr, e);
		if (rc == 0)
			rc = read_set(
			    d, anchor, PFN_PASS, out, &out->rs.filter, e);
		if (rc == 0 && anchor[0] == '\0')
			rc = read_set(d, anchor, PFN_NAT, out, &out->rs.nat, e);
		if (rc == 0 && anchor[0] != '\0')
			rc = read_tables(d, anchor, out, e);
		if (rc == 0)
			return 0;
		pf_found_fini(out);
		if (e->sys_errno != EBUSY && e->sys_errno != ENOENT)
			break;
	}
	return err_wrap(e, "%s", anchor[0] == '\0' ? "root rules" : anchor);
}

/* --- stamps and children -------------------------------------------------- */

int
pf_stamp(
    struct pf_dev *d, const char *anchor, struct pf_stamp *out, struct err *e)
{
	struct count f = { 0, 0 }, r = { 0, 0 };

	*out = (struct pf_stamp){ .there = false };
	if (count_rules(&d->nl, anchor, PFN_PASS, &f, e) < 0 ||
	    count_rules(&d->nl, anchor, PFN_RDR, &r, e) < 0)
		return e->sys_errno == EINVAL || e->sys_errno == ENOENT ? 0
									: -1;
	*out = (struct pf_stamp){ true, f.ticket, r.ticket, f.n, r.n, 0, 0 };
	if (anchor[0] == '\0')
		return 0;
	return pf_table_count(d, anchor, &out->ntables, &out->naddrs, e);
}

static int
on_number(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	uint32_t *n = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_RS_NR)
			*n = pf_attr_u32(&a);
	return 0;
}

static int
on_name(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	char *name = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_RS_NAME)
			pf_attr_str(&a, name, PFM_ANCHOR);
	return 0;
}

static int
ask_ruleset(struct pf_nl *nl, enum pfn_cmd cmd, const char *path, uint32_t nr,
    pf_on_answer *on, void *arg, struct err *e)
{
	struct pf_ask q;
	int rc;

	pf_ask_init(&q, nl);
	pf_ask_cmd(&q, cmd);
	pf_ask_str(&q, PFN_RS_PATH, path);
	pf_ask_u32(&q, PFN_RS_NR, nr);
	rc = pf_ask_send(&q, on, arg, e);
	pf_ask_fini(&q);
	return rc;
}

int
pf_count_children(
    struct pf_dev *d, const char *path, uint32_t *n, struct err *e)
{
	*n = 0;
	if (ask_ruleset(&d->nl, PFN_GET_RULESETS, path, 0, on_number, n, e) ==
	    0)
		return 0;
	return e->sys_errno == ENOENT ? 0 : -1;
}

struct names {
	char (*v)[PFM_ANCHOR];
	size_t n;
};

/* All of them first: who is told of one may take it away, and others move. */
static int
read_names(struct pf_dev *d, const char *path, struct names *out, struct err *e)
{
	uint32_t n = 0;

	if (ask_ruleset(&d->nl, PFN_GET_RULESETS, path, 0, on_number, &n, e) <
	    0)
		return e->sys_errno == ENOENT ? 0 : -1;
	out->v = calloc(n + 1, sizeof(*out->v));
	if (out->v == NULL)
		return err_sys(e, "%u anchors", n);
	for (; out->n < n; out->n++)
		if (ask_ruleset(&d->nl, PFN_GET_RULESET, path, (uint32_t)out->n,
			on_name, out->v[out->n], e) < 0)
			return e->sys_errno == EBUSY ? 0 : -1;
	return 0;
}

int
pf_children(struct pf_dev *d, const char *path,
    int (*on)(void *arg, const char *name, struct err *e), void *arg,
    struct err *e)
{
	struct names all = { .n = 0 };
	int rc = read_names(d, path, &all, e);

	for (size_t i = 0; i < all.n && rc == 0; i++)
		rc = on(arg, all.v[i], e);
	free(all.v);
	return rc;
}
