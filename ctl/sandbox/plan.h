/*
 * plan.h - do and undo steps that may have to wait.
 *
 * A step that fails has cleaned up after itself.  Undo cannot fail and does
 * not wait: it posts its message; what still did not go, reclaim.c finds.
 */
#ifndef SANDBOX_PLAN_H
#define SANDBOX_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum step_rc { STEP_DONE, STEP_PENDING, STEP_FAIL };

struct step {
	const char *name;
	enum step_rc (*run)(void *obj, struct err *e);
	void (*undo)(void *obj); /* NULL: nothing to take back */
};

struct plan {
	const struct step *steps;
	size_t nsteps, at;
	bool waiting; /* step `at` said STEP_PENDING */
	bool undoing;
	struct err err; /* why, when undoing */
};

void plan_init(struct plan *p, const struct step *steps, size_t nsteps);
/* Until a step waits (PENDING), all are done, or all are undone (FAIL). */
enum step_rc plan_run(struct plan *p, void *obj);
/* The step that waited is over: well if e is NULL, else it failed. */
enum step_rc plan_resume(struct plan *p, void *obj, const struct err *e);
/*
 * Give up.  If a step waits, the way back starts with its late answer; the
 * first reason stays.
 */
void plan_cancel(struct plan *p, const struct err *e);

#endif
