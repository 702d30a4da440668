/* engine.c - puts the parts together, and takes them apart. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

void
engine_db_path(const struct engine_conf *cf, char *to, size_t cap)
{
	(void)snprintf(to, cap, "%s/db/coppice.db", cf->state_dir);
}

/*
 * Whoever has a slot has been sent rules, or is being sent some: what is sent
 * again comes after them, as a policy of the same tenant.
 */
void
engine_apply_again(struct engine *en)
{
	en->again_due = !en->ready;
	if (!en->ready)
		return; /* recovery sends them all, and some it has sent */
	en->again_since = mono_now();
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL && en->v[i]->r.slot.slot != 0 &&
		    (sandbox_visible(en->v[i]) ||
			en->v[i]->r.state == SB_CREATING))
			network_again(en->v[i], false, AGAIN_ALL);
}

/* If it cannot be read, what we judge by is old, what privd does is not. */
static void
take_site(struct engine *en)
{
	struct np_site fresh;
	struct err e;

	if (en->calls.site(en->calls.ctx, &fresh, &e) < 0) {
		log_error("rules.site err=\"%s\"", e.msg);
		return;
	}
	/* Until it is sent again, what holds was made with the old ranges. */
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL)
			denials_unsure(en->v[i]);
	np_site_fini(&en->site);
	en->site = fresh;
}

static void
on_rules_event(struct chan *c, uint16_t type, const void *body, size_t len)
{
	(void)body;
	(void)len;
	switch (type) {
	case RULES_EV_LOST:
		log_warn("rules.lost: the table was rebuilt, applying all "
			 "policies");
		break;
	case RULES_EV_SITE:
		log_info("rules.site: other ranges, applying all policies");
		take_site(c->ctx);
		break;
	default:
		log_warn("rules.event type=%u", type);
		return;
	}
	engine_apply_again(c->ctx);
}

static void
on_spawn_event(struct chan *c, uint16_t type, const void *body, size_t len)
{
	reclaim_event(c->ctx, type, body, len);
}

static void
on_chan_close(struct chan *c)
{
	struct engine *en = c->ctx;

	en->calls.on_lost(en->calls.ctx, c->name);
}

static void
on_route_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct engine *en = container_of(c, struct engine, route);

	if (!way_in_take(en, msg, len))
		log_warn("route.unexpected bytes=%zu", len);
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

static void
on_route_close(struct seqpkt *c)
{
	struct engine *en = container_of(c, struct engine, route);

	en->calls.on_lost(en->calls.ctx, "route");
}

static uint32_t
next_incarnation(void *ctx, struct err *e)
{
	return counter_next(ctx, STORE_INCARNATION, e);
}

static int
open_channels(struct engine *en, struct engine_fds *fds, struct err *e)
{
	en->rules.name = "rules";
	en->rules.reply_len = sizeof(struct rules_reply);
	en->rules.on_event = on_rules_event;
	en->spawn.name = "spawn";
	en->spawn.reply_len = sizeof(struct spawn_reply);
	en->spawn.on_event = on_spawn_event;
	en->rules.on_close = en->spawn.on_close = on_chan_close;
	en->rules.ctx = en->spawn.ctx = en;
	if (chan_open(&en->rules, en->loop, take_fd(&fds->rules), e) < 0 ||
	    chan_open(&en->spawn, en->loop, take_fd(&fds->spawn), e) < 0)
		return -1;
	en->route.on_msg = on_route_msg;
	en->route.on_close = on_route_close;
	if (fds->route >= 0)
		seqpkt_open(en->loop, &en->route, take_fd(&fds->route));
	return 0;
}

static int
open_slots(struct engine *en, struct err *e)
{
	en->slots.target = en->cf.pool_slots;
	en->slots.rules = &en->rules;
	en->slots.spawn = &en->spawn;
	en->slots.loop = en->loop;
	en->slots.incarnation = next_incarnation;
	en->slots.on_ready = slots_came;
	en->slots.on_cleared = kill_cleared;
	en->slots.ctx = en;
	en->by_slot =
	    calloc((size_t)en->cf.max_sandboxes + 1, sizeof(en->by_slot[0]));
	if (en->by_slot == NULL)
		return err_sys(e, "slots");
	return slots_init(&en->slots, en->cf.max_sandboxes, e);
}

