/* pool.c - which members there are, and when there will be more. */
#include "ctl/sandbox/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/sandbox/pool_int.h"
#include "io/log.h"

/* --- lines ----------------------------------------------------------------*/

struct pool_line *
pool_line(struct engine *en, const char *template_id)
{
	struct pool *p = &en->pool;

	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].template_id, template_id) == 0)
			return &p->v[i];
	return NULL;
}

static struct pool_line *
line_new(struct engine *en, const char *template_id, struct err *e)
{
	struct pool *p = &en->pool;
	struct pool_line *room = realloc(p->v, (p->n + 1) * sizeof(*room));

	if (room == NULL) {
		err_sys(e, "pool");
		return NULL;
	}
	p->v = room;
	room = &p->v[p->n++];
	*room = (struct pool_line){ .wish = -1 };
	(void)snprintf(
	    room->template_id, sizeof(room->template_id), "%s", template_id);
	return room;
}

static struct pool_line *
line_wanted(struct engine *en, const char *template_id, struct err *e)
{
	struct pool_line *l = pool_line(en, template_id);

	return l != NULL ? l : line_new(en, template_id, e);
}

static void
line_add(struct pool_line *l, struct sandbox *sb)
{
	sb->pool_next = NULL;
	if (l->nready++ == 0)
		l->first = sb;
	else
		l->last->pool_next = sb;
	l->last = sb;
}

struct sandbox *
pool_line_take(struct pool_line *l)
{
	struct sandbox *sb = l->first;

	if (l->nready == 0)
		return NULL;
	l->first = sb->pool_next;
	l->nready--;
	return sb;
}

static void
line_drop(struct pool_line *l, const struct sandbox *sb)
{
	for (uint32_t n = l->nready; n > 0; n--) {
		struct sandbox *x = pool_line_take(l);

		if (x != sb)
			line_add(l, x);
	}
}

/* --- letting go -----------------------------------------------------------*/

void
pool_leave(struct sandbox *sb)
{
	struct pool_line *l = pool_line(sb->en, sb->r.template_id);

	if (l != NULL)
		line_drop(l, sb);
	pool_forget(sb);
}

void
pool_forget(struct sandbox *sb)
{
	loop_io_stop(&sb->kept);
	drop_fd(&sb->kept.fd);
}

/*
 * What stands up is taken back at once where nobody but itself waits; only
 * privd spawn is waited for.
 */
static void
cancel(struct sandbox *sb)
{
	struct err e;

	if (sb->given_up)
		return;
	sb->given_up = true;
	sb->en->pool.ngoing++;
	count_memory(sb, 0);
	err_set(&e, ERR_BUSY, "given up");
	if (pool_waits_for_privd(sb)) {
		plan_cancel(&sb->plan, &e);
		return;
	}
	if (sb->r.slot.slot == 0)
		queue_drop(sb);
	sandbox_step_over(sb, &e);
}

static struct sandbox *
warming(struct engine *en)
{
	return registry_get(en, en->pool.warming);
}

static uint32_t
drain(struct engine *en, struct pool_line *l, uint32_t keep)
{
	struct sandbox *sb = warming(en);
	uint32_t n = 0;

	if (sb != NULL && strcmp(sb->r.template_id, l->template_id) == 0 &&
	    l->nready + l->nwarming > keep) {
		cancel(sb);
		n++;
	}
	while (l->nready > keep) {
		sandbox_kill(l->first, "pool");
		n++;
	}
	return n;
}

bool
pool_give_up(struct engine *en)
{
	struct pool *p = &en->pool;
	struct pool_line *least = NULL;
	struct sandbox *sb = warming(en);

	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].nready > 0 &&
		    (least == NULL || p->v[i].used < least->used))
			least = &p->v[i];
	if (least != NULL) {
		log_info("pool.give_up template=%s sbx=%s", least->template_id,
		    least->first->r.id);
		count_memory(least->first, 0);
		sandbox_kill(least->first, "pool");
		return true;
	}
	if (sb == NULL || sb->given_up)
		return false;
	log_info("pool.give_up template=%s sbx=%s warming=1", sb->r.template_id,
	    sb->r.id);
	cancel(sb);
	return true;
}

uint32_t
pool_going(const struct engine *en)
{
	return en->pool.ngoing;
}

/* --- when ------------------------------------------------------------------*/

void
pool_busy(struct engine *en)
{
	en->pool.busy = mono_now();
}

static uint32_t
members(const struct engine *en)
{
	uint32_t n = 0;

	for (size_t i = 0; i < en->pool.n; i++)
		n += en->pool.v[i].nready + en->pool.v[i].nwarming;
	return n;
}

/* Half of all places at the most. */
static uint32_t
members_max(const struct engine *en)
{
	return en->cf.max_sandboxes > 1 ? en->cf.max_sandboxes / 2 : 1;
}

