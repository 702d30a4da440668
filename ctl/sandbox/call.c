/* call.c - what may be asked of a sandbox that exists, in each state. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

int
sb_not_found(const char *id, struct err *e)
{
	return err_set(e, ERR_NOTFOUND,
	    "Sandbox \"%s\" doesn't exist or you don't have access to it", id);
}

static const char *
doing(enum sb_state s)
{
	switch (s) {
	case SB_PAUSING:
		return "being paused";
	case SB_RESUMING:
		return "being resumed";
	case SB_KILLING:
		return "being killed";
	case SB_RUNNING:
		return "already running";
	case SB_PAUSED:
		return "already paused";
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_GONE:
	case SB_NSTATES:
		break;
	}
	return "in another state";
}

int
sb_busy(const struct sandbox *sb, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "Sandbox \"%s\" is %s", sb->r.id,
	    doing(sb->r.state));
}

static void
refuse(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;

	sb_busy(sb, &e);
	wait_answer(w, sb, &e, false);
}

static void
missing(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;

	sb_not_found(sb->r.id, &e);
	wait_answer(w, NULL, &e, false);
}

/* --- kill
 * ------------------------------------------------------------------------*/

static void
try_kill(struct sandbox *sb, struct sb_wait *w)
{
	switch (sb->r.state) {
	case SB_RUNNING:
	case SB_PAUSED:
		w->began = true;
		wait_add(sb, w);
		sandbox_kill(sb, "request");
		break;
	case SB_PAUSING:
		wait_add(sb, w);
		break;
	case SB_RESUMING:
		refuse(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_KILLING:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

/* --- pause
 * -----------------------------------------------------------------------*/

static void
begin_pause(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;

	if (sandbox_event(sb, EV_PAUSE, &e) < 0) {
		wait_answer(w, sb, &e, false);
		return;
	}
	w->began = true;
	wait_add(sb, w);
	pause_begin(sb, !w->call.no_memory);
}

static void
try_pause(struct sandbox *sb, struct sb_wait *w)
{
	switch (sb->r.state) {
	case SB_RUNNING:
		begin_pause(sb, w);
		break;
	case SB_PAUSING:
		w->joined = true;
		wait_add(sb, w);
		break;
	case SB_PAUSED:
		if (w->began || w->joined)
			wait_answer(w, sb, NULL, false);
		else
			refuse(sb, w);
		break;
	case SB_RESUMING:
		wait_add(sb, w);
		break;
	case SB_KILLING:
		if (w->began || w->joined)
			missing(sb, w);
		else
			refuse(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

/* --- connect and resume
 * -------------------------------------------------------------*/

static void
begin_resume(struct sandbox *sb, struct sb_wait *w)
{
	uint64_t timeout_s = w->call.timeout_s;
	const char *code;
	struct err e;

	if ((sb->r.slot.slot == 0 && capacity_check(sb->en, &code, &e) < 0) ||
	    sandbox_event(sb, EV_RESUME, &e) < 0) {
		wait_answer(w, sb, &e, false);
		return;
	}
	if (w->call.op == OP_RESUME && w->call.auto_pause != SB_UNSAID)
		sb->r.pause_on_timeout = w->call.auto_pause == SB_YES;
	w->began = true;
	wait_add(sb, w);
	resume_begin(sb, timeout_s, !w->call.no_memory);
}

/* Never shortens. */
static void
extend(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;

	if (time_extend(sb, w->call.timeout_s, &e) < 0)
		wait_answer(w, sb, &e, false);
	else
		wait_answer(w, sb, NULL, false);
}

static void
try_connect(struct sandbox *sb, struct sb_wait *w)
{
	switch (sb->r.state) {
	case SB_RUNNING:
		if (w->began)
			wait_answer(w, sb, NULL, true);
		else
			extend(sb, w);
		break;
	case SB_PAUSED:
		begin_resume(sb, w);
		break;
	case SB_RESUMING:
		w->joined = true;
		wait_add(sb, w);
		break;
	case SB_PAUSING:
		wait_add(sb, w);
		break;
	case SB_KILLING:
		refuse(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

static void
try_resume(struct sandbox *sb, struct sb_wait *w)
{
	switch (sb->r.state) {
	case SB_RUNNING:
		if (w->began || w->joined)
			wait_answer(w, sb, NULL, true);
		else
			refuse(sb, w);
		break;
	case SB_PAUSED:
		begin_resume(sb, w);
		break;
	case SB_RESUMING:
		w->joined = true;
		wait_add(sb, w);
		break;
	case SB_PAUSING:
		wait_add(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_KILLING:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

/* --- wake
 * ---------------------------------------------------------------------------*/

/* Traffic wakes what has its memory, and nothing else. */
static void
begin_wake(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;

	if (sb->r.auto_resume && sb->r.slot.slot != 0) {
		begin_resume(sb, w);
		return;
	}
	sb_not_found(sb->r.id, &e);
	wait_answer(w, sb, &e, false);
}

static void
try_wake(struct sandbox *sb, struct sb_wait *w)
{
	switch (sb->r.state) {
	case SB_RUNNING:
		wait_answer(w, sb, NULL, w->began);
		break;
	case SB_PAUSED:
		begin_wake(sb, w);
		break;
	case SB_RESUMING:
		w->joined = true;
		wait_add(sb, w);
		break;
	case SB_PAUSING:
		wait_add(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_KILLING:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

/* --- time
 * ---------------------------------------------------------------------------*/

static void
try_time(struct sandbox *sb, struct sb_wait *w)
{
	struct err e;
	int rc;

	switch (sb->r.state) {
	case SB_RUNNING:
		rc = w->call.op == OP_TIMEOUT
			 ? time_set(sb, w->call.timeout_s, &e)
			 : time_extend(sb, w->call.timeout_s, &e);
		wait_answer(w, sb, rc < 0 ? &e : NULL, false);
		break;
	case SB_PAUSING:
	case SB_RESUMING:
	case SB_KILLING:
		refuse(sb, w);
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_PAUSED:
	case SB_GONE:
	case SB_NSTATES:
		missing(sb, w);
		break;
	}
}

void
call_try(struct sandbox *sb, struct sb_wait *w)
{
	static void (*const try[])(struct sandbox *, struct sb_wait *) = {
		[OP_KILL] = try_kill,
		[OP_PAUSE] = try_pause,
		[OP_CONNECT] = try_connect,
		[OP_RESUME] = try_resume,
		[OP_TIMEOUT] = try_time,
		[OP_REFRESH] = try_time,
		[OP_WAKE] = try_wake,
	};

	try[w->call.op](sb, w);
}

void
engine_call(struct engine *en, const char *id, const struct sb_call *c)
{
	struct sandbox *sb = registry_by_id(en, id);
	struct sb_answer a = { .sb = NULL };
	struct sb_wait *w;

	pool_busy(en);
	if (sb == NULL) {
		sb_not_found(id, &a.err);
		c->done(c->ctx, &a);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL) {
		err_sys(&a.err, "request");
		c->done(c->ctx, &a);
		return;
	}
	w->call = *c;
	(void)snprintf(w->id, sizeof(w->id), "%s", id);
	call_try(sb, w);
}
