#include "spawn_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum {
	FREEZE_SPINS = 32, /* a hundred microseconds: most stand by then */
	FREEZE_RETRY_MS = 1,
	IDS_EACH = 65536,
	MEMORY_LEAST_MB = 16,
	CPUS_MOST = 1024,
	PIDS_LEAST = 16,
};

static void on_proc(struct loop_io *w, unsigned events);
static void on_ctl(struct loop_io *w, unsigned events);
static void on_freezing(struct loop_timer *w);
static void make_go(struct spawn *sp);

/* --- one slot ------------------------------------------------------------- */

static void
forget(struct slot *sl)
{
	loop_io_stop(&sl->proc);
	loop_io_stop(&sl->ctl);
	loop_timer_stop(&sl->freezing);
	sub_reap(&sl->unit);
	sl->state = SLOT_EMPTY;
	sl->id[0] = sl->template_id[0] = '\0';
	sl->frozen = sl->found = sl->keep = false;
	sl->create_seq = sl->kill_seq = sl->freeze_seq = 0;
}

static void
watch_proc(struct slot *sl)
{
	sl->proc = (struct loop_io){ .on_ready = on_proc, .fd = sl->unit.proc };
	loop_io_set(sl->sp->loop, &sl->proc, LOOP_READ);
}

static void
watch_ctl(struct slot *sl, int fd)
{
	sl->ctl = (struct loop_io){ .on_ready = on_ctl, .fd = fd };
	loop_io_set(sl->sp->loop, &sl->ctl, LOOP_READ);
}

static void
tell_slot(struct spawn *sp, struct spawn_ref ref, const struct err *e)
{
	struct spawn_slot_ev ev = { .ref = ref };

	if (e != NULL) {
		ev.rc = -1;
		ev.err = *e;
		log_warn("slot.failed slot=%u err=\"%s\"", ref.slot, e->msg);
	}
	spawn_event(sp, SPAWN_EV_SLOT, &ev, sizeof(ev));
}

/* Answers all that still wait for this slot. */
static void
refuse_waiting(struct slot *sl, const struct err *e)
{
	struct spawn *sp = sl->sp;

	spawn_reply(sp, &sp->apid, SPAWN_CREATE, sl->create_seq, e, NULL, 0);
	spawn_reply(sp, &sp->apid, SPAWN_FREEZE, sl->freeze_seq, e, NULL, 0);
	sl->create_seq = sl->freeze_seq = 0;
}

/* Its last process is gone. */
static void
gone(struct slot *sl)
{
	struct spawn *sp = sl->sp;
	const struct spawn_ref ref = sl->ref;
	struct err e;

	err_set(&e, ERR_CONFLICT, "the sandbox ended");
	refuse_waiting(sl, &e);
	scrap_add(sp, ref, sl->keep ? "" : sl->id);
	switch (sl->state) {
	case SLOT_READY:
		err_set(&e, ERR_SYS, "its init ended while parked");
		(void)(sl->unit.ctl >= 0 && sub_begun(&sl->unit, &e));
		tell_slot(sp, ref, &e);
		break;
	case SLOT_RUNNING:
		log_info("sandbox.dead sbx=%s slot=%u", sl->id, ref.slot);
		spawn_event(sp, SPAWN_EV_DEAD, &ref, sizeof(ref));
		break;
	case SLOT_KILLING:
		spawn_reply(
		    sp, &sp->apid, SPAWN_KILL, sl->kill_seq, NULL, NULL, 0);
		break;
	case SLOT_EMPTY:
	case SLOT_QUEUED:
	case SLOT_MAKING:
	case SLOT_STARTING:
		break;
	}
	forget(sl);
}

static int
end_it(struct slot *sl, struct err *e)
{
	loop_timer_stop(&sl->freezing);
	if (sub_kill(sl->sp->sub, &sl->unit, e) < 0)
		return -1;
	sl->state = SLOT_KILLING;
	return 0;
}