static int
open_all(struct engine *en, struct engine_fds *fds, struct err *e)
{
	char path[320];

	if (en->calls.site(en->calls.ctx, &en->site, e) < 0)
		return -1;
	engine_db_path(&en->cf, path, sizeof(path));
	en->store = store_open(path, e);
	if (en->store == NULL)
		return -1;
	(void)snprintf(en->templates.dir, sizeof(en->templates.dir),
	    "%s/templates", en->cf.state_dir);
	en->templates.cpu_count = en->cf.cpu_count;
	en->templates.memory_mb = en->cf.memory_mb;
	en->templates.disk_mb = en->cf.disk_mb;
	if (templates_read(&en->templates, e) < 0)
		return -1;
	en->jobs = job_pool_new(en->loop, 1, e);
	if (en->jobs == NULL)
		return -1;
	time_init(en);
	if (open_slots(en, e) < 0 || open_channels(en, fds, e) < 0)
		return -1;
	return reclaim_begin(en, e);
}

struct engine *
engine_new(struct loop *l, const struct engine_conf *cf,
    const struct engine_calls *calls, struct engine_fds fds, struct err *e)
{
	struct engine *en = calloc(1, sizeof(*en));

	if (en == NULL) {
		err_sys(e, "engine");
	} else {
		en->loop = l;
		en->cf = *cf;
		en->calls = *calls;
		en->route.io.fd = en->denials.io.fd = en->log_fd = -1;
		en->cut_last = &en->cut_first;
		logs_init(en);
		if (open_all(en, &fds, e) < 0) {
			engine_free(en);
			en = NULL;
		}
	}
	own_close(&fds.rules);
	own_close(&fds.spawn);
	own_close(&fds.route);
	return en;
}

void
engine_free(struct engine *en)
{
	if (en == NULL)
		return;
	loop_timer_stop(&en->timer);
	loop_timer_stop(&en->sampler);
	loop_timer_stop(&en->keeper);
	pool_fini(en);
	job_pool_free(en->jobs);
	if (en->by_slot != NULL)
		registry_fini(en);
	logs_fini(en);
	slots_fini(&en->slots);
	deadlines_fini(&en->deadlines);
	chan_fini(&en->rules);
	chan_fini(&en->spawn);
	if (en->route.io.fd >= 0)
		seqpkt_close(&en->route);
	cut_fini(en);
	denials_close(en);
	np_site_fini(&en->site);
	templates_fini(&en->templates);
	store_close(en->store);
	free(en->found);
	free(en);
}

bool
engine_ready(const struct engine *en)
{
	return en->ready;
}

struct store *
engine_store(struct engine *en)
{
	return en->store;
}

struct templates *
engine_templates(struct engine *en)
{
	return &en->templates;
}

bool
sandbox_visible(const struct sandbox *sb)
{
	return sb->r.state == SB_RUNNING || sb->r.state == SB_PAUSING ||
	       sb->r.state == SB_PAUSED || sb->r.state == SB_RESUMING;
}

struct sandbox *
engine_find(struct engine *en, const char *id)
{
	struct sandbox *sb = registry_by_id(en, id);

	return sb != NULL && sandbox_visible(sb) ? sb : NULL;
}

const struct sb_record *
sandbox_record(const struct sandbox *sb)
{
	return &sb->r;
}

struct sb_metrics *
sandbox_metrics(struct sandbox *sb)
{
	return &sb->metrics;
}

struct sb_cache *
sandbox_cache(struct sandbox *sb)
{
	return &sb->cache;
}

void
engine_each(
    struct engine *en, void (*each)(void *ctx, struct sandbox *sb), void *ctx)
{
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL && sandbox_visible(en->v[i]))
			each(ctx, en->v[i]);
}

void
engine_kill_all(struct engine *en)
{
	engine_pool_end(en);
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL)
			sandbox_kill(en->v[i], "admin");
}

struct engine_counts
engine_count(const struct engine *en)
{
	struct engine_counts c = {
		.running = en->nrunning,
		.paused = en->npaused,
		.ready_slots = en->slots.ready.n,
	};

	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL)
			c.other++;
	c.other -= c.running + c.paused;
	return c;
}
