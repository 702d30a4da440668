/* store_lines.c - what was said inside sandboxes, and how far we have it. */
#include "ctl/sandbox/store_int.h"

#include <string.h>

#include "ctl/sandbox/log_line.h"

enum { PRUNE_ROUND = 5000 };

int
store_line_add(struct store *st, const struct store_line *l, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LINE_ADD];

	store_text(q, 1, l->sandbox_id);
	(void)sqlite3_bind_int64(q, 2, l->at_ms);
	(void)sqlite3_bind_int(q, 3, l->level);
	store_text(q, 4, l->logger);
	store_text(q, 5, l->message);
	store_text(q, 6, l->fields);
	st->lines++;
	return store_run(st, ST_LINE_ADD, "log line", e);
}

int
store_lines_get(struct store *st, const char *sandbox_id,
    struct store_lines_at *out, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LINES_GET];
	int rc;

	*out = (struct store_lines_at){ .seq = 0 };
	store_text(q, 1, sandbox_id);
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW) {
		out->seq = (uint64_t)sqlite3_column_int64(q, 0);
		out->last_ms = sqlite3_column_int64(q, 1);
		out->n = sqlite3_column_int64(q, 2);
	}
	rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0
						   : store_fail(st, "log", e);
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return rc;
}

int
store_lines_put(struct store *st, const char *sandbox_id,
    const struct store_lines_at *at, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LINES_PUT];

	store_text(q, 1, sandbox_id);
	(void)sqlite3_bind_int64(q, 2, (sqlite3_int64)at->seq);
	(void)sqlite3_bind_int64(q, 3, at->last_ms);
	(void)sqlite3_bind_int64(q, 4, at->n);
	return store_run(st, ST_LINES_PUT, "log", e);
}

int
store_lines_trim(
    struct store *st, const char *sandbox_id, int64_t keep, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LINES_TRIM];

	store_text(q, 1, sandbox_id);
	(void)sqlite3_bind_int64(q, 2, keep);
	return store_run(st, ST_LINES_TRIM, "trim log", e);
}

static void
line_from(sqlite3_stmt *q, struct store_line *l)
{
	int level = sqlite3_column_int(q, 1);

	*l = (struct store_line){
		.at_ms = sqlite3_column_int64(q, 0),
		.level = level >= 0 && level < LINE_NLEVELS ? level : LINE_INFO,
		.logger = store_peek(q, 2),
		.message = store_peek(q, 3),
	};
	if (sqlite3_column_type(q, 4) != SQLITE_NULL)
		l->fields = store_peek(q, 4);
	if (sqlite3_column_type(q, 5) != SQLITE_NULL)
		l->event = store_peek(q, 5);
}

int
store_line_each(struct store *st, const struct store_event_query *eq,
    void (*each)(void *ctx, const struct store_line *l), void *ctx,
    struct err *e)
{
	sqlite3_stmt *q =
	    st->stmt[eq->backward ? ST_LINE_BACKWARD : ST_LINE_FORWARD];
	struct store_line l;
	int rc;

	store_bind_range(q, eq);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		line_from(q, &l);
		each(ctx, &l);
	}
	return store_range_over(st, q, rc, "log", e);
}

unsigned
store_lines_added(const struct store *st)
{
	return st->lines;
}

/* Rows stand in the order in which they came: the oldest are the first. */
int
store_lines_prune(
    struct store *st, int64_t before_ms, int64_t max, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LINES_PRUNE_AGE];

	st->lines = 0;
	(void)sqlite3_bind_int64(q, 1, before_ms);
	(void)sqlite3_bind_int(q, 2, PRUNE_ROUND);
	if (store_run(st, ST_LINES_PRUNE_AGE, "prune log", e) < 0)
		return -1;
	(void)sqlite3_bind_int64(st->stmt[ST_LINES_PRUNE_MAX], 1, max);
	return store_run(st, ST_LINES_PRUNE_MAX, "prune log", e);
}

int
store_lines_forget(struct store *st, struct err *e)
{
	return store_run(st, ST_LINES_FORGET, "prune log", e);
}
