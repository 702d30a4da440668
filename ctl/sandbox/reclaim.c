/*
 * reclaim.c - at start: compares the store with what privd finds, both ways.
 * What matches is adopted, what nobody owns is removed, and both are said.
 */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

static void
finish(struct engine *en)
{
	en->ready = true;
	free(en->found);
	en->found = NULL;
	way_in_all(en);
	sampler_init(en);
	keeper_init(en);
	pool_init(en);
	log_info(
	    "reclaim.done running=%u paused=%u", en->nrunning, en->npaused);
	slots_want(&en->slots, en->nqueue);
	if (en->again_due)
		engine_apply_again(en);
	en->calls.on_ready(en->calls.ctx);
}

void
reclaim_one_less(struct engine *en)
{
	if (--en->outstanding == 0 && !en->ready)
		finish(en);
}

/* --- adopting
 * ----------------------------------------------------------------*/

static void
on_moved(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct engine *en = ctx;
	struct sandbox *sb = registry_get(en, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (r->u.spawn.rc < 0 && sb != NULL) {
		log_error("reclaim.freezer sbx=%s err=\"%s\"", sb->r.id,
		    r->u.spawn.err.msg);
		sandbox_kill(sb, "orphaned");
	}
	reclaim_one_less(en);
}

/* Frozen or not, as the store says it is. */
static void
settle(struct sandbox *sb, bool frozen)
{
	bool want = sb->r.state == SB_PAUSED;
	struct chan_ask a = {
		.type = want ? SPAWN_FREEZE : SPAWN_THAW,
		.head = &sb->r.slot,
		.head_len = sizeof(sb->r.slot),
		.fd = -1,
		.done = on_moved,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};
	struct err e;

	if (want == frozen)
		return;
	sb->en->outstanding++;
	if (chan_ask(&sb->en->spawn, &a, &e) < 0) {
		log_error("reclaim.freezer sbx=%s err=\"%s\"", sb->r.id, e.msg);
		reclaim_one_less(sb->en);
	}
}

static void
adopt(struct sandbox *sb, const struct spawn_found *f)
{
	struct engine *en = sb->en;

	if (sb->r.state == SB_KILLING) {
		sb->kill_reason = "request";
		kill_begin(sb);
		return;
	}
	if (!f->alive) {
		sandbox_die(sb);
		return;
	}
	log_info("reclaim.adopted sbx=%s slot=%u state=%s", sb->r.id,
	    sb->r.slot.slot, fsm_state_name(sb->r.state));
	settle(sb, f->frozen);
	/*
	 * In a table that was made anew the bounds between a slot's tenants
	 * are forgotten: drop what flows, rather than let in a stranger's.
	 */
	en->outstanding++;
	/* The kernel may have a later policy, which was never committed. */
	sb->denials.tenant = sb->r.gen;
	sb->denials.since = UINT32_MAX;
	network_again(sb, en->rebuilt, AGAIN_RECOVERY);
	if (sb->r.state == SB_RUNNING) {
		deadline_from_end(sb);
		logs_begin(sb, true);
	}
}

/* --- comparing
 * ---------------------------------------------------------------*/

static void
kill_stray(struct engine *en, const struct spawn_found *f)
{
	struct chan_ask a = {
		.type = SPAWN_KILL,
		.head = &f->ref,
		.head_len = sizeof(f->ref),
		.fd = -1,
	};
	struct err e;

	/* Nobody can prove that one without a tenant is untouched. */
	if (!f->pooled)
		log_warn("reclaim.stray slot=%u incarnation=%u id=%.31s",
		    f->ref.slot, f->ref.incarnation, f->id);
	if (f->ref.slot <= en->cf.max_sandboxes) {
		slots_adopt(&en->slots, f->ref);
		slots_clear(&en->slots, f->ref, false);
	} else if (chan_ask(&en->spawn, &a, &e) < 0) {
		log_error("reclaim.stray err=\"%s\"", e.msg);
	}
}

static void
discard(struct engine *en, const struct spawn_found *f)
{
	struct spawn_disk m;
	struct chan_ask a = {
		.type = SPAWN_DISCARD,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
	};
	struct err e;

	/* Files made ahead for a slot were nobody's. */
	if (!f->pooled)
		log_warn("reclaim.stray_files id=%.31s", f->id);
	memcpy(m.id, f->id, sizeof(m.id));
	if (chan_ask(&en->spawn, &a, &e) < 0)
		log_error("reclaim.stray err=\"%s\"", e.msg);
}

/* Files without processes, kept for a sandbox that is paused. */
static void
files(struct engine *en, const struct spawn_found *f)
{
	struct sandbox *sb = registry_by_id(en, f->id);

	if (sb != NULL && sb->r.state == SB_PAUSED)
		sb->has_files = true;
	else if (sb == NULL)
		discard(en, f);
	/* Else its row is done with below, and its files with it. */
}

static bool
owned(struct engine *en, const struct spawn_found *f)
{
	struct sandbox *sb = registry_by_slot(en, f->ref);

	return sb != NULL && strcmp(sb->r.id, f->id) == 0;
}

static void
compare_found(struct engine *en)
{
	for (size_t i = 0; i < en->nfound; i++) {
		const struct spawn_found *f = &en->found[i];

		if (f->ref.slot == 0) {
			files(en, f);
		} else if (owned(en, f)) {
			registry_by_slot(en, f->ref)->found = true;
			slots_adopt(&en->slots, f->ref);
		} else {
			kill_stray(en, f);
		}
	}
}

/* A row without processes. */
static void
missing(struct sandbox *sb)
{
	struct err e;

	registry_slot(sb, (struct spawn_ref){ 0, 0 });
	switch (sb->r.state) {
	case SB_PAUSED:
		if (!sb->has_files) {
			log_warn("reclaim.lost sbx=%s", sb->r.id);
			sandbox_kill(sb, "orphaned");
			break;
		}
		log_info("reclaim.files_only sbx=%s", sb->r.id);
		if (sandbox_save(sb, SB_PAUSED, NULL, NULL, &e) < 0)
			log_error("reclaim.store err=\"%s\"", e.msg);
		break;
	case SB_KILLING:
		sb->kill_reason = "request";
		kill_begin(sb);
		break;
	case SB_RUNNING:
		log_warn("reclaim.lost sbx=%s", sb->r.id);
		sandbox_kill(sb, "orphaned");
		break;
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_PAUSING:
	case SB_RESUMING:
	case SB_GONE:
	case SB_NSTATES:
		break; /* no such rows are written */
	}
}

static void
adopt_all(struct engine *en)
{
	for (size_t i = 0; i < en->nfound; i++) {
		struct sandbox *sb = registry_by_slot(en, en->found[i].ref);

		if (sb != NULL && sb->found && owned(en, &en->found[i]))
			adopt(sb, &en->found[i]);
	}
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL && !en->v[i]->found)
			missing(en->v[i]);
}

