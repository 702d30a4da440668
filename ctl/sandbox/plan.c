#include "ctl/sandbox/plan.h"

void
plan_init(struct plan *p, const struct step *steps, size_t nsteps)
{
	*p = (struct plan){ .steps = steps, .nsteps = nsteps };
}

static void
fail(struct plan *p, const struct err *e)
{
	if (!p->undoing) {
		p->err = *e;
		err_wrap(&p->err, "%s", p->steps[p->at].name);
	}
	p->undoing = true;
}

enum step_rc
plan_run(struct plan *p, void *obj)
{
	while (!p->undoing && p->at < p->nsteps) {
		const struct step *s = &p->steps[p->at];
		struct err e = { .kind = ERR_NONE };

		switch (s->run(obj, &e)) {
		case STEP_PENDING:
			p->waiting = true;
			return STEP_PENDING;
		case STEP_DONE:
			p->at++;
			break;
		case STEP_FAIL:
			fail(p, &e);
			break;
		}
	}
	while (p->undoing && p->at > 0) {
		const struct step *s = &p->steps[--p->at];

		if (s->undo != NULL)
			s->undo(obj);
	}
	return p->undoing ? STEP_FAIL : STEP_DONE;
}

enum step_rc
plan_resume(struct plan *p, void *obj, const struct err *e)
{
	p->waiting = false;
	if (e != NULL)
		fail(p, e);
	else
		p->at++; /* done, so there is something to undo */
	return plan_run(p, obj);
}

void
plan_cancel(struct plan *p, const struct err *e)
{
	if (!p->undoing)
		p->err = *e;
	p->undoing = true;
}
