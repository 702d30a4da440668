/*
 * metrics.h - what a sandbox used, over time: three rings, each coarser and
 * longer than the one before.  Kept in memory, for as long as the sandbox.
 */
#ifndef SANDBOX_METRICS_H
#define SANDBOX_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/priv/spawn_msg.h"

enum {
	METRICS_STEP_S = 5,
	METRICS_NRINGS = 3,
	METRICS_ANSWER_MAX = 4096, /* samples in one answer */
};

struct sb_sample {
	uint32_t at_s; /* unix time */
	float cpu_pct; /* of all its cores: 0 to 100 */
	uint32_t mem_used_kb, mem_cache_kb, disk_used_kb;
};

struct sb_ring {
	struct sb_sample *v;
	uint32_t n, cap, first;
	uint32_t begun_s; /* of the step that is not complete yet */
};

struct sb_metrics {
	struct sb_ring ring[METRICS_NRINGS];
	uint64_t mem_total, disk_total; /* bytes */
	uint64_t cpu_us, at_us;		/* of the last reading */
};

void metrics_fini(struct sb_metrics *m);
/* One reading; at_us is wall time.  Without memory it is lost. */
void metrics_add(struct sb_metrics *m, const struct spawn_stats *st,
    uint32_t cpu_count, uint64_t at_us);
/* The counter starts again: new processes. */
void metrics_restart(struct sb_metrics *m, uint64_t at_us);
const struct sb_sample *metrics_last(const struct sb_metrics *m);
/* Seconds in a bucket of an answer that spans so much. */
uint32_t metrics_bucket(uint64_t span_s);
/*
 * The samples of [from, to], one for each bucket that has any, oldest first.
 * Writes at most max, and returns how many.
 */
size_t metrics_range(const struct sb_metrics *m, uint64_t from_s, uint64_t to_s,
    struct sb_sample *out, size_t max);

#endif
