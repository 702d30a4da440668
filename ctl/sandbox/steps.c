/* steps.c - what plans are made of. */
#include "ctl/sandbox/sandbox_int.h"

#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum {
	INIT_WITHIN_MS = 10000, /* from the first attempt to give up */
	INIT_PAUSE_MAX_MS = 50,
	CLAIM_WITHIN_MS = 500, /* of a member that has answered before */
};

void
step_reply(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb != NULL)
		sandbox_step_over(
		    sb, r->u.spawn.rc < 0 ? &r->u.spawn.err : NULL);
}

/* Asks privd spawn about the sandbox's slot; its answer ends the step. */
static enum step_rc
ask_spawn(struct sandbox *sb, uint16_t type, chan_done done, struct err *e)
{
	struct chan_ask a = {
		.type = type,
		.head = &sb->r.slot,
		.head_len = sizeof(sb->r.slot),
		.fd = -1,
		.done = done,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	return chan_ask(&sb->en->spawn, &a, e) < 0 ? STEP_FAIL : STEP_PENDING;
}

/* The same with nobody waiting: for the way back. */
static void
tell_spawn(struct sandbox *sb, uint16_t type)
{
	struct chan_ask a = {
		.type = type,
		.head = &sb->r.slot,
		.head_len = sizeof(sb->r.slot),
		.fd = -1,
	};
	struct err e;

	if (chan_ask(&sb->en->spawn, &a, &e) < 0)
		log_error("sandbox.undo sbx=%s err=\"%s\"", sb->r.id, e.msg);
}

/* --- slot
 * ----------------------------------------------------------------------*/

static void
queue_add(struct sandbox *sb)
{
	struct engine *en = sb->en;

	sb->queue_next = 0;
	if (en->nqueue++ == 0)
		en->queue_first = sb->ref.index;
	else
		en->v[en->queue_last]->queue_next = sb->ref.index;
	en->queue_last = sb->ref.index;
}

static struct sandbox *
queue_take(struct engine *en)
{
	struct sandbox *sb;

	if (en->nqueue == 0)
		return NULL;
	/* Whoever waits has a plan that waits, and so is not freed. */
	sb = en->v[en->queue_first];
	en->queue_first = sb->queue_next;
	en->nqueue--;
	return sb;
}

void
queue_drop(struct sandbox *sb)
{
	struct engine *en = sb->en;
	uint32_t n = en->nqueue, at = en->queue_first;

	en->nqueue = 0;
	while (n-- > 0) {
		struct sandbox *x = en->v[at];

		at = x->queue_next;
		if (x != sb)
			queue_add(x);
	}
}

enum step_rc
step_slot(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	struct engine *en = sb->en;
	struct spawn_ref slot;

	(void)e;
	if (en->nqueue > 0 || slots_take(&en->slots, &slot) != 0) {
		queue_add(sb);
		slots_want(&en->slots, en->nqueue);
		return STEP_PENDING;
	}
	registry_slot(sb, slot);
	slots_want(&en->slots, en->nqueue);
	return STEP_DONE;
}

void
slots_came(void *ctx)
{
	struct engine *en = ctx;
	struct sandbox *sb;
	struct spawn_ref slot;

	while (en->nqueue > 0 && slots_take(&en->slots, &slot) == 0) {
		sb = queue_take(en);
		registry_slot(sb, slot);
		sandbox_step_over(sb, NULL);
	}
	/* Whatever keeps slots from standing up will keep failing for now:
	 * tell those who wait, instead of letting them time out. */
	while (en->nqueue > 0 && en->slots.failures >= 3 &&
	       en->slots.nmaking == 0) {
		struct err e = en->slots.last_error;

		err_wrap(&e, "no slot can be made");
		sandbox_step_over(queue_take(en), &e);
	}
	slots_want(&en->slots, en->nqueue);
}

void
undo_slot(void *obj)
{
	struct sandbox *sb = obj;
	struct spawn_ref slot = sb->r.slot;

	registry_slot(sb, (struct spawn_ref){ 0, 0 });
	slots_clear(&sb->en->slots, slot, false);
}

void
undo_slot_kept(void *obj)
{
	struct sandbox *sb = obj;
	struct spawn_ref slot = sb->r.slot;

	registry_slot(sb, (struct spawn_ref){ 0, 0 });
	slots_clear(&sb->en->slots, slot, true);
}

/* The processes go, the files stay; then cleared() in kill.c. */
enum step_rc
step_drop(void *obj, struct err *e)
{
	struct sandbox *sb = obj;

	(void)e;
	if (sb->r.slot.slot == 0)
		return STEP_DONE;
	slots_clear(&sb->en->slots, sb->r.slot, true);
	return STEP_PENDING;
}

/* --- rules
 * ---------------------------------------------------------------------*/

static void
on_rules(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb == NULL)
		return;
	sb_policy_fini(&sb->policy);
	sandbox_step_over(sb, r->u.rules.rc < 0 ? &r->u.rules.err : NULL);
}

