#include "ir.h"

#include <stdio.h>

/* The first that matches decides.  Everything else asks this, or equals it. */
const struct np_rule *
np_judge(const struct np_ir *ir, struct np_addr to)
{
	for (size_t i = 0; i < ir->n; i++) {
		const struct np_rule *r = &ir->v[i];

		if (r->family == to.family && r->to.lo <= to.n &&
		    to.n <= r->to.hi)
			return r;
	}
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