static void
begun(struct slot *sl)
{
	struct spawn *sp = sl->sp;
	const uint32_t seq = sl->create_seq;
	struct err e, why;
	int fd;

	loop_io_stop(&sl->ctl);
	sl->create_seq = 0;
	if (sub_begun(&sl->unit, &e) == 0 &&
	    sub_sockets(sp->sub, &sl->unit, 4, 1, &fd, &e) == 0) {
		sl->state = SLOT_RUNNING;
		spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, NULL, &fd, 1);
		return;
	}
	spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, &e, NULL, 0);
	if (end_it(sl, &why) < 0)
		log_error(
		    "slot.kill slot=%u err=\"%s\"", sl->ref.slot, why.msg);
}

static void
made(struct slot *sl)
{
	struct spawn *sp = sl->sp;
	int answer = sl->ctl.fd;
	struct err e;

	loop_io_stop(&sl->ctl);
	sp->nmaking--;
	if (sub_made(answer, &sl->unit, &e) == 0) {
		sl->state = SLOT_READY;
		watch_proc(sl);
		tell_slot(sp, sl->ref, NULL);
	} else {
		const struct spawn_ref ref = sl->ref;

		forget(sl);
		scrap_add(sp, ref, "");
		tell_slot(sp, ref, &e);
	}
	own_close(&answer);
	make_go(sp);
}

static void
on_ctl(struct loop_io *w, unsigned events)
{
	struct slot *sl = container_of(w, struct slot, ctl);

	(void)events;
	if (sl->state == SLOT_MAKING)
		made(sl);
	else
		begun(sl);
}

static void
on_proc(struct loop_io *w, unsigned events)
{
	struct slot *sl = container_of(w, struct slot, proc);

	(void)events;
	/* It said why before it ended. */
	if (sl->state == SLOT_STARTING)
		begun(sl);
	gone(sl);
}

/* --- finding -------------------------------------------------------------- */

int
slots_init(struct spawn *sp, struct err *e)
{
	const uint32_t n = sp->cf->max_sandboxes;

	if ((uint64_t)sp->cf->id_base + ((uint64_t)n + 1) * IDS_EACH >
	    UINT32_MAX)
		return err_set(e, ERR_INVALID,
		    "id_base = %u: no room for %u sandboxes of %d ids",
		    sp->cf->id_base, n, IDS_EACH);
	sp->slots = calloc((size_t)n + 1, sizeof(*sp->slots));
	if (sp->slots == NULL)
		return err_sys(e, "slots");
	sp->nslots = n;
	for (uint32_t i = 0; i <= n; i++) {
		sp->slots[i].sp = sp;
		sp->slots[i].unit = (struct sub_unit){
			.pid = -1, .proc = -1, .net = -1, .ctl = -1
		};
	}
	return 0;
}

void
slots_fini(struct spawn *sp)
{
	struct kept *k;
	struct scrap *s;

	/* Parked ones end when their sockets close; the others live on. */
	for (uint32_t i = 1; i <= sp->nslots; i++)
		forget(&sp->slots[i]);
	free(sp->slots);
	while ((k = sp->kept) != NULL) {
		sp->kept = k->next;
		free(k);
	}
	while ((s = sp->scraps) != NULL) {
		sp->scraps = s->next;
		free(s);
	}
}

static struct slot *
standing(struct spawn *sp, struct spawn_ref r, struct err *e)
{
	struct slot *sl;

	if (r.slot >= 1 && r.slot <= sp->nslots) {
		sl = &sp->slots[r.slot];
		if (sl->state >= SLOT_READY &&
		    sl->ref.incarnation == r.incarnation)
			return sl;
	}
	err_set(
	    e, ERR_NOTFOUND, "slot %u has no tenant %u", r.slot, r.incarnation);
	return NULL;
}

struct slot *
slot_of(struct spawn *sp, struct spawn_ref r, struct err *e)
{
	struct slot *sl = standing(sp, r, e);

	if (sl == NULL || sl->state == SLOT_RUNNING)
		return sl;
	err_set(e, ERR_CONFLICT, "slot %u: its tenant %u is not running",
	    r.slot, r.incarnation);
	return NULL;
}

static const struct slot *
user_of(const struct spawn *sp, const char *id)
{
	for (uint32_t i = 1; i <= sp->nslots; i++)
		if (strcmp(sp->slots[i].id, id) == 0)
			return &sp->slots[i];
	return NULL;
}

/* --- what the last run left ----------------------------------------------- */