static uint32_t
highest_incarnation(const struct engine *en)
{
	uint32_t top = 0;

	for (size_t i = 0; i < en->nfound; i++)
		if (en->found[i].ref.incarnation > top)
			top = en->found[i].ref.incarnation;
	return top;
}

static void
lost(struct engine *en, const struct err *e)
{
	log_error("reclaim.failed err=\"%s\"", e->msg);
	en->calls.on_lost(en->calls.ctx, "recovery");
}

static void
compare(struct engine *en)
{
	uint32_t gen =
	    en->max_gen < RULES_GEN_FIRST ? RULES_GEN_FIRST : en->max_gen + 1;
	struct err e;

	if (!en->rules_hello || !en->spawn_hello || !en->found_end)
		return;
	if (counter_init(en, STORE_GEN, gen, &e) < 0 ||
	    counter_init(
		en, STORE_INCARNATION, highest_incarnation(en) + 1, &e) < 0) {
		lost(en, &e);
		return;
	}
	slots_have_rules(&en->slots, en->rules_slots);
	/* One more than there is, so that nothing is over before its time. */
	en->outstanding = 1;
	compare_found(en);
	adopt_all(en);
	reclaim_one_less(en);
}

/* --- what the privds say
 * --------------------------------------------------------*/

static void
on_rules_hello(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct engine *en = ctx;

	(void)who;
	(void)n;
	denials_source(en, take_fd(&r->fd));
	if (r->u.rules.rc < 0) {
		lost(en, &r->u.rules.err);
		return;
	}
	en->rules_hello = true;
	en->max_gen = r->u.rules.max_gen;
	en->rebuilt = r->u.rules.rebuilt != 0;
	en->rules_slots = r->u.rules.nslots;
	compare(en);
}

