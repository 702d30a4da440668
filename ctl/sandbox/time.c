/* time.c - when a sandbox ends, and what happens then. */
#include "ctl/sandbox/sandbox_int.h"

#include <string.h>

#include "base/own.h"
#include "io/log.h"

/* The timer is looked at anew at least so often: a suspended host. */
enum { TIMER_MAX_MS = 1000 };

static void
arm(struct engine *en)
{
	struct mono first, now = mono_now();
	uint64_t ms;

	if (!deadline_first(&en->deadlines, &first)) {
		loop_timer_stop(&en->timer);
		return;
	}
	/* Rounded up: a millisecond early would be a turn for nothing. */
	ms = first.ns > now.ns ? (first.ns - now.ns + 999999) / 1000000 : 0;
	loop_timer_start(
	    en->loop, &en->timer, ms < TIMER_MAX_MS ? ms : TIMER_MAX_MS);
}

static void
expire(struct sandbox *sb)
{
	struct err e;

	if (sb->r.state != SB_RUNNING || sb->busy)
		return;
	if (!sb->r.pause_on_timeout) {
		sandbox_kill(sb, "timeout");
		return;
	}
	if (sandbox_event(sb, EV_PAUSE, &e) == 0)
		pause_begin(sb, !sb->r.pause_files_only);
}

static void
on_timer(struct loop_timer *w)
{
	struct engine *en = container_of(w, struct engine, timer);
	struct deadline *d;

	while ((d = deadline_due(&en->deadlines, mono_now())) != NULL)
		expire(container_of(d, struct sandbox, deadline));
	arm(en);
}

void
time_init(struct engine *en)
{
	en->timer.on_time = on_timer;
}

void
deadline_in(struct sandbox *sb, uint64_t ms)
{
	struct engine *en = sb->en;
	struct err e;

	if (deadline_set(&en->deadlines, &sb->deadline,
		mono_after_ms(mono_now(), ms), &e) < 0)
		log_error("deadline sbx=%s err=\"%s\"", sb->r.id, e.msg);
	arm(en);
}

void
deadline_from_end(struct sandbox *sb)
{
	int64_t left = sb->r.end_ms - wall_ms();

	deadline_in(sb, left > 0 ? (uint64_t)left : 0);
}

void
deadline_none(struct sandbox *sb)
{
	deadline_clear(&sb->en->deadlines, &sb->deadline);
}

static int
move_end(struct sandbox *sb, int64_t end, struct err *e)
{
	int64_t old = sb->r.end_ms;

	if (end == old)
		return 0;
	sb->r.end_ms = end;
	if (sandbox_save(
		sb, sb->r.state, "updated", "sandbox timeout changed", e) < 0) {
		sb->r.end_ms = old;
		return -1;
	}
	sandbox_touch(sb);
	deadline_from_end(sb);
	return 0;
}

/* Where a life of so many more seconds ends; the whole has a limit. */
static int
end_after(struct sandbox *sb, uint64_t s, int64_t *end, struct err *e)
{
	int64_t now = wall_ms();
	int64_t last = sb->r.started_ms + (int64_t)sb->en->cf.max_life_s * 1000;

	if (now > last)
		return err_set(e, ERR_INVALID,
		    "Sandbox \"%s\" has lived its %llu hours already", sb->r.id,
		    (unsigned long long)(sb->en->cf.max_life_s / 3600));
	*end = now + (int64_t)s * 1000;
	if (*end > last)
		*end = last;
	return 0;
}

int
time_set(struct sandbox *sb, uint64_t s, struct err *e)
{
	int64_t end;

	if (end_after(sb, s, &end, e) < 0)
		return -1;
	return move_end(sb, end, e);
}

int
time_extend(struct sandbox *sb, uint64_t s, struct err *e)
{
	int64_t end;

	if (end_after(sb, s, &end, e) < 0)
		return -1;
	return end > sb->r.end_ms ? move_end(sb, end, e) : 0;
}