static void
report_later(struct spawn *sp, const struct sub_found *f)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		log_warn("sandbox.found sbx=%s err=\"no memory\"", f->id);
		return;
	}
	/* Slot 0: files that are kept.  Otherwise they are cleared away. */
	if (!f->kept)
		k->found.ref = f->unit.ref;
	memcpy(k->found.id, f->id, sizeof(f->id));
	memcpy(k->found.template_id, f->template_id, sizeof(f->template_id));
	k->found.pooled = f->pooled;
	k->next = sp->kept;
	sp->kept = k;
}

static void
adopt(struct slot *sl, const struct sub_found *f)
{
	struct err e;

	sl->ref = f->unit.ref;
	sl->unit = f->unit;
	sl->state = SLOT_RUNNING;
	sl->found = true;
	sl->frozen = f->frozen;
	memcpy(sl->id, f->id, sizeof(sl->id));
	memcpy(sl->template_id, f->template_id, sizeof(sl->template_id));
	watch_proc(sl);
	log_info("sandbox.found sbx=%s slot=%u incarnation=%u", sl->id,
	    sl->ref.slot, sl->ref.incarnation);
	/* Nobody can prove that it is untouched. */
	if (f->pooled && end_it(sl, &e) < 0)
		log_error("slot.kill slot=%u err=\"%s\"", sl->ref.slot, e.msg);
}

void
slot_found(void *arg, const struct sub_found *f)
{
	struct spawn *sp = arg;
	const uint32_t n = f->unit.ref.slot;

	if (f->alive && n <= sp->nslots && sp->slots[n].state == SLOT_EMPTY) {
		adopt(&sp->slots[n], f);
		return;
	}
	if (f->alive) {
		struct sub_unit u = f->unit;
		struct err e;

		/* Two in one slot, or fewer slots than there were. */
		log_warn("sandbox.found sbx=%s slot=%u: no place", f->id, n);
		if (sub_kill(sp->sub, &u, &e) < 0)
			log_error("slot.kill slot=%u err=\"%s\"", n, e.msg);
		sub_reap(&u);
	}
	report_later(sp, f);
	scrap_add(sp, f->unit.ref, f->kept ? "" : f->id);
}

static void
tell_found(struct slot *sl)
{
	struct spawn_found f = { .ref = sl->ref,
		.frozen = sl->frozen,
		.alive = sl->state == SLOT_RUNNING,
		.pooled = sl->id[0] == '\0' };

	memcpy(f.id, sl->id, sizeof(f.id));
	memcpy(f.template_id, sl->template_id, sizeof(f.template_id));
	spawn_event(sl->sp, SPAWN_EV_FOUND, &f, sizeof(f));
}

void
op_hello(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct kept *k;

	(void)body;
	(void)keep;
	spawn_reply(sp, &sp->apid, SPAWN_HELLO, seq, NULL, NULL, 0);
	for (uint32_t i = 1; i <= sp->nslots; i++)
		if (sp->slots[i].found)
			tell_found(&sp->slots[i]);
	while ((k = sp->kept) != NULL) {
		spawn_event(sp, SPAWN_EV_FOUND, &k->found, sizeof(k->found));
		sp->kept = k->next;
		free(k);
	}
	spawn_event(sp, SPAWN_EV_FOUND_END, NULL, 0);
}

/* --- making --------------------------------------------------------------- */

static void
make_one(struct spawn *sp, struct slot *sl)
{
	const struct spawn_ref ref = sl->ref;
	int answer = -1;
	struct err e;
	pid_t pid;

	if (helper_room(sp, &e) < 0 ||
	    sub_make(sp->sub, ref, &answer, &pid, &e) < 0) {
		sl->state = SLOT_EMPTY;
		tell_slot(sp, ref, &e);
		return;
	}
	helper_add(sp, pid, HELPER_MAKE, ref);
	sl->state = SLOT_MAKING;
	sp->nmaking++;
	watch_ctl(sl, answer);
}

static void
make_go(struct spawn *sp)
{
	while (sp->nmaking < SPAWN_MAKERS && sp->queue != NULL) {
		struct slot *sl = sp->queue;

		sp->queue = sl->next;
		if (sp->queue == NULL)
			sp->queue_end = &sp->queue;
		make_one(sp, sl);
	}
}

