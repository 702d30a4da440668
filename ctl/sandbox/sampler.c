/*
 * sampler.c - asks what each sandbox uses, every five seconds; a fiftieth of
 * them every hundred milliseconds, so that privd is never busy with it.
 */
#include "ctl/sandbox/sandbox_int.h"

#include "base/own.h"
#include "io/log.h"

enum { TICK_MS = 100, PHASES = METRICS_STEP_S * 1000 / TICK_MS };

void
count_memory(struct sandbox *sb, uint64_t bytes)
{
	sb->en->mem_used += bytes - sb->mem_counted;
	sb->mem_counted = bytes;
}

void
sampler_forget(struct sandbox *sb)
{
	count_memory(sb, 0);
	metrics_fini(&sb->metrics);
}

static void
on_stats(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb == NULL)
		return;
	sb->stats_asked = false;
	if (r->u.spawn.rc < 0) {
		log_debug(
		    "stats sbx=%s err=\"%s\"", sb->r.id, r->u.spawn.err.msg);
		return;
	}
	/* What was done before it was somebody's does not show. */
	if (sb->member)
		sb->warm_cpu_us = r->u.spawn.stats.cpu_us;
	else
		metrics_add(&sb->metrics, &r->u.spawn.stats, sb->r.cpu_count,
		    (uint64_t)wall_ms() * 1000);
	count_memory(sb, r->u.spawn.stats.mem_used);
}

static void
ask(struct sandbox *sb)
{
	struct chan_ask a = {
		.type = SPAWN_STATS,
		.head = &sb->r.slot,
		.head_len = sizeof(sb->r.slot),
		.fd = -1,
		.done = on_stats,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};
	struct err e;

	if (sb->stats_asked ||
	    (sb->r.state != SB_RUNNING && sb->r.state != SB_WARM))
		return;
	if (chan_ask(&sb->en->spawn, &a, &e) == 0)
		sb->stats_asked = true;
}

static void
on_tick(struct loop_timer *w)
{
	struct engine *en = container_of(w, struct engine, sampler);

	slots_sweep(&en->slots);
	en->sample_at = (en->sample_at + 1) % PHASES;
	for (uint32_t i = en->sample_at; i <= en->n; i += PHASES) {
		struct sandbox *sb = i > 0 ? en->v[i] : NULL;

		if (sb == NULL)
			continue;
		ask(sb);
		denials_tick(sb);
		/* A policy that did not reach the kernel is tried again. */
		if (sb->net_failed)
			network_again(sb, false, AGAIN_NOBODY);
	}
	loop_timer_start(en->loop, &en->sampler, TICK_MS);
}

void
sampler_init(struct engine *en)
{
	en->sampler.on_time = on_tick;
	loop_timer_start(en->loop, &en->sampler, TICK_MS);
}
