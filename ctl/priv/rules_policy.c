#include "rules_int.h"

#include <netinet/in.h>
#include <string.h>

#include "base/own.h"

static int
take_entry(const struct rules_entry *x, struct np_entry *out, struct err *e)
{
	enum np_family f = x->family == 4 ? NP_V4 : NP_V6;
	struct np_prefix p = { .family = f, .len = x->len };
	np_u128 host;

	if ((x->family != 4 && x->family != 6) ||
	    x->len > (f == NP_V4 ? 32 : 128))
		return err_set(e, ERR_BUG, "entry %u: /%u of family %u",
		    x->item, x->len, x->family);
	p.addr = np_addr_from_bytes(f, x->addr).n;
	host = x->len == 0
		   ? np_last(f)
		   : ((np_u128)1 << ((f == NP_V4 ? 32 : 128) - x->len)) - 1;
	if ((p.addr & host) != 0)
		return err_set(e, ERR_BUG, "entry %u: host bits", x->item);
	out->prefix = p;
	out->item = x->item;
	return 0;
}

static int
take_list(
    struct np_list *l, const struct rules_entry *v, uint32_t n, struct err *e)
{
	if (n == 0)
		return 0;
	l->v = calloc(n, sizeof(*l->v));
	if (l->v == NULL)
		return err_sys(e, "policy");
	l->cap = n;
	for (; l->n < n; l->n++)
		if (take_entry(&v[l->n], &l->v[l->n], e) < 0)
			return -1;
	return 0;
}

static int
take_ports(
    struct np_policy *p, const struct rules_port *v, uint32_t n, struct err *e)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct np_port port = { v[i].lo, v[i].hi, v[i].proto,
			v[i].deny != 0, v[i].item };

		if (v[i].lo == 0 || v[i].lo > v[i].hi || v[i].deny > 1 ||
		    (v[i].proto != IPPROTO_TCP && v[i].proto != IPPROTO_UDP))
			return err_set(e, ERR_BUG, "port %u: %u-%u of %u",
			    v[i].item, v[i].lo, v[i].hi, v[i].proto);
		if (np_policy_port(p, &port, e) < 0)
			return -1;
	}
	return 0;
}

void
rules_want_fini(struct rules_want *w)
{
	np_reach_fini(&w->reach);
}

int
rules_compile(const struct rules *r, const struct rules_body *b,
    struct rules_want *out, struct err *e)
{
	struct np_ir ir = { 0 };
	struct np_policy p;
	int rc = -1;

	*out = (struct rules_want){ .slot = b->a->slot, .gen = b->a->gen };
	out->birth = b->a->birth != 0;
	np_reach_init(&out->reach);
	np_policy_init(&p);
	p.deny_all = b->a->deny_all;
	p.no_internet = b->a->no_internet;
	if (take_list(&p.allow, b->v, b->a->nallow, e) == 0 &&
	    take_list(&p.deny, b->v + b->a->nallow, b->a->ndeny, e) == 0 &&
	    take_ports(&p, b->ports, b->a->nports, e) == 0 &&
	    np_lower(&p, &r->site, &ir, e) == 0 &&
	    np_reach_make(&ir, r->cf->ipv6, &out->reach, e) == 0)
		rc = 0;
	np_ir_fini(&ir);
	np_policy_fini(&p);
	if (rc < 0)
		rules_want_fini(out);
	return rc;
}
