#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pass.h"
#include "sweep.h"

struct marks {
	const struct np_rule *first;
	bool *used;
	const struct np_rule *ports; /* the first; NULL: none */
	bool asked[2];		     /* do they decide for any address? */
};

static int
mark(void *arg, struct np_range range, const struct np_rule *r, struct err *e)
{
	struct marks *m = arg;

	(void)range;
	(void)e;
	m->used[r - m->first] = true;
	/* Whoever gets as far as r has passed by the rules for ports. */
	if (m->ports != NULL && r > m->ports)
		m->asked[r->family == NP_V6] = true;
	return 0;
}

/* An earlier rule says the same of at least these ports. */
static bool
said_before(const struct np_ir *ir, size_t at)
{
	const struct np_rule *r = &ir->v[at];

	for (size_t i = 0; i < at; i++) {
		const struct np_rule *x = &ir->v[i];

		if (x->origin.src == NP_SRC_PORTS && x->family == r->family &&
		    x->proto == r->proto && x->port_lo <= r->port_lo &&
		    r->port_hi <= x->port_hi)
			return true;
	}
	return false;
}

int
np_rules_used(const struct np_ir *ir, bool *used, struct err *e)
{
	struct marks m = { .first = ir->v, .used = used };

	memset(used, 0, ir->n * sizeof(*used));
	for (size_t i = ir->n; i > 0; i--)
		if (ir->v[i - 1].origin.src == NP_SRC_PORTS)
			m.ports = &ir->v[i - 1];
	if (np_sweep(ir, NP_V4, mark, &m, e) < 0 ||
	    np_sweep(ir, NP_V6, mark, &m, e) < 0)
		return -1;
	for (size_t i = 0; i < ir->n; i++)
		if (ir->v[i].origin.src == NP_SRC_PORTS)
			used[i] = m.asked[ir->v[i].family == NP_V6] &&
				  !said_before(ir, i);
	return 0;
}

int
np_pass_shadow(struct np_ir *ir, struct err *e)
{
	autofree bool *used = calloc(ir->n + 1, sizeof(*used));
	const size_t before = ir->n;
	size_t out = 0;

	if (used == NULL)
		return err_sys(e, "%zu rules", ir->n);
	if (np_rules_used(ir, used, e) < 0)
		return -1;
	for (size_t i = 0; i < before; i++)
		if (used[i])
			ir->v[out++] = ir->v[i];
	ir->n = out;
	return (int)(before - out);
}
