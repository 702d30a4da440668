#include "spawn_int.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum {
	FREEZE_SPIN_US = 400, /* most stand by then, and a timer costs more */
	FREEZE_RETRY_MS = 1,
	MEMORY_LEAST_MB = 16,
	CPUS_MOST = 1024,
	PIDS_LEAST = 16,
};

/* --- create --------------------------------------------------------------- */

static bool
id_ok(const char *id, size_t room)
{
	const size_t n = strnlen(id, room);

	return n > 0 && n < room &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static int
check_create(
    const struct spawn *sp, const struct spawn_create *c, struct err *e)
{
	const struct {
		const char *name;
		uint32_t value, least, most;
	} ranges[] = {
		{ "cpu_count", c->cpu_count, 1, CPUS_MOST },
		{ "memory_mb", c->memory_mb, MEMORY_LEAST_MB, INT32_MAX },
		{ "disk_mb", c->disk_mb, 1, INT32_MAX },
		{ "pids_max", c->pids_max, PIDS_LEAST, INT32_MAX },
		{ "keep_disk", c->keep_disk, 0, 1 },
	};

	if (!id_ok(c->id, sizeof(c->id)))
		return err_set(e, ERR_INVALID, "id: not of [a-z0-9]");
	if (!id_ok(c->template_id, sizeof(c->template_id)))
		return err_set(e, ERR_INVALID, "template_id: not of [a-z0-9]");
	for (size_t i = 0; i < countof(ranges); i++)
		if (ranges[i].value < ranges[i].least ||
		    ranges[i].value > ranges[i].most)
			return err_set(e, ERR_INVALID, "%s: %u is not %u to %u",
			    ranges[i].name, ranges[i].value, ranges[i].least,
			    ranges[i].most);
	if (c->keep_disk && slot_user(sp, c->id) != NULL)
		return err_set(
		    e, ERR_CONFLICT, "files of %s are in use", c->id);
	return 0;
}

static void
settle(void *arg)
{
	const struct spawn *sp = arg;

	sub_settle(sp->sub);
}

void
op_create(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_create c;
	struct slot *sl;
	struct err e;

	(void)keep;
	memcpy(&c, body, sizeof(c));
	sl = slot_standing(sp, c.ref, &e);
	if (sl != NULL && sl->state != SLOT_READY) {
		err_set(&e, ERR_CONFLICT, "slot %u has a tenant already",
		    c.ref.slot);
		sl = NULL;
	}
	if (sl == NULL || check_create(sp, &c, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, &e, NULL, 0);
		return;
	}
	if (sub_begin(sp->sub, &sl->unit, &c, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, &e, NULL, 0);
		/* Half used: not to be had again. */
		slot_retire(sl);
		return;
	}
	memcpy(sl->id, c.id, sizeof(sl->id));
	memcpy(sl->template_id, c.template_id, sizeof(sl->template_id));
	/* Files that it had before are not lost with a start that fails. */
	sl->keep = c.keep_disk != 0;
	sl->state = SLOT_STARTING;
	sl->create_seq = seq;
	slot_await(sl, sl->unit.ctl);
	loop_defer(sp->loop, settle, sp);
}

/* --- kill, freeze, thaw, stats, discard ----------------------------------- */

void
op_kill(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_ref ref;
	struct slot *sl;
	struct err e;

	memcpy(&ref, body, sizeof(ref));
	sl = slot_standing(sp, ref, &e);
	if (sl != NULL && sl->state == SLOT_KILLING && sl->kill_seq != 0) {
		err_set(&e, ERR_CONFLICT, "slot %u is being killed", ref.slot);
		sl = NULL;
	}
	if (sl == NULL || (keep && sub_keep(sp->sub, sl->id, true, &e) < 0) ||
	    (sl->state != SLOT_KILLING && slot_end(sl, &e) < 0)) {
		spawn_reply(sp, &sp->apid, SPAWN_KILL, seq, &e, NULL, 0);
		return;
	}
	sl->keep = keep;
	sl->kill_seq = seq;
}

static void
stands_still(struct slot *sl)
{
	struct spawn *sp = sl->sp;
	struct err e;
	pid_t pid;

	sl->frozen = true;
	spawn_reply(sp, &sp->apid, SPAWN_FREEZE, sl->freeze_seq, NULL, NULL, 0);
	sl->freeze_seq = 0;
	if (helper_room(sp, &e) < 0 ||
	    sub_sync(sp->sub, sl->id, &pid, &e) < 0) {
		log_warn("sandbox.sync sbx=%s err=\"%s\"", sl->id, e.msg);
		return;
	}
	helper_add(sp, pid, HELPER_SYNC, sl->ref);
}

static void
freeze_failed(struct slot *sl, const struct err *e)
{
	struct spawn *sp = sl->sp;
	struct err why;

	if (sub_freeze(sp->sub, &sl->unit, false, &why) < 0)
		log_error("sandbox.thaw sbx=%s err=\"%s\"", sl->id, why.msg);
	spawn_reply(sp, &sp->apid, SPAWN_FREEZE, sl->freeze_seq, e, NULL, 0);
	sl->freeze_seq = 0;
}

static void
look_frozen(struct slot *sl, uint64_t spin_us)
{
	const struct mono start = mono_now();
	struct err e;
	int rc;

	/* Those that are to stand may need this very processor to get there. */
	while ((rc = sub_frozen(sl->sp->sub, &sl->unit, &e)) == 0 &&
	       mono_now().ns - start.ns < spin_us * 1000)
		(void)sched_yield();
	if (rc == 0 && mono_ms(sl->freeze_from, start) > SPAWN_FREEZE_MS)
		rc = err_set(&e, ERR_BUSY,
		    "a process of %s does not stand still", sl->id);
	if (rc > 0)
		stands_still(sl);
	else if (rc < 0)
		freeze_failed(sl, &e);
	else
		loop_timer_start(sl->sp->loop, &sl->freezing, FREEZE_RETRY_MS);
}

static void
on_freezing(struct loop_timer *w)
{
	look_frozen(container_of(w, struct slot, freezing), 0);
}

void
op_freeze(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_ref ref;
	struct slot *sl;
	struct err e;

	(void)keep;
	memcpy(&ref, body, sizeof(ref));
	sl = slot_of(sp, ref, &e);
	if (sl != NULL && sl->freeze_seq != 0) {
		err_set(&e, ERR_CONFLICT, "%s is being frozen", sl->id);
		sl = NULL;
	}
	if (sl == NULL ||
	    (!sl->frozen && sub_freeze(sp->sub, &sl->unit, true, &e) < 0)) {
		spawn_reply(sp, &sp->apid, SPAWN_FREEZE, seq, &e, NULL, 0);
		return;
	}
	if (sl->frozen) {
		spawn_reply(sp, &sp->apid, SPAWN_FREEZE, seq, NULL, NULL, 0);
		return;
	}
	sl->freeze_seq = seq;
	sl->freeze_from = mono_now();
	sl->freezing.on_time = on_freezing;
	look_frozen(sl, FREEZE_SPIN_US);
}

void
op_thaw(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_ref ref;
	struct slot *sl;
	struct err e;

	(void)keep;
	memcpy(&ref, body, sizeof(ref));
	sl = slot_of(sp, ref, &e);
	if (sl != NULL && sl->freeze_seq != 0) {
		err_set(&e, ERR_CONFLICT, "%s is being frozen", sl->id);
		sl = NULL;
	}
	/* From here on its files change again. */
	if (sl == NULL ||
	    (sl->marked && sub_keep(sp->sub, sl->id, false, &e) < 0) ||
	    sub_freeze(sp->sub, &sl->unit, false, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_THAW, seq, &e, NULL, 0);
		return;
	}
	sl->frozen = sl->marked = false;
	spawn_reply(sp, &sp->apid, SPAWN_THAW, seq, NULL, NULL, 0);
}

void
op_stats(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_stats stats;
	struct spawn_ref ref;
	const struct slot *sl;
	struct err e;

	(void)keep;
	memcpy(&ref, body, sizeof(ref));
	sl = slot_of(sp, ref, &e);
	if (sl == NULL ||
	    sub_stats(sp->sub, &sl->unit, sl->id, &stats, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_STATS, seq, &e, NULL, 0);
		return;
	}
	spawn_reply_stats(sp, seq, &stats);
}

void
op_discard(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_disk q;
	struct err e;

	(void)keep;
	memcpy(&q, body, sizeof(q));
	if (!id_ok(q.id, sizeof(q.id)))
		err_set(&e, ERR_INVALID, "id: not of [a-z0-9]");
	else if (slot_user(sp, q.id) != NULL)
		err_set(&e, ERR_CONFLICT, "files of %s are in use", q.id);
	else {
		scrap_add(sp, (struct spawn_ref){ 0 }, q.id);
		spawn_reply(sp, &sp->apid, SPAWN_DISCARD, seq, NULL, NULL, 0);
		return;
	}
	spawn_reply(sp, &sp->apid, SPAWN_DISCARD, seq, &e, NULL, 0);
}
