/* pause.c - freeze, write down, tell the way in. */
#include "ctl/sandbox/sandbox_int.h"

#include "base/own.h"
#include "io/log.h"

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

/* The row knew the slot; now there is none. */
static enum step_rc
store_files_only(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	/* It is paused either way: the next start finds out the rest. */
	if (sandbox_save(sb, SB_PAUSED, NULL, NULL, e) < 0)
		log_error("pause.store sbx=%s err=\"%s\"", sb->r.id, e->msg);
	return STEP_DONE;
}

static const struct step pause_steps[] = {
	{ "route", hold, let_go },
	{ "freeze", step_freeze, undo_freeze },
	{ "store", store, NULL },
	{ "route", route, NULL },
};

/*
 * Without memory: first as with it, so that until the row says paused there
 * is a way back, and no way to lose the files.
 */
static const struct step files_only_steps[] = {
	{ "route", hold, let_go },
	{ "freeze", step_freeze, undo_freeze },
	{ "store", store, NULL },
	{ "processes", step_drop, NULL },
	{ "store", store_files_only, NULL },
	{ "route", route, NULL },
};

void
pause_begin(struct sandbox *sb, bool memory)
{
	deadline_none(sb);
	if (memory)
		sandbox_plan(sb, pause_steps, countof(pause_steps));
	else
		sandbox_plan(sb, files_only_steps, countof(files_only_steps));
}

/* It runs: resumed, or it could not be paused. */
void
run_again(struct sandbox *sb, const struct err *e)
{
	init_stop(sb);
	logs_begin(sb, false);
	if (e != NULL && sb->r.end_ms <= wall_ms())
		deadline_in(sb, AUTO_PAUSE_AGAIN_MS);
	else
		deadline_from_end(sb);
}