int
rules_send(struct sandbox *sb, chan_done done, struct err *e)
{
	struct chan_ask how = {
		.done = done,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};
	uint32_t gen = counter_next(sb->en, STORE_GEN, e);

	if (gen == 0)
		return -1;
	sb->r.gen = sb->denials.tenant = gen;
	denials_again(sb, gen);
	return sb_policy_send(
	    &sb->en->rules, &sb->policy, sb->r.slot.slot, gen, true, how, e);
}

/* The order is a promise: rules exist before the first process can send. */
enum step_rc
step_rules(void *obj, struct err *e)
{
	return rules_send(obj, on_rules, e) < 0 ? STEP_FAIL : STEP_PENDING;
}

/* --- processes
 * -------------------------------------------------------------------*/

static void
on_spawned(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });
	int fd = take_fd(&r->fd);

	if (sb == NULL) {
		own_close(&fd);
		return;
	}
	drop_fd(&sb->init_fd);
	sb->init_fd = fd;
	sandbox_step_over(sb, r->u.spawn.rc < 0 ? &r->u.spawn.err : NULL);
}

static enum step_rc
spawn(struct sandbox *sb, bool keep_disk, struct err *e)
{
	struct spawn_create m = {
		.ref = sb->r.slot,
		.cpu_count = sb->r.cpu_count,
		.memory_mb = sb->r.memory_mb,
		.disk_mb = sb->r.disk_mb,
		.pids_max = sb->en->cf.pids_max,
		.keep_disk = keep_disk,
	};
	struct chan_ask a = {
		.type = SPAWN_CREATE,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
		.done = on_spawned,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	memcpy(m.id, sb->r.id, sizeof(m.id));
	memcpy(m.template_id, sb->r.template_id, sizeof(m.template_id));
	memcpy(m.secret, sb->r.secret, sizeof(m.secret));
	return chan_ask(&sb->en->spawn, &a, e) < 0 ? STEP_FAIL : STEP_PENDING;
}

enum step_rc
step_spawn(void *obj, struct err *e)
{
	return spawn(obj, false, e);
}

enum step_rc
step_spawn_kept(void *obj, struct err *e)
{
	return spawn(obj, true, e);
}

/* --- envd
 * -------------------------------------------------------------------------*/

void
init_stop(struct sandbox *sb)
{
	loop_timer_stop(&sb->init_again);
	drop_fd(&sb->init_fd);
}

/* A claim waits for more than this. */
static void
over(struct sandbox *sb, const struct err *e)
{
	if (sb->claim_left > 0)
		claim_half(sb, e);
	else
		sandbox_step_over(sb, e);
}

/*
 * A template that is gone has no command any more; what it left in the
 * sandbox's files runs without.
 */
static const struct template *
command_of(const struct sandbox *sb)
{
	const struct template *t =
	    templates_by_id(&sb->en->templates, sb->r.template_id);

	return t != NULL && (t->start_cmd[0] != '\0' || t->ready_cmd[0] != '\0')
		   ? t
		   : NULL;
}

/* 0: it is under way; 1: there is nothing to be said. */
static int
envd_call(struct sandbox *sb, struct err *e)
{
	struct engine *en = sb->en;
	struct envd_ask q = { .r = &sb->r, .ref = sb->ref };

	if (sb->starting && (q.start = command_of(sb)) == NULL)
		return 1;
	/* Others follow: the start command, a member's claim, the logs. */
	q.keep = true;
	q.fd = take_fd(&sb->init_fd);
	return en->calls.envd(en->calls.ctx, &q, e);
}

static void
envd_go(struct sandbox *sb)
{
	struct err e;
	int rc = envd_call(sb, &e);

	if (rc != 0)
		over(sb, rc < 0 ? &e : NULL);
}

static void
on_socket(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });
	int fd = take_fd(&r->fd);
	struct err e;

	if (sb == NULL || r->u.spawn.rc < 0 || fd < 0) {
		own_close(&fd);
		err_set(&e, ERR_SYS, "no socket inside");
		if (sb != NULL)
			over(sb, r->u.spawn.rc < 0 ? &r->u.spawn.err : &e);
		return;
	}
	sb->init_fd = fd;
	envd_go(sb);
}

