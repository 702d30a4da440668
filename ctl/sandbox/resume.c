/*
 * resume.c - thaw; or, when there are only files (a reboot of the host, a
 * pause without memory), stand up new processes on them.
 */
#include "ctl/sandbox/sandbox_int.h"

#include "base/own.h"
#include "io/log.h"

static enum step_rc
store(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	struct store *st = sb->en->store;
	struct sb_record row;

	sb->r.started_ms = wall_ms();
	sb->r.end_ms = sb->r.started_ms + (int64_t)sb->resume_timeout_s * 1000;
	row = sb->r;
	row.state = SB_RUNNING;
	if (store_begin(st, e) < 0)
		return STEP_FAIL;
	if (store_update(st, &row, e) < 0 ||
	    store_update_net(st, &row, e) < 0 ||
	    sandbox_note(sb, "resumed", "sandbox resumed", NULL, e) < 0) {
		store_rollback(st);
		return STEP_FAIL;
	}
	return store_commit(st, e) < 0 ? STEP_FAIL : STEP_DONE;
}

static enum step_rc
route(void *obj, struct err *e)
{
	(void)e;
	way_in_set(obj, SB_RUNNING);
	return STEP_DONE;
}

static enum step_rc
policy(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	return sb_policy_load(&sb->r.net, &sb->policy, e) < 0 ? STEP_FAIL
							      : STEP_DONE;
}

static void
unload(void *obj)
{
	struct sandbox *sb = obj;

	sb_policy_fini(&sb->policy);
}

static const struct step warm_steps[] = {
	{ "thaw", step_thaw, undo_thaw },
	{ "store", store, NULL },
	{ "route", route, NULL },
};

static const struct step cold_steps[] = {
	{ "old processes", step_drop, NULL },
	{ "policy", policy, unload },
	{ "slot", step_slot, undo_slot_kept },
	{ "rules", step_rules, NULL },
	{ "processes", step_spawn_kept, NULL },
	{ "envd", step_init, NULL },
	{ "start", step_start, NULL },
	{ "store", store, NULL },
	{ "route", route, NULL },
};

void
resume_begin(struct sandbox *sb, uint64_t timeout_s, bool memory)
{
	sb->resume_timeout_s = timeout_s;
	sb->resume_started_ms = sb->r.started_ms;
	sb->resume_end_ms = sb->r.end_ms;
	if (memory && sb->r.slot.slot != 0) {
		sandbox_plan(sb, warm_steps, countof(warm_steps));
		return;
	}
	metrics_restart(&sb->metrics, (uint64_t)wall_ms() * 1000);
	sandbox_plan(sb, cold_steps, countof(cold_steps));
}

/* Paused as before. */
void
resume_failed(struct sandbox *sb)
{
	struct err e;

	init_stop(sb);
	sb->r.started_ms = sb->resume_started_ms;
	sb->r.end_ms = sb->resume_end_ms;
	/* The slot may have gone on the way. */
	if (sandbox_save(sb, SB_PAUSED, NULL, NULL, &e) < 0)
		log_error("resume.store sbx=%s err=\"%s\"", sb->r.id, e.msg);
	way_in_set(sb, SB_PAUSED);
}
