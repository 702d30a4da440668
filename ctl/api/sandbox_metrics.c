/* sandbox_metrics.c - GET /sandboxes/{id}/metrics, GET /sandboxes/metrics */
#include "ctl/api/api_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum {
	BATCH_MAX = 100,
};

/* Far enough for any clock; beyond it arithmetic would be guessing. */
#define TIME_MAX_S ((int64_t)4102444800) /* the year 2100 */

static void
out_sample(struct buf *b, const struct sandbox *sb, const struct sb_sample *s,
    const struct sb_metrics *m)
{
	const struct sb_record *r = sandbox_record(sb);
	char text[TIME_TEXT];

	(void)buf_puts(b, "{\"timestamp\":");
	out_string(b, time_text((int64_t)s->at_s * 1000, text));
	(void)buf_printf(b,
	    ",\"timestampUnix\":%u,\"cpuCount\":%u,\"cpuUsedPct\":%.2f"
	    ",\"memUsed\":%llu,\"memTotal\":%llu,\"memCache\":%llu"
	    ",\"diskUsed\":%llu,\"diskTotal\":%llu}",
	    s->at_s, r->cpu_count, (double)s->cpu_pct,
	    (unsigned long long)s->mem_used_kb * 1024,
	    (unsigned long long)m->mem_total,
	    (unsigned long long)s->mem_cache_kb * 1024,
	    (unsigned long long)s->disk_used_kb * 1024,
	    (unsigned long long)m->disk_total);
}

static void
range(struct call *c, struct sandbox *sb, uint64_t from, uint64_t to)
{
	const struct sb_metrics *m = sandbox_metrics(sb);
	autofree struct sb_sample *v = calloc(METRICS_ANSWER_MAX, sizeof(*v));
	size_t n;
	struct buf b;

	if (v == NULL) {
		call_fail(c, 500, NULL, "no memory");
		return;
	}
	n = metrics_range(m, from, to, v, METRICS_ANSWER_MAX);
	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_puts(&b, ",");
		out_sample(&b, sb, &v[i], m);
	}
	(void)buf_puts(&b, "]");
	call_ok(c, 200, &b);
}

void
get_metrics(struct call *c)
{
	const char *id = call_sandbox_id(c);
	int64_t now = wall_ms() / 1000, from, to;
	struct sandbox *sb;
	struct err e;

	if (id == NULL)
		return;
	if (query_int(&c->query, "end", 0, TIME_MAX_S, now, &to, &e) < 0 ||
	    query_int(&c->query, "start", 0, TIME_MAX_S, -1, &from, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	if (from > to) {
		call_fail(c, 400, NULL, "start time cannot be after end time");
		return;
	}
	sb = call_sandbox(c);
	if (sb == NULL)
		return;
	if (from < 0)
		from = sandbox_record(sb)->created_ms / 1000;
	if (from > to)
		from = to;
	range(c, sb, (uint64_t)from, (uint64_t)to);
}

/* --- batch
 * ------------------------------------------------------------------*/

struct batch {
	struct sb_pairs ids;
};

static int
take_id(void *ctx, const char *value, struct err *e)
{
	struct batch *b = ctx;

	if (sb_pairs_get(&b->ids, value) != NULL)
		return err_set(e, ERR_INVALID,
		    "validation error: sandbox_ids has %.40s twice", value);
	if (b->ids.n == BATCH_MAX)
		return err_set(e, ERR_INVALID,
		    "validation error: sandbox_ids has more than %d ids",
		    BATCH_MAX);
	return sb_pairs_add(&b->ids, value, "", e);
}

static void
answer(struct call *c, const struct batch *ids)
{
	const char *between = "";
	struct buf b;

	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "{\"sandboxes\":{");
	for (size_t i = 0; i < ids->ids.n; i++) {
		struct sandbox *sb =
		    engine_find(c->api->en, ids->ids.v[i].name);
		const struct sb_sample *s =
		    sb != NULL ? metrics_last(sandbox_metrics(sb)) : NULL;

		if (s == NULL)
			continue;
		(void)buf_puts(&b, between);
		between = ",";
		out_string(&b, ids->ids.v[i].name);
		(void)buf_puts(&b, ":");
		out_sample(&b, sb, s, sandbox_metrics(sb));
	}
	(void)buf_puts(&b, "}}");
	call_ok(c, 200, &b);
}

void
get_metrics_batch(struct call *c)
{
	struct batch b = { .ids = { .n = 0 } };
	struct err e;

	if (query_list(&c->query, "sandbox_ids", take_id, &b, &e) < 0)
		call_error(c, &e, NULL);
	else if (b.ids.n == 0)
		call_fail(
		    c, 400, NULL, "validation error: sandbox_ids is missing");
	else
		answer(c, &b);
	sb_pairs_fini(&b.ids);
}