int
ask_socket(struct sandbox *sb, chan_done done, struct err *e)
{
	struct spawn_sock m = { sb->r.slot, 1, 4 };
	struct chan_ask a = {
		.type = SPAWN_SOCK,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
		.done = done,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	return chan_ask(&sb->en->spawn, &a, e);
}

static void
on_init_again(struct loop_timer *w)
{
	struct sandbox *sb = container_of(w, struct sandbox, init_again);
	struct err e;

	if (sb->plan.undoing)
		over(sb, &sb->plan.err);
	else if (ask_socket(sb, on_socket, &e) < 0)
		over(sb, &e);
}

static void
init_later(struct sandbox *sb)
{
	uint64_t ms = (uint64_t)2 << sb->init_tries++;

	if (ms > INIT_PAUSE_MAX_MS || sb->init_tries > 6)
		ms = INIT_PAUSE_MAX_MS;
	sb->init_again.on_time = on_init_again;
	loop_timer_start(sb->en->loop, &sb->init_again, ms);
}

static enum step_rc
envd_begin(struct sandbox *sb, bool starting, struct err *e)
{
	int rc;

	sb->starting = starting;
	sb->init_since = mono_now();
	sb->init_tries = 0;
	if (starting && command_of(sb) == NULL)
		return STEP_DONE;
	if (sb->init_fd < 0) {
		init_later(sb); /* ask for a socket */
		return STEP_PENDING;
	}
	rc = envd_call(sb, e);
	if (rc < 0)
		return STEP_FAIL;
	return rc > 0 ? STEP_DONE : STEP_PENDING;
}

enum step_rc
step_init(void *obj, struct err *e)
{
	return envd_begin(obj, false, e);
}

enum step_rc
step_start(void *obj, struct err *e)
{
	return envd_begin(obj, true, e);
}

/* A status is an answer, and final. */
static void
refused(const struct sandbox *sb, const struct envd_said *said, struct err *e)
{
	if (!sb->starting)
		err_set(e, ERR_SYS, "envd answered %d to /init", said->status);
	else
		err_set(e, said->status == 504 ? ERR_BUSY : ERR_SYS, "%s",
		    said->why[0] != '\0' ? said->why
					 : "envd cannot start its command");
}

void
engine_envd_said(struct engine *en, struct sb_ref ref, struct envd_said *said)
{
	struct sandbox *sb = registry_get(en, ref);
	struct err why;

	if (sb == NULL) {
		own_close(&said->fd);
		return;
	}
	init_stop(sb);
	sb->init_fd = take_fd(&said->fd);
	if (said->status == 204 || said->status == 200) {
		over(sb, NULL);
		return;
	}
	/* Not listening yet? */
	if (said->status == 0 && !sb->plan.undoing &&
	    mono_ms(sb->init_since, mono_now()) <
		(sb->claimed ? CLAIM_WITHIN_MS : INIT_WITHIN_MS)) {
		init_later(sb);
		return;
	}
	if (said->status != 0)
		refused(sb, said, &why);
	else
		why = said->e;
	over(sb, &why);
}

/* --- freezing
 * ------------------------------------------------------------------------*/

enum step_rc
step_freeze(void *obj, struct err *e)
{
	return ask_spawn(obj, SPAWN_FREEZE, step_reply, e);
}

void
undo_freeze(void *obj)
{
	tell_spawn(obj, SPAWN_THAW);
}

enum step_rc
step_thaw(void *obj, struct err *e)
{
	return ask_spawn(obj, SPAWN_THAW, step_reply, e);
}

void
undo_thaw(void *obj)
{
	tell_spawn(obj, SPAWN_FREEZE);
}
