#include "ctl/sandbox/judge.h"

#include <netinet/in.h>
#include <string.h>

#include "ctl/sandbox/policy.h"

enum { DNS = 53 };

int
judge_init(struct sb_judge *j, const struct sb_net *net,
    const struct np_site *site, struct err *e)
{
	struct np_policy p;
	int rc = sb_net_policy(net, &p, e);

	j->ir = (struct np_ir){ 0 };
	if (rc == 0) {
		rc = np_lower(&p, site, &j->ir, e);
		np_policy_fini(&p);
	}
	if (rc < 0)
		np_ir_fini(&j->ir);
	return rc;
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

static bool
is(struct np_addr a, struct np_addr b)
{
	return b.n != 0 && a.n == b.n && a.family == b.family;
}

const struct np_rule *
judge(const struct sb_judge *j, const struct sb_flow *f)
{
	const struct np_flow flow = { judge_addr(f), f->port, f->proto };

	if (f->port == DNS &&
	    (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) &&
	    (is(flow.to, j->resolver4) || is(flow.to, j->resolver6)))
		return NULL;
	return np_judge(&j->ir, &flow);
}

bool
judge_denies(const struct sb_judge *j, const struct sb_flow *f)
{
	const struct np_rule *r = judge(j, f);

	return r != NULL && r->verdict == NP_DROP;
}