static void
on_spawn_hello(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct engine *en = ctx;

	(void)who;
	(void)n;
	drop_fd(&r->fd);
	if (r->u.spawn.rc < 0) {
		lost(en, &r->u.spawn.err);
		return;
	}
	en->spawn_hello = true;
	log_info("spawn.hello disk=\"%.63s\"", r->u.spawn.disk_backend);
	compare(en);
}

static void
on_found(struct engine *en, const void *body, size_t len)
{
	struct spawn_found *f;

	if (len != sizeof(*f) || en->ready)
		return;
	if (en->nfound == en->capfound) {
		size_t cap = en->capfound == 0 ? 64 : en->capfound * 2;
		void *p = realloc(en->found, cap * sizeof(*f));

		if (p == NULL) {
			en->calls.on_lost(en->calls.ctx, "memory");
			return;
		}
		en->found = p;
		en->capfound = cap;
	}
	f = &en->found[en->nfound++];
	memcpy(f, body, sizeof(*f));
	f->id[sizeof(f->id) - 1] = '\0';
}

void
reclaim_event(struct engine *en, uint16_t type, const void *body, size_t len)
{
	struct spawn_slot_ev ev;
	struct spawn_ref ref;
	struct sandbox *sb;

	switch (type) {
	case SPAWN_EV_FOUND:
		on_found(en, body, len);
		break;
	case SPAWN_EV_FOUND_END:
		en->found_end = true;
		compare(en);
		break;
	case SPAWN_EV_SLOT:
		if (len != sizeof(ev))
			break;
		memcpy(&ev, body, sizeof(ev));
		slots_event(&en->slots, &ev);
		break;
	case SPAWN_EV_DEAD:
		if (len != sizeof(ref))
			break;
		memcpy(&ref, body, sizeof(ref));
		sb = registry_by_slot(en, ref);
		/* Before recovery EV_FOUND says it as well. */
		if (sb != NULL && en->ready)
			sandbox_die(sb);
		else if (sb == NULL)
			slots_lost(&en->slots, ref);
		break;
	default:
		log_warn("spawn.event type=%u", type);
	}
}

static int
on_row(void *ctx, struct sb_record *r, struct err *e)
{
	struct engine *en = ctx;
	struct sandbox *sb = registry_add(en, r->id, e);
	struct spawn_ref slot = r->slot;

	if (sb == NULL) {
		sb_record_fini(r);
		return -1;
	}
	sb->r = *r;
	sb->r.slot = (struct spawn_ref){ 0, 0 };
	registry_slot(sb, slot);
	en->nrunning += r->state == SB_RUNNING;
	en->npaused += r->state == SB_PAUSED;
	return 0;
}

int
reclaim_begin(struct engine *en, struct err *e)
{
	struct chan_ask rules = {
		.type = RULES_HELLO,
		.fd = -1,
		.done = on_rules_hello,
		.ctx = en,
	};
	struct chan_ask spawn = {
		.type = SPAWN_HELLO,
		.fd = -1,
		.done = on_spawn_hello,
		.ctx = en,
	};

	if (store_load(en->store, on_row, en, e) < 0 ||
	    store_event_missed(en->store, e) < 0)
		return -1;
	if (chan_ask(&en->rules, &rules, e) < 0)
		return -1;
	return chan_ask(&en->spawn, &spawn, e);
}
