/* Whichever step fails, nothing is left behind; also when told late. */
#include "ctl/sandbox/plan.h"

#include <string.h>

#include "tests/t.h"

enum { NSTEPS = 4 };

struct world {
	int live, fail_at, wait_at, nth;
};

static enum step_rc
make(void *obj, struct err *e)
{
	struct world *w = obj;
	int nth = w->nth++;

	if (nth == w->fail_at) {
		err_set(e, ERR_SYS, "told to fail");
		return STEP_FAIL;
	}
	if (nth == w->wait_at)
		return STEP_PENDING;
	w->live++;
	return STEP_DONE;
}

static void
unmake(void *obj)
{
	struct world *w = obj;

	w->live--;
}

static const struct step steps[NSTEPS] = {
	{ "address", make, unmake },
	{ "link", make, unmake },
	{ "rules", make, unmake },
	{ "spawn", make, unmake },
};

static void
fail_each(void)
{
	for (int k = 0; k < NSTEPS; k++) {
		struct world w = { .fail_at = k, .wait_at = -1 };
		struct plan p;

		plan_init(&p, steps, NSTEPS);
		CHECK(plan_run(&p, &w) == STEP_FAIL);
		CHECK(w.live == 0);
		CHECK(strstr(p.err.msg, steps[k].name) != NULL);
	}
}

static void
wait_each(void)
{
	struct err e;

	err_set(&e, ERR_SYS, "late");
	for (int k = 0; k < NSTEPS; k++) {
		struct world w = { .fail_at = -1, .wait_at = k };
		struct plan p;

		/* The answer comes and is good. */
		plan_init(&p, steps, NSTEPS);
		CHECK(plan_run(&p, &w) == STEP_PENDING);
		w.live++;
		CHECK(plan_resume(&p, &w, NULL) == STEP_DONE);
		CHECK(w.live == NSTEPS);

		/* It is bad. */
		w = (struct world){ .fail_at = -1, .wait_at = k };
		plan_init(&p, steps, NSTEPS);
		CHECK(plan_run(&p, &w) == STEP_PENDING);
		CHECK(plan_resume(&p, &w, &e) == STEP_FAIL);
		CHECK(w.live == 0);
		CHECK(strstr(p.err.msg, "late") != NULL);

		/* It is good, but nobody wants it any more. */
		w = (struct world){ .fail_at = -1, .wait_at = k };
		plan_init(&p, steps, NSTEPS);
		CHECK(plan_run(&p, &w) == STEP_PENDING);
		plan_cancel(&p, &e);
		CHECK(w.live == k);
		w.live++;
		CHECK(plan_resume(&p, &w, NULL) == STEP_FAIL);
		CHECK(w.live == 0);
	}
}

int
main(void)
{
	struct world w = { .fail_at = -1, .wait_at = -1 };
	struct plan p;

	fail_each();
	wait_each();
	plan_init(&p, steps, NSTEPS);
	CHECK(plan_run(&p, &w) == STEP_DONE);
	CHECK(w.live == NSTEPS);
	return t_end();
}
