#include "ir.h"

#include <stdio.h>

static bool
matches(const struct np_rule *r, const struct np_flow *f)
{
	if (r->family != f->to.family || f->to.n < r->to.lo ||
	    f->to.n > r->to.hi)
		return false;
	return r->origin.src != NP_SRC_PORTS ||
	       (f->proto == r->proto && r->port_lo <= f->port &&
		   f->port <= r->port_hi);
}

/* The first that matches decides.  Everything else asks this, or equals it. */
const struct np_rule *
np_judge(const struct np_ir *ir, const struct np_flow *flow)
{
	for (size_t i = 0; i < ir->n; i++)
		if (matches(&ir->v[i], flow))
			return &ir->v[i];
	return NULL; /* lowering always ends with a rule for everything */
}

const char *
np_origin_text(
    struct np_origin o, const struct np_site *s, char to[NP_ORIGIN_TEXT])
{
	const struct np_site_range *r = NULL;

	switch (o.src) {
	case NP_SRC_SITE:
		if (s != NULL && o.item < s->n)
			r = &s->v[o.item];
		if (r != NULL && r->src == NP_SITE_OPERATOR)
			(void)snprintf(
			    to, NP_ORIGIN_TEXT, "coppiced.conf:%u", r->line);
		else
			(void)snprintf(to, NP_ORIGIN_TEXT, "built in");
		break;
	case NP_SRC_ALLOW:
		(void)snprintf(
		    to, NP_ORIGIN_TEXT, "/network/allowOut/%u", o.item);
		break;
	case NP_SRC_PORTS:
		(void)snprintf(to, NP_ORIGIN_TEXT, "/network/ports/%u", o.item);
		break;
	case NP_SRC_DENY:
		(void)snprintf(
		    to, NP_ORIGIN_TEXT, "/network/denyOut/%u", o.item);
		break;
	case NP_SRC_NOINTERNET:
		(void)snprintf(to, NP_ORIGIN_TEXT, "/allow_internet_access");
		break;
	case NP_SRC_DEFAULT:
		(void)snprintf(to, NP_ORIGIN_TEXT, "nothing denies it");
		break;
	case NP_SRC_NSRC:
		(void)snprintf(to, NP_ORIGIN_TEXT, "unknown");
		break;
	}
	return to;
}
