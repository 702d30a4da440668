/* keeper.c - keeps the store small: checkpoints, and what has grown old. */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>

#include "base/own.h"
#include "io/log.h"

enum {
	TICK_MS = 1000,
	CHECKPOINT_PAGES = 1000, /* about 4 MB */
	PRUNE_EVERY = 600,	 /* ticks */
	PRUNE_EVENTS = 2000,	 /* or so many new ones: each takes little */
	EVENTS_MAX = 200000,
	PRUNE_LINES = 500,
	LINES_MAX = 200000,
};

#define DAY_MS ((int64_t)24 * 3600 * 1000)

struct checkpoint {
	struct job job;
	struct engine *en;
	char path[320];
	int rc;
	struct err err;
};

static void
work(struct job *j)
{
	struct checkpoint *c = container_of(j, struct checkpoint, job);

	c->rc = store_checkpoint(c->path, &c->err);
}

static void
done(struct job *j)
{
	struct checkpoint *c = container_of(j, struct checkpoint, job);

	c->en->checkpointing = false;
	if (c->rc < 0)
		log_warn("store.checkpoint err=\"%s\"", c->err.msg);
	free(c);
}

static void
checkpoint(struct engine *en)
{
	struct checkpoint *c;

	if (en->checkpointing || store_wal_pages(en->store) < CHECKPOINT_PAGES)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return; /* another time */
	c->job.work = work;
	c->job.done = done;
	c->en = en;
	engine_db_path(&en->cf, c->path, sizeof(c->path));
	en->checkpointing = true;
	job_submit(en->jobs, &c->job);
}

static void
prune(struct engine *en)
{
	struct err e;

	if (store_event_prune(
		en->store, wall_ms() - 7 * DAY_MS, EVENTS_MAX, &e) < 0 ||
	    store_answer_prune(en->store, wall_ms() - DAY_MS, &e) < 0 ||
	    store_lines_forget(en->store, &e) < 0)
		log_warn("store.prune err=\"%s\"", e.msg);
}

static void
prune_lines(struct engine *en)
{
	struct err e;

	if (store_lines_prune(
		en->store, wall_ms() - 7 * DAY_MS, LINES_MAX, &e) < 0)
		log_warn("store.prune err=\"%s\"", e.msg);
}

static void
on_tick(struct loop_timer *w)
{
	struct engine *en = container_of(w, struct engine, keeper);

	checkpoint(en);
	if (++en->keeper_ticks % PRUNE_EVERY == 0 ||
	    store_event_added(en->store) > PRUNE_EVENTS)
		prune(en);
	if (en->keeper_ticks % PRUNE_EVERY == 0 ||
	    store_lines_added(en->store) > PRUNE_LINES)
		prune_lines(en);
	loop_timer_start(en->loop, &en->keeper, TICK_MS);
}

void
keeper_init(struct engine *en)
{
	en->keeper.on_time = on_tick;
	prune(en);
	loop_timer_start(en->loop, &en->keeper, TICK_MS);
}
