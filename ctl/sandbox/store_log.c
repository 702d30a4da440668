/* store_log.c - what happened, and what was answered. */
#include "ctl/sandbox/store_int.h"

#include <string.h>

static const char *const levels[] = { "debug", "info", "warn", "error" };

static int
level_number(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(levels[i], name) == 0)
			return i;
	return 1;
}

int
store_event_add(struct store *st, const struct store_event *ev, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_EVENT_ADD];

	(void)sqlite3_bind_int64(q, 1, ev->at_ms);
	store_text(q, 2, ev->sandbox_id);
	store_text(q, 3, ev->type);
	store_text(q, 4, ev->template_id);
	store_text(q, 5, ev->build_id);
	(void)sqlite3_bind_int(q, 6, level_number(ev->level));
	store_text(q, 7, ev->message);
	store_text(q, 8, ev->data);
	st->events++;
	return store_run(st, ST_EVENT_ADD, "event", e);
}

int
store_event_missed(struct store *st, struct err *e)
{
	store_text(st->stmt[ST_EVENT_MISSED], 1, "sandbox.lifecycle.created");
	return store_run(st, ST_EVENT_MISSED, "missed events", e);
}

static void
event_from(sqlite3_stmt *q, struct store_event *ev)
{
	int level = sqlite3_column_int(q, 6);

	*ev = (struct store_event){
		.seq = sqlite3_column_int64(q, 0),
		.at_ms = sqlite3_column_int64(q, 1),
		.sandbox_id = store_peek(q, 2),
		.type = store_peek(q, 3),
		.template_id = store_peek(q, 4),
		.build_id = store_peek(q, 5),
		.level = levels[level >= 0 && level < 4 ? level : 1],
		.message = store_peek(q, 7),
	};
	if (sqlite3_column_type(q, 8) != SQLITE_NULL)
		ev->data = store_peek(q, 8);
}

void
store_bind_range(sqlite3_stmt *q, const struct store_event_query *eq)
{
	store_text(q, 1, eq->sandbox_id);
	(void)sqlite3_bind_int64(q, 2, eq->from_ms);
	(void)sqlite3_bind_int64(q, 3, eq->to_ms);
	(void)sqlite3_bind_int(q, 4, eq->min_level);
	store_text(q, 5, eq->search);
	(void)sqlite3_bind_int64(q, 6, eq->limit);
}

int
store_range_over(
    struct store *st, sqlite3_stmt *q, int rc, const char *what, struct err *e)
{
	rc = rc == SQLITE_DONE ? 0 : store_fail(st, what, e);
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return rc;
}

int
store_event_each(struct store *st, const struct store_event_query *eq,
    void (*each)(void *ctx, const struct store_event *ev), void *ctx,
    struct err *e)
{
	sqlite3_stmt *q =
	    st->stmt[eq->backward ? ST_EVENT_BACKWARD : ST_EVENT_FORWARD];
	struct store_event ev;
	int rc;

	store_bind_range(q, eq);
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		event_from(q, &ev);
		each(ctx, &ev);
	}
	return store_range_over(st, q, rc, "events", e);
}

int
store_event_known(struct store *st, const char *sandbox_id, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_EVENT_KNOWN];
	int rc;

	store_text(q, 1, sandbox_id);
	rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		rc = store_fail(st, "events", e);
	else
		rc = rc == SQLITE_ROW;
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return rc;
}

unsigned
store_event_added(const struct store *st)
{
	return st->events;
}

int
store_event_prune(
    struct store *st, int64_t before_ms, int64_t max, struct err *e)
{
	st->events = 0;
	(void)sqlite3_bind_int64(st->stmt[ST_EVENT_PRUNE_AGE], 1, before_ms);
	if (store_run(st, ST_EVENT_PRUNE_AGE, "prune events", e) < 0)
		return -1;
	(void)sqlite3_bind_int64(st->stmt[ST_EVENT_PRUNE_MAX], 1, max);
	return store_run(st, ST_EVENT_PRUNE_MAX, "prune events", e);
}

int
store_answer_get(
    struct store *st, const char *key, struct store_answer *out, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_ANSWER_GET];
	int rc, n;

	store_text(q, 1, key);
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW) {
		rc = 1;
		if (sqlite3_column_bytes(q, 0) == STORE_PRINT_LEN)
			memcpy(out->print, sqlite3_column_blob(q, 0),
			    STORE_PRINT_LEN);
		out->at_ms = sqlite3_column_int64(q, 1);
		out->status = sqlite3_column_int(q, 2);
		n = sqlite3_column_bytes(q, 3);
		if (n > 0 && buf_add(&out->body, sqlite3_column_blob(q, 3),
				 (size_t)n) < 0)
			rc =
			    err_set(e, ERR_SYS, "store: answer of %d bytes", n);
	} else {
		rc = rc == SQLITE_DONE ? 0 : store_fail(st, "answer", e);
	}
	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return rc;
}

int
store_answer_put(struct store *st, const char *key, const uint8_t *print,
    int64_t at_ms, int status, const char *body, size_t n, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_ANSWER_PUT];

	store_text(q, 1, key);
	(void)sqlite3_bind_blob(q, 2, print, STORE_PRINT_LEN, SQLITE_STATIC);
	(void)sqlite3_bind_int64(q, 3, at_ms);
	(void)sqlite3_bind_int(q, 4, status);
	(void)sqlite3_bind_blob(q, 5, body, (int)n, SQLITE_STATIC);
	return store_run(st, ST_ANSWER_PUT, "answer", e);
}

int
store_answer_prune(struct store *st, int64_t before_ms, struct err *e)
{
	(void)sqlite3_bind_int64(st->stmt[ST_ANSWER_PRUNE], 1, before_ms);
	return store_run(st, ST_ANSWER_PRUNE, "prune answers", e);
}
