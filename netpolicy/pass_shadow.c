#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "pass.h"
#include "sweep.h"

struct marks {
	const struct np_rule *first;
	bool *used;
};

static int
mark(void *arg, struct np_range range, const struct np_rule *r, struct err *e)
{
	struct marks *m = arg;

	(void)range;
	(void)e;
	m->used[r - m->first] = true;
	return 0;
}

int
np_rules_used(const struct np_ir *ir, bool *used, struct err *e)
{
	struct marks m = { ir->v, used };

	memset(used, 0, ir->n * sizeof(*used));
	if (np_sweep(ir, NP_V4, mark, &m, e) < 0)
		return -1;
	return np_sweep(ir, NP_V6, mark, &m, e);
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
