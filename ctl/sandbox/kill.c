/* kill.c - write down that it will be gone, and see to it. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

/*
 * Killing does not fail: where the store cannot be written, the row is found
 * without a sandbox at the next start, and removed then.
 */
static enum step_rc
mark(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	deadline_none(sb);
	if (sandbox_save(sb, SB_KILLING, NULL, NULL, e) < 0)
		log_error("kill.store sbx=%s err=\"%s\"", sb->r.id, e->msg);
	return STEP_DONE;
}

static enum step_rc
route(void *obj, struct err *e)
{
	(void)e;
	way_in_del(obj);
	return STEP_DONE;
}

static void
on_discarded(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb == NULL)
		return;
	if (r->u.spawn.rc < 0)
		log_error("kill.discard sbx=%s err=\"%s\"", sb->r.id,
		    r->u.spawn.err.msg);
	sandbox_step_over(sb, NULL);
}

/* No processes: what is left are its files. */
static enum step_rc
discard(struct sandbox *sb, struct err *e)
{
	struct spawn_disk m;
	struct chan_ask a = {
		.type = SPAWN_DISCARD,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
		.done = on_discarded,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	memcpy(m.id, sb->r.id, sizeof(m.id));
	if (chan_ask(&sb->en->spawn, &a, e) == 0)
		return STEP_PENDING;
	log_error("kill.discard sbx=%s err=\"%s\"", sb->r.id, e->msg);
	return STEP_DONE;
}

static enum step_rc
clear(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	if (sb->r.slot.slot == 0)
		return discard(sb, e);
	/* It tries until it is done; then kill_cleared(). */
	slots_clear(&sb->en->slots, sb->r.slot, false);
	return STEP_PENDING;
}

void
kill_cleared(void *ctx, struct spawn_ref who)
{
	struct sandbox *sb = registry_by_slot(ctx, who);

	if (sb == NULL)
		return; /* the way back of a plan */
	registry_slot(sb, (struct spawn_ref){ 0, 0 });
	sandbox_step_over(sb, NULL);
}

static int
forget_rows(struct sandbox *sb, struct err *e)
{
	struct store *st = sb->en->store;
	char data[128], message[96];
	const char *why = sb->kill_reason != NULL ? sb->kill_reason : "unknown";

	(void)snprintf(data, sizeof(data), "{\"kill_reason\":\"%s\"}", why);
	(void)snprintf(message, sizeof(message), "sandbox killed (%s)", why);
	if (store_begin(st, e) < 0)
		return -1;
	if (store_delete(st, sb->r.id, e) < 0 ||
	    sandbox_note(sb, "killed", message, data, e) < 0) {
		store_rollback(st);
		return -1;
	}
	return store_commit(st, e);
}

static enum step_rc
forget(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	if (forget_rows(sb, e) < 0)
		log_error("kill.forget sbx=%s err=\"%s\"", sb->r.id, e->msg);
	return STEP_DONE;
}

static const struct step kill_steps[] = {
	{ "store", mark, NULL },
	{ "route", route, NULL },
	{ "processes", clear, NULL },
	{ "forget", forget, NULL },
};

/* Nobody has heard of it. */
static const struct step member_steps[] = {
	{ "processes", clear, NULL },
};

void
kill_begin(struct sandbox *sb)
{
	if (sb->member) {
		pool_leave(sb);
		sandbox_plan(sb, member_steps, countof(member_steps));
		return;
	}
	sandbox_plan(sb, kill_steps, countof(kill_steps));
}
