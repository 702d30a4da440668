/* lifecycle.c - events, plans and those who wait for them. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

/* A connect may meet a pause, a resume and a pause again, but not for ever. */
enum { WAIT_ROUNDS_MAX = 3 };

void
sandbox_touch(struct sandbox *sb)
{
	free(sb->cache.text);
	sb->cache = (struct sb_cache){ 0 };
}

static void
count(struct engine *en, enum sb_state s, uint32_t by)
{
	if (s == SB_RUNNING)
		en->nrunning += by;
	if (s == SB_PAUSED)
		en->npaused += by;
}

int
sandbox_event(struct sandbox *sb, enum sb_event ev, struct err *e)
{
	enum sb_state from = sb->r.state, to = fsm_next(from, ev);

	if (to == SB_NONE)
		return err_set(e, ERR_CONFLICT, "sandbox %s is %s: cannot %s",
		    sb->r.id, fsm_state_name(from), fsm_event_name(ev));
	if (to == from) {
		sb->kill_later = sb->kill_later || ev == EV_KILL;
		sb->died = sb->died || ev == EV_DEAD;
		return 0;
	}
	count(sb->en, from, (uint32_t)-1);
	count(sb->en, to, 1);
	sb->r.state = to;
	sandbox_touch(sb);
	log_info("sandbox.state sbx=%s from=%s to=%s because=%s", sb->r.id,
	    fsm_state_name(from), fsm_state_name(to), fsm_event_name(ev));
	return 0;
}

/* --- what happened
 * ----------------------------------------------------------*/

int
sandbox_note(struct sandbox *sb, const char *what, const char *message,
    const char *data, struct err *e)
{
	char type[64];
	struct store_event ev = {
		.at_ms = wall_ms(),
		.sandbox_id = sb->r.id,
		.type = type,
		.template_id = sb->r.template_id,
		.build_id = sb->r.build_id,
		.level = "info",
		.message = message,
		.data = data,
	};

	(void)snprintf(type, sizeof(type), "sandbox.lifecycle.%s", what);
	return store_event_add(sb->en->store, &ev, e);
}

int
sandbox_save(struct sandbox *sb, enum sb_state state, const char *what,
    const char *message, struct err *e)
{
	struct store *st = sb->en->store;
	struct sb_record row = sb->r; /* borrows what it owns */

	row.state = state;
	if (store_begin(st, e) < 0)
		return -1;
	if (store_update(st, &row, e) < 0 ||
	    (what != NULL && sandbox_note(sb, what, message, NULL, e) < 0)) {
		store_rollback(st);
		return -1;
	}
	return store_commit(st, e);
}

/* --- those who wait
 * ----------------------------------------------------------*/

void
wait_answer(
    struct sb_wait *w, struct sandbox *sb, const struct err *e, bool resumed)
{
	struct sb_answer a = { .sb = sb, .resumed = resumed };

	if (e != NULL)
		a.err = *e;
	if (sb != NULL && e == NULL)
		a.gen = sb->r.gen;
	w->call.done(w->call.ctx, &a);
	free(w);
}

void
wait_add(struct sandbox *sb, struct sb_wait *w)
{
	w->next = NULL;
	w->rounds++;
	*sb->wait_tail = w;
	sb->wait_tail = &w->next;
}

static struct sb_wait *
waits_take(struct sandbox *sb)
{
	struct sb_wait *w = sb->waits;

	sb->waits = NULL;
	sb->wait_tail = &sb->waits;
	return w;
}

static void
wait_again(struct engine *en, struct sb_ref ref, struct sb_wait *w,
    const struct err *e)
{
	struct sandbox *sb = registry_get(en, ref);
	struct err gone;

	if (sb == NULL) {
		sb_not_found(w->id, &gone);
		wait_answer(w, NULL,
		    w->call.op == OP_KILL && w->began ? NULL : &gone, false);
	} else if (e != NULL && (w->began || w->joined)) {
		wait_answer(w, sb, e, false);
	} else if (w->rounds > WAIT_ROUNDS_MAX) {
		err_set(&gone, ERR_CONFLICT,
		    "Sandbox \"%s\" keeps changing: try again", w->id);
		wait_answer(w, sb, &gone, false);
	} else {
		call_try(sb, w);
	}
}