/* Some places, and a quarter of the memory, are for whoever comes. */
static bool
room(const struct engine *en)
{
	const struct slots *s = &en->slots;
	uint64_t budget = en->cf.host_memory_mb * 1024 * 1024;
	uint32_t spare = s->max / 8 > 0 ? s->max / 8 : 1;

	return en->nqueue == 0 && members(en) < members_max(en) &&
	       s->ntaken + s->nclearing + spare < s->max &&
	       en->mem_used + POOL_MEMORY_FLOOR <= budget / 4 * 3;
}

static struct pool_line *
neediest(struct engine *en)
{
	struct pool *p = &en->pool;
	struct pool_line *best = NULL;
	uint64_t now = mono_now().ns;

	for (size_t i = 0; i < p->n; i++) {
		struct pool_line *l = &p->v[i];

		if (l->nready + l->nwarming < l->target &&
		    l->not_before.ns <= now &&
		    (best == NULL || l->used > best->used))
			best = l;
	}
	return best;
}

static void
back_off(struct pool_line *l)
{
	unsigned n = l->failures < 16 ? l->failures : 16;
	uint64_t ms = (uint64_t)POOL_AGAIN_MIN_MS << n;

	l->failures++;
	l->not_before = mono_after_ms(
	    mono_now(), ms < POOL_AGAIN_MAX_MS ? ms : POOL_AGAIN_MAX_MS);
}

static void
begin(struct engine *en, struct pool_line *l)
{
	const struct template *t =
	    templates_by_id(&en->templates, l->template_id);
	struct sandbox *sb;
	struct err e;

	if (t == NULL)
		return; /* the next look takes the line away */
	sb = pool_member_new(en, t, &e);
	if (sb == NULL) {
		log_warn(
		    "pool.begin template=%s err=\"%s\"", l->template_id, e.msg);
		back_off(l);
		return;
	}
	l->nwarming++;
	en->pool.warming = sb->ref;
	pool_member_begin(sb);
}

/* A lull; but under a light load that does not end it has to be, too. */
static bool
may_begin(struct engine *en)
{
	struct pool *p = &en->pool;
	struct mono now = mono_now();

	if (!p->is_waiting) {
		p->is_waiting = true;
		p->waiting = now;
	}
	return mono_ms(p->busy, now) >= POOL_LULL_MS ||
	       mono_ms(p->waiting, now) >= POOL_WAIT_MAX_MS;
}

/* --- templates -------------------------------------------------------------*/

static uint32_t
target_of(const struct engine *en, const struct template *t, int64_t wish)
{
	if (t->memory_mb > en->cf.host_memory_mb)
		return 0; /* no create of it is accepted either */
	if (wish >= 0)
		return (uint32_t)wish;
	return t->pool_size >= 0 ? (uint32_t)t->pool_size : en->cf.pool_size;
}

static void
look_at(struct engine *en, const struct template *t)
{
	struct err e;
	struct pool_line *l = line_wanted(en, t->id, &e);

	if (l == NULL) {
		log_warn("pool.look template=%s err=\"%s\"", t->id, e.msg);
		return;
	}
	l->seen = true;
	if (strcmp(l->build_id, t->build_id) != 0) {
		if (l->nready + l->nwarming > 0)
			log_info("pool.rebuilt template=%s members=%u", t->id,
			    l->nready + l->nwarming);
		(void)drain(en, l, 0);
		memcpy(l->build_id, t->build_id, sizeof(l->build_id));
		l->failures = 0;
		l->not_before = (struct mono){ 0 };
	}
	l->target = target_of(en, t, l->wish);
	(void)drain(en, l, l->target);
}

static void
look(struct engine *en)
{
	struct pool *p = &en->pool;
	struct templates *all = &en->templates;

	p->looked = mono_now();
	if (templates_changed(all))
		templates_refresh(all);
	for (size_t i = 0; i < p->n; i++)
		p->v[i].seen = false;
	for (size_t i = 0; i < all->n; i++)
		look_at(en, &all->v[i]);
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].seen)
			continue;
		p->v[i].target = 0;
		(void)drain(en, &p->v[i], 0);
		if (p->v[i].nwarming == 0)
			p->v[i--] = p->v[--p->n];
	}
}

static void
on_tick(struct loop_timer *w)
{
	struct pool *p = container_of(w, struct pool, tick);
	struct engine *en = container_of(p, struct engine, pool);
	struct pool_line *l;
	uint64_t ms = POOL_LULL_MS;

	if (p->off)
		return;
	if (mono_ms(p->looked, mono_now()) >= POOL_LOOK_MS)
		look(en);
	l = room(en) && warming(en) == NULL ? neediest(en) : NULL;
	if (l == NULL) {
		p->is_waiting = false;
		ms = POOL_WAIT_MAX_MS;
	} else if (may_begin(en)) {
		p->is_waiting = false;
		begin(en, l);
	}
	loop_timer_start(en->loop, w, ms);
}

/* Something is other than it was: do not wait for the next tick. */
static void
wake(struct engine *en)
{
	if (en->pool.on && !en->pool.off)
		loop_timer_start(en->loop, &en->pool.tick, 0);
}

void
pool_init(struct engine *en)
{
	struct pool *p = &en->pool;

	p->on = true;
	p->tick.on_time = on_tick;
	if (!p->off)
		look(en);
	wake(en);
}

