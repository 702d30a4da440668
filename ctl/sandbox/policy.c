#include "ctl/sandbox/policy.h"

#include <stdlib.h>
#include <string.h>

#include "io/memfile.h"

static void
take_list(struct rules_entry *to, const struct np_list *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct np_entry *x = &from->v[i];

		to[i] = (struct rules_entry){
			.family = (uint8_t)x->prefix.family,
			.len = x->prefix.len,
			.item = x->item,
		};
		np_addr_bytes(
		    (struct np_addr){ x->prefix.addr, x->prefix.family },
		    to[i].addr);
	}
}

static void
take_ports(struct rules_port *to, const struct np_policy *p)
{
	for (size_t i = 0; i < p->nports; i++) {
		const struct np_port *x = &p->ports[i];

		to[i] = (struct rules_port){ .lo = x->lo,
			.hi = x->hi,
			.proto = x->proto,
			.deny = x->deny,
			.item = x->item };
	}
}

static size_t
bytes(const struct sb_policy *p)
{
	return ((size_t)p->nallow + p->ndeny) * sizeof(struct rules_entry) +
	       p->nports * sizeof(struct rules_port);
}

int
sb_policy_make(const struct np_policy *p, struct sb_policy *out, struct err *e)
{
	const size_t n = p->allow.n + p->deny.n;

	*out = (struct sb_policy){
		.nallow = (uint32_t)p->allow.n,
		.ndeny = (uint32_t)p->deny.n,
		.nports = (uint32_t)p->nports,
		.deny_all = p->deny_all,
		.no_internet = p->no_internet,
	};
	out->v = calloc(1, bytes(out) + 1);
	if (out->v == NULL)
		return err_sys(e, "policy");
	take_list(out->v, &p->allow);
	take_list(out->v + p->allow.n, &p->deny);
	take_ports((void *)(out->v + n), p);
	return 0;
}

void
sb_policy_fini(struct sb_policy *p)
{
	free(p->v);
	p->v = NULL;
}

int
sb_policy_send(struct chan *rules, const struct sb_policy *p, uint32_t slot,
    uint32_t gen, bool birth, struct chan_ask how, struct err *e)
{
	struct rules_apply m = {
		.slot = slot,
		.gen = gen,
		.birth = birth,
		.nallow = p->nallow,
		.ndeny = p->ndeny,
		.nports = p->nports,
		.deny_all = p->deny_all,
		.no_internet = p->no_internet,
	};
	const size_t len = bytes(p);

	how.type = RULES_APPLY;
	how.head = &m;
	how.head_len = sizeof(m);
	how.fd = -1;
	if (len <= RULES_INLINE_MAX) {
		how.tail = p->v;
		how.tail_len = len;
	} else {
		m.in_memfd = 1;
		how.fd = memfile_make("policy", p->v, len, e);
		if (how.fd < 0)
			return -1;
	}
	return chan_ask(rules, &how, e);
}
