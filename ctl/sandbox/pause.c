/* pause.c - freeze, write down, tell the way in. */
#include "ctl/sandbox/sandbox_int.h"

#include "base/own.h"

enum { AUTO_PAUSE_AGAIN_MS = 10000 };

static enum step_rc
hold(void *obj, struct err *e)
{
	(void)e;
	/* Requests that come now wait for what becomes of it. */
	way_in_set(obj, SB_PAUSING);
	return STEP_DONE;
}

static void
let_go(void *obj)
{
	way_in_set(obj, SB_RUNNING);
}

static enum step_rc
store(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	int64_t end = sb->r.end_ms;

	sb->r.end_ms = wall_ms(); /* a paused one shows when it was paused */
	if (sandbox_save(sb, SB_PAUSED, "paused", "sandbox paused", e) == 0)
		return STEP_DONE;
	sb->r.end_ms = end;
	return STEP_FAIL;
}

static enum step_rc
route(void *obj, struct err *e)
{
	(void)e;
	way_in_set(obj, SB_PAUSED);
	return STEP_DONE;
}

static const struct step pause_steps[] = {
	{ "route", hold, let_go },
	{ "freeze", step_freeze, undo_freeze },
	{ "store", store, NULL },
	{ "route", route, NULL },
};

void
pause_begin(struct sandbox *sb)
{
	deadline_none(sb);
	sandbox_plan(sb, pause_steps, countof(pause_steps));
}

/* It runs: resumed, or it could not be paused. */
void
run_again(struct sandbox *sb, const struct err *e)
{
	init_stop(sb);
	if (e != NULL && sb->r.end_ms <= wall_ms())
		deadline_in(sb, AUTO_PAUSE_AGAIN_MS);
	else
		deadline_from_end(sb);
}