void
pool_fini(struct engine *en)
{
	loop_timer_stop(&en->pool.tick);
	free(en->pool.v);
	en->pool.v = NULL;
	en->pool.n = 0;
}

/* --- what became of one ----------------------------------------------------*/

void
pool_over(struct sandbox *sb, const struct err *e)
{
	struct engine *en = sb->en;
	struct pool_line *l = pool_line(en, sb->r.template_id);

	en->pool.warming = (struct sb_ref){ 0, 0 };
	if (sb->given_up)
		en->pool.ngoing--;
	if (l != NULL)
		l->nwarming--;
	if (e != NULL && l != NULL && !sb->given_up) {
		back_off(l);
		log_warn("pool.failed template=%s failures=%u", l->template_id,
		    l->failures);
	} else if (e == NULL && l != NULL) {
		line_add(l, sb);
		pool_keep(sb);
	} else if (e == NULL) {
		sandbox_kill(sb, "pool");
	}
	wake(en);
}

void
pool_died(struct sandbox *sb)
{
	struct pool_line *l = pool_line(sb->en, sb->r.template_id);

	log_warn("pool.died template=%s sbx=%s", sb->r.template_id, sb->r.id);
	if (l != NULL)
		back_off(l);
	wake(sb->en);
}

/* Who is needed next is known by who was needed last. */
struct sandbox *
pool_take(struct engine *en, const struct sb_record *want)
{
	struct pool_line *l = pool_line(en, want->template_id);
	const struct sb_record *have;

	if (l == NULL)
		return NULL;
	l->used = ++en->pool.uses;
	if (l->nready == 0)
		return NULL;
	have = &l->first->r;
	if (strcmp(have->build_id, want->build_id) != 0 ||
	    have->cpu_count != want->cpu_count ||
	    have->memory_mb != want->memory_mb ||
	    have->disk_mb != want->disk_mb) {
		(void)drain(en, l, 0);
		return NULL;
	}
	l->failures = 0;
	if (en->pool.tick.active && l->nready == l->target)
		loop_timer_start(en->loop, &en->pool.tick, POOL_LULL_MS);
	return pool_line_take(l);
}

/* --- the API ---------------------------------------------------------------*/

struct counting {
	const char *template_id;
	uint32_t n;
};

static void
count(void *ctx, struct sandbox *sb)
{
	struct counting *c = ctx;

	c->n += strcmp(sb->r.template_id, c->template_id) == 0;
}

void
engine_pool_status(
    struct engine *en, const char *template_id, struct pool_status *out)
{
	const struct pool_line *l = pool_line(en, template_id);
	struct counting c = { template_id, 0 };

	*out = (struct pool_status){ 0 };
	engine_each(en, count, &c);
	out->in_use = c.n;
	if (l == NULL)
		return;
	out->ready = l->nready;
	out->warming = l->nwarming;
	out->target = l->target;
}

/* The others' members give way to none that are only to be kept ready. */
static int
warm_fits(struct engine *en, const struct pool_line *l, uint32_t count,
    const char **code, struct err *e)
{
	uint32_t here = l->nready + l->nwarming, more;
	uint64_t budget = en->cf.host_memory_mb * 1024 * 1024;
	const struct slots *s = &en->slots;

	*code = NULL;
	if (count <= here)
		return 0;
	more = count - here;
	if (members(en) + more > members_max(en) ||
	    s->ntaken + en->nqueue + more > s->max)
		return err_set(e, ERR_LIMIT,
		    "there is no room for %u sandboxes more to be kept ready: "
		    "%u of %u are there, and at most %u may be kept ready",
		    more, s->ntaken, s->max, members_max(en));
	if (en->mem_used + (uint64_t)more * POOL_MEMORY_FLOOR >
	    budget / 4 * 3) {
		*code = "sandbox_capacity_unavailable";
		return err_set(e, ERR_BUSY,
		    "there is no memory for %u sandboxes more to be kept "
		    "ready",
		    more);
	}
	return 0;
}

int
engine_pool_warm(struct engine *en, const char *template_id, uint32_t count,
    const char **code, struct err *e)
{
	struct pool_line *l = line_wanted(en, template_id, e);

	*code = NULL;
	if (l == NULL || warm_fits(en, l, count, code, e) < 0)
		return -1;
	l->wish = l->target = count;
	l->failures = 0;
	l->not_before = (struct mono){ 0 };
	(void)drain(en, l, count);
	wake(en);
	return 0;
}

uint32_t
engine_pool_drain(struct engine *en, const char *template_id)
{
	struct pool_line *l = pool_line(en, template_id);

	if (l == NULL)
		return 0;
	l->wish = l->target = 0;
	return drain(en, l, 0);
}

void
engine_pool_end(struct engine *en)
{
	en->pool.off = true;
	loop_timer_stop(&en->pool.tick);
	for (size_t i = 0; i < en->pool.n; i++)
		(void)drain(en, &en->pool.v[i], 0);
}

uint32_t
engine_pool_left(const struct engine *en)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= en->n; i++)
		n += en->v[i] != NULL && en->v[i]->member;
	return n;
}
