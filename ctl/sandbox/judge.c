#include "ctl/sandbox/judge.h"

#include <string.h>

#include "ctl/sandbox/sandbox_int.h"
#include "netpolicy/explain.h"

int
judge_init(struct sb_judge *j, const struct engine *en,
    const struct sb_net *net, struct err *e)
{
	j->resolver4 = en->cf.resolver4;
	j->resolver6 = en->cf.resolver6;
	return sb_net_ir(net, &en->site, &j->ir, e);
}

void
judge_fini(struct sb_judge *j)
{
	np_ir_fini(&j->ir);
}

struct np_addr
judge_addr(const struct sb_flow *f)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (f->family == 4)
		return np_addr_from_bytes(NP_V4, f->to);
	if (memcmp(f->to, mapped, sizeof(mapped)) == 0)
		return np_addr_from_bytes(NP_V4, f->to + sizeof(mapped));
	return np_addr_from_bytes(NP_V6, f->to);
}

const struct np_rule *
judge(const struct sb_judge *j, const struct sb_flow *f)
{
	const struct np_flow flow = { judge_addr(f), f->port, f->proto };

	if (np_flow_is_dns(&flow, j->resolver4, j->resolver6))
		return NULL;
	return np_judge(&j->ir, &flow);
}

bool
judge_denies(const struct sb_judge *j, const struct sb_flow *f)
{
	const struct np_rule *r = judge(j, f);

	return r != NULL && r->verdict == NP_DROP;
}
