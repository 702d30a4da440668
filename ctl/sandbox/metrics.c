#include "ctl/sandbox/metrics.h"

#include <stdbool.h>
#include <stdlib.h>

/* An hour, a day and a week. */
static const struct {
	uint32_t step_s, max;
} rings[METRICS_NRINGS] = { { 5, 720 }, { 60, 1440 }, { 300, 2016 } };

void
metrics_fini(struct sb_metrics *m)
{
	for (int i = 0; i < METRICS_NRINGS; i++)
		free(m->ring[i].v);
	*m = (struct sb_metrics){ 0 };
}

/* Rings grow as a sandbox lives: most live for minutes. */
static bool
grow(struct sb_ring *r, uint32_t max)
{
	uint32_t cap = r->cap == 0 ? 16 : r->cap * 2;
	struct sb_sample *v;

	if (r->n < r->cap)
		return true;
	if (r->cap >= max)
		return false;
	if (cap > max)
		cap = max;
	/* Not full before, so first is 0 and nothing wraps. */
	v = realloc(r->v, cap * sizeof(*v));
	if (v == NULL)
		return false;
	r->v = v;
	r->cap = cap;
	return true;
}

static const struct sb_sample *
at(const struct sb_ring *r, uint32_t i)
{
	return &r->v[(r->first + i) % r->cap];
}

static void
put(struct sb_ring *r, uint32_t max, const struct sb_sample *s)
{
	if (grow(r, max)) {
		r->v[(r->first + r->n) % r->cap] = *s;
		r->n++;
	} else if (r->cap > 0) {
		r->v[r->first] = *s;
		r->first = (r->first + 1) % r->cap;
	}
}

/* The mean of what came in one step of the ring. */
struct mean {
	double cpu, mem, cache, disk;
	uint32_t n, at_s;
};

static void
mean_add(struct mean *m, const struct sb_sample *s)
{
	m->cpu += (double)s->cpu_pct;
	m->mem += s->mem_used_kb;
	m->cache += s->mem_cache_kb;
	m->disk += s->disk_used_kb;
	m->at_s = s->at_s;
	m->n++;
}

static struct sb_sample
mean_take(struct mean *m)
{
	const double n = m->n;
	struct sb_sample s = {
		.at_s = m->at_s,
		.cpu_pct = (float)(m->cpu / n),
		.mem_used_kb = (uint32_t)(m->mem / n),
		.mem_cache_kb = (uint32_t)(m->cache / n),
		.disk_used_kb = (uint32_t)(m->disk / n),
	};

	*m = (struct mean){ 0 };
	return s;
}

/* When a coarse step has ended, the finest ring holds all of it. */
static void
coarsen(struct sb_metrics *m, int i, uint32_t now_s)
{
	struct sb_ring *r = &m->ring[i];
	const struct sb_ring *fine = &m->ring[i - 1];
	const uint32_t step = rings[i].step_s;
	uint32_t begun = now_s / step * step;
	struct mean mean = { 0 };
	struct sb_sample s;

	if (r->begun_s == begun)
		return;
	for (uint32_t k = fine->n; k > 0; k--) {
		const struct sb_sample *x = at(fine, k - 1);

		if (x->at_s < r->begun_s)
			break;
		if (x->at_s < begun)
			mean_add(&mean, x);
	}
	r->begun_s = begun;
	if (mean.n == 0)
		return;
	mean.at_s = begun;
	s = mean_take(&mean);
	put(r, rings[i].max, &s);
}

static uint32_t
kb(uint64_t bytes)
{
	return bytes / 1024 > UINT32_MAX ? UINT32_MAX
					 : (uint32_t)(bytes / 1024);
}

void
metrics_restart(struct sb_metrics *m, uint64_t at_us)
{
	m->cpu_us = 0;
	m->at_us = at_us;
}

void
metrics_add(struct sb_metrics *m, const struct spawn_stats *st,
    uint32_t cpu_count, uint64_t at_us)
{
	struct sb_sample s = {
		.at_s = (uint32_t)(at_us / 1000000),
		.mem_used_kb = kb(st->mem_used),
		.mem_cache_kb = kb(st->mem_cache),
		.disk_used_kb = kb(st->disk_used),
	};
	uint64_t span = at_us > m->at_us ? at_us - m->at_us : 1;
	uint64_t used = st->cpu_us > m->cpu_us ? st->cpu_us - m->cpu_us : 0;

	/* After a restart of ours the counter's start is not known. */
	if (m->at_us != 0)
		s.cpu_pct = (float)(100.0 * (double)used / (double)span /
				    (double)(cpu_count > 0 ? cpu_count : 1));
	if (s.cpu_pct > 100)
		s.cpu_pct = 100;
	m->cpu_us = st->cpu_us;
	m->at_us = at_us;
	m->mem_total = st->mem_total;
	m->disk_total = st->disk_total;
	put(&m->ring[0], rings[0].max, &s);
	for (int i = 1; i < METRICS_NRINGS; i++)
		coarsen(m, i, s.at_s);
}

const struct sb_sample *
metrics_last(const struct sb_metrics *m)
{
	const struct sb_ring *r = &m->ring[0];

	return r->n > 0 ? at(r, r->n - 1) : NULL;
}

uint32_t
metrics_bucket(uint64_t span_s)
{
	static const struct {
		uint64_t below_h;
		uint32_t bucket_s;
	} table[] = { { 1, 5 }, { 6, 30 }, { 12, 60 }, { 24, 120 },
		{ 7 * 24, 300 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (span_s < table[i].below_h * 3600)
			return table[i].bucket_s;
	return 900;
}

/* The finest ring that goes back far enough; else the longest. */
static const struct sb_ring *
choose(const struct sb_metrics *m, uint64_t from_s)
{
	for (int i = 0; i < METRICS_NRINGS; i++) {
		const struct sb_ring *r = &m->ring[i];
		bool whole = r->n < rings[i].max;

		if (r->n > 0 && (whole || at(r, 0)->at_s <= from_s))
			return r;
	}
	return &m->ring[METRICS_NRINGS - 1];
}

size_t
metrics_range(const struct sb_metrics *m, uint64_t from_s, uint64_t to_s,
    struct sb_sample *out, size_t max)
{
	const struct sb_ring *r = choose(m, from_s);
	uint32_t bucket = metrics_bucket(to_s - from_s);
	uint64_t open = 0;
	struct mean mean = { 0 };
	size_t n = 0;

	for (uint32_t i = 0; i < r->n && n < max; i++) {
		const struct sb_sample *s = at(r, i);

		if (s->at_s < from_s || s->at_s > to_s)
			continue;
		if (mean.n > 0 && s->at_s / bucket != open)
			out[n++] = mean_take(&mean);
		open = s->at_s / bucket;
		mean_add(&mean, s);
	}
	if (mean.n > 0 && n < max)
		out[n++] = mean_take(&mean);
	return n;
}