/* Asks again, for everybody; the plan under way has ended, badly if e. */
static void
waits_again(struct engine *en, struct sb_ref ref, struct sb_wait *all,
    const struct err *e)
{
	while (all != NULL) {
		struct sb_wait *w = all;

		all = w->next;
		wait_again(en, ref, w, e);
	}
}

/* --- plans
 * --------------------------------------------------------------------*/

/* What came while the plan kept it from being acted upon. */
static void
after_plan(struct sandbox *sb)
{
	bool died = sb->died, kill = sb->kill_later;

	if (sb->busy || (sb->r.state != SB_RUNNING &&
			    sb->r.state != SB_PAUSED && sb->r.state != SB_WARM))
		return;
	sb->died = sb->kill_later = false;
	if (died)
		sandbox_die(sb);
	else if (kill)
		sandbox_kill(sb, sb->kill_reason);
}

static void
plan_over(struct sandbox *sb, enum step_rc rc)
{
	struct engine *en = sb->en;
	struct sb_ref ref = sb->ref;
	enum sb_state from = sb->r.state;
	struct err why = sb->plan.err, ignored;
	const struct err *e = rc == STEP_FAIL ? &why : NULL;
	struct sb_wait *all = waits_take(sb);

	sb->busy = false;
	if (e != NULL)
		log_warn("sandbox.plan sbx=%s state=%s err=\"%s\"", sb->r.id,
		    fsm_state_name(from), why.msg);
	(void)sandbox_event(sb, e == NULL ? EV_READY : EV_FAILED, &ignored);
	if (from == SB_WARMING)
		pool_over(sb, e);
	else if (from == SB_CREATING)
		create_over(sb, e);
	else if (sb->r.state == SB_RUNNING)
		run_again(sb, e);
	else if (sb->r.state == SB_PAUSED && from == SB_RESUMING)
		resume_failed(sb);
	if (sb->r.state == SB_GONE)
		sandbox_gone(sb);
	else
		after_plan(sb);
	waits_again(en, ref, all, e);
}

void
sandbox_plan(struct sandbox *sb, const struct step *steps, size_t n)
{
	enum step_rc rc;

	plan_init(&sb->plan, steps, n);
	sb->busy = true;
	rc = plan_run(&sb->plan, sb);
	if (rc != STEP_PENDING)
		plan_over(sb, rc);
}

void
sandbox_step_over(struct sandbox *sb, const struct err *e)
{
	enum step_rc rc;

	if (!sb->busy || !sb->plan.waiting)
		return;
	rc = plan_resume(&sb->plan, sb, e);
	if (rc != STEP_PENDING)
		plan_over(sb, rc);
}

void
sandbox_gone(struct sandbox *sb)
{
	network_end(sb);
	registry_remove(sb);
}

void
sandbox_die(struct sandbox *sb)
{
	struct err e;

	log_info("sandbox.died sbx=%s state=%s", sb->r.id,
	    fsm_state_name(sb->r.state));
	if (sb->r.state == SB_WARM)
		pool_died(sb);
	if (sandbox_event(sb, EV_DEAD, &e) < 0)
		return;
	if (sb->r.state == SB_KILLING && !sb->busy) {
		sb->kill_reason = "unknown";
		kill_begin(sb);
	} else if (sb->busy &&
		   (sb->r.state == SB_WARMING || sb->r.state == SB_CREATING ||
		       sb->r.state == SB_RESUMING)) {
		err_set(&e, ERR_SYS, "its init ended");
		plan_cancel(&sb->plan, &e);
	}
}

void
sandbox_kill(struct sandbox *sb, const char *reason)
{
	struct err e;

	sb->kill_reason = reason;
	if (sb->r.state == SB_KILLING || sandbox_event(sb, EV_KILL, &e) < 0)
		return;
	if (sb->r.state == SB_KILLING)
		kill_begin(sb);
}