static void
want_slot(struct spawn *sp, uint32_t n, uint32_t incarnation)
{
	const struct spawn_ref ref = { n, incarnation };
	struct slot *sl = &sp->slots[n];
	struct err e;

	if (sl->state == SLOT_EMPTY) {
		sl->ref = ref;
		sl->state = SLOT_QUEUED;
		sl->next = NULL;
		*sp->queue_end = sl;
		sp->queue_end = &sl->next;
		return;
	}
	if (sl->ref.incarnation == incarnation && sl->state <= SLOT_READY) {
		if (sl->state == SLOT_READY)
			tell_slot(sp, ref, NULL);
		return;
	}
	err_set(&e, ERR_CONFLICT, "slot %u has a tenant, %u", n,
	    sl->ref.incarnation);
	tell_slot(sp, ref, &e);
}

void
op_slots(struct spawn *sp, uint32_t seq, const void *body, bool keep)
{
	struct spawn_slots q;
	struct err e;

	(void)keep;
	memcpy(&q, body, sizeof(q));
	if (q.first < 1 || q.n < 1 || q.first > sp->nslots ||
	    q.n > sp->nslots - q.first + 1 || q.incarnation == 0) {
		err_set(&e, ERR_INVALID,
		    "slots %u, %u of them, incarnation %u: there are 1 to %u",
		    q.first, q.n, q.incarnation, sp->nslots);
		spawn_reply(sp, &sp->apid, SPAWN_SLOTS, seq, &e, NULL, 0);
		return;
	}
	spawn_reply(sp, &sp->apid, SPAWN_SLOTS, seq, NULL, NULL, 0);
	for (uint32_t i = 0; i < q.n; i++)
		want_slot(sp, q.first + i, q.incarnation);
	make_go(sp);
}

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
	if (c->keep_disk && user_of(sp, c->id) != NULL)
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
	struct err e, why;

	(void)keep;
	memcpy(&c, body, sizeof(c));
	sl = standing(sp, c.ref, &e);
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
		if (end_it(sl, &why) < 0)
			log_error("slot.kill slot=%u err=\"%s\"", sl->ref.slot,
			    why.msg);
		return;
	}
	memcpy(sl->id, c.id, sizeof(sl->id));
	memcpy(sl->template_id, c.template_id, sizeof(sl->template_id));
	sl->state = SLOT_STARTING;
	sl->create_seq = seq;
	watch_ctl(sl, sl->unit.ctl);
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
	sl = standing(sp, ref, &e);
	if (sl != NULL && sl->state == SLOT_KILLING && sl->kill_seq != 0) {
		err_set(&e, ERR_CONFLICT, "slot %u is being killed", ref.slot);
		sl = NULL;
	}
	if (sl == NULL || (keep && sub_keep(sp->sub, sl->id, true, &e) < 0) ||
	    (sl->state != SLOT_KILLING && end_it(sl, &e) < 0)) {
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
look_frozen(struct slot *sl, int spins)
{
	struct err e;
	int rc = 0;

	while (rc == 0 && spins-- > 0)
		rc = sub_frozen(sl->sp->sub, &sl->unit, &e);
	if (rc == 0 && mono_ms(sl->freeze_from, mono_now()) > SPAWN_FREEZE_MS)
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
	look_frozen(container_of(w, struct slot, freezing), 1);
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
	look_frozen(sl, FREEZE_SPINS);
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
	if (sl == NULL || sub_keep(sp->sub, sl->id, false, &e) < 0 ||
	    sub_freeze(sp->sub, &sl->unit, false, &e) < 0) {
		spawn_reply(sp, &sp->apid, SPAWN_THAW, seq, &e, NULL, 0);
		return;
	}
	sl->frozen = false;
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
	else if (user_of(sp, q.id) != NULL)
		err_set(&e, ERR_CONFLICT, "files of %s are in use", q.id);
	else {
		scrap_add(sp, (struct spawn_ref){ 0 }, q.id);
		spawn_reply(sp, &sp->apid, SPAWN_DISCARD, seq, NULL, NULL, 0);
		return;
	}
	spawn_reply(sp, &sp->apid, SPAWN_DISCARD, seq, &e, NULL, 0);
}
