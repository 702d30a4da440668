#include "spawn_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

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
	sl->ref = f->unit.ref;
	sl->unit = f->unit;
	sl->state = SLOT_RUNNING;
	sl->found = true;
	sl->frozen = sl->marked = f->frozen;
	memcpy(sl->id, f->id, sizeof(sl->id));
	memcpy(sl->template_id, f->template_id, sizeof(sl->template_id));
	slot_watch(sl);
	log_info("sandbox.found sbx=%s slot=%u incarnation=%u", sl->id,
	    sl->ref.slot, sl->ref.incarnation);
	/* Nobody can prove that it is untouched. */
	if (f->pooled)
		slot_retire(sl);
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
