#include "spawn_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum { IDS_EACH = 65536 };

static void on_proc(struct loop_io *w, unsigned events);
static void on_ctl(struct loop_io *w, unsigned events);

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
	sl->frozen = sl->found = sl->keep = sl->marked = false;
	sl->create_seq = sl->kill_seq = sl->freeze_seq = 0;
}

void
slot_watch(struct slot *sl)
{
	sl->proc = (struct loop_io){ .on_ready = on_proc, .fd = sl->unit.proc };
	loop_io_set(sl->sp->loop, &sl->proc, LOOP_READ);
}

void
slot_await(struct slot *sl, int fd)
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
	captures_end(sp, ref);
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
	spawn_look_idle(sp);
}

int
slot_end(struct slot *sl, struct err *e)
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
	struct err e;
	int fd;

	loop_io_stop(&sl->ctl);
	sl->create_seq = 0;
	if (sub_begun(&sl->unit, &e) == 0 &&
	    sub_sockets(sp->sub, &sl->unit, 4, 1, &fd, &e) == 0) {
		sl->state = SLOT_RUNNING;
		sl->keep = false;
		spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, NULL, &fd, 1);
		return;
	}
	spawn_reply(sp, &sp->apid, SPAWN_CREATE, seq, &e, NULL, 0);
	slot_retire(sl);
}

void
slot_retire(struct slot *sl)
{
	struct err e;

	if (slot_end(sl, &e) < 0)
		log_error("slot.kill slot=%u err=\"%s\"", sl->ref.slot, e.msg);
}

void
slots_retire(struct spawn *sp)
{
	struct err e;

	err_set(&e, ERR_BUSY, "privd is ending");
	for (uint32_t i = 1; i <= sp->nslots; i++) {
		struct slot *sl = &sp->slots[i];

		if (sl->state == SLOT_READY)
			slot_retire(sl);
		if (sl->state == SLOT_QUEUED) {
			sl->state = SLOT_EMPTY;
			tell_slot(sp, sl->ref, &e);
		}
	}
	sp->queue = NULL;
	sp->queue_end = &sp->queue;
	/* They may wait long for an old link to go; made() sees their end. */
	helpers_end(sp, HELPER_MAKE);
}

bool
slots_idle(const struct spawn *sp)
{
	for (uint32_t i = 1; i <= sp->nslots; i++)
		if (sp->slots[i].state != SLOT_EMPTY &&
		    sp->slots[i].state != SLOT_RUNNING)
			return false;
	return true;
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
		slot_watch(sl);
		tell_slot(sp, sl->ref, NULL);
		if (sp->stopping)
			slot_retire(sl);
	} else {
		const struct spawn_ref ref = sl->ref;

		forget(sl);
		scrap_add(sp, ref, "");
		tell_slot(sp, ref, &e);
	}
	own_close(&answer);
	slots_go(sp);
}

static void
on_ctl(struct loop_io *w, unsigned events)
{
	struct slot *sl = container_of(w, struct slot, ctl);

	(void)events;
	if (sl->state == SLOT_MAKING)
		made(sl);
	else if (sl->state == SLOT_STARTING)
		begun(sl);
	else
		/* Killed before it had begun: gone() answers for both. */
		loop_io_stop(&sl->ctl);
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

struct slot *
slot_standing(struct spawn *sp, struct spawn_ref r, struct err *e)
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
	struct slot *sl = slot_standing(sp, r, e);

	if (sl == NULL || sl->state == SLOT_RUNNING)
		return sl;
	err_set(e, ERR_CONFLICT, "slot %u: its tenant %u is not running",
	    r.slot, r.incarnation);
	return NULL;
}

const struct slot *
slot_user(const struct spawn *sp, const char *id)
{
	for (uint32_t i = 1; i <= sp->nslots; i++)
		if (strcmp(sp->slots[i].id, id) == 0)
			return &sp->slots[i];
	return NULL;
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
	slot_await(sl, answer);
}

void
slots_go(struct spawn *sp)
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

	if (sp->stopping) {
		err_set(&e, ERR_BUSY, "privd is ending");
		tell_slot(sp, ref, &e);
		return;
	}
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
	slots_go(sp);
}
