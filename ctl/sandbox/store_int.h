/* store_int.h - shared by store*.c alone. */
#ifndef SANDBOX_STORE_INT_H
#define SANDBOX_STORE_INT_H

#include <sqlite3.h>

#include "ctl/sandbox/store.h"

/* Prepared once, by number; the texts are in store.c. */
enum store_stmt {
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	ST_INSERT,
	ST_UPDATE,
	ST_UPDATE_NET,
	ST_DELETE,
	ST_LOAD,
	ST_COUNTER_GET,
	ST_COUNTER_SET,
	ST_EVENT_ADD,
	ST_EVENT_MISSED,
	ST_EVENT_FORWARD,
	ST_EVENT_BACKWARD,
	ST_EVENT_KNOWN,
	ST_EVENT_PRUNE_AGE,
	ST_EVENT_PRUNE_MAX,
	ST_ANSWER_GET,
	ST_ANSWER_PUT,
	ST_ANSWER_PRUNE,
	ST_LINE_ADD,
	ST_LINE_FORWARD,
	ST_LINE_BACKWARD,
	ST_LINES_GET,
	ST_LINES_PUT,
	ST_LINES_TRIM,
	ST_LINES_PRUNE_AGE,
	ST_LINES_PRUNE_MAX,
	ST_LINES_FORGET,
	ST_NSTMTS,
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *stmt[ST_NSTMTS];
	int wal_pages;
	unsigned events; /* added since they were last counted */
	unsigned lines;	 /* likewise */
};

/* ERR_SYS with SQLite's sentence. */
int store_fail(struct store *st, const char *what, struct err *e);
/* Runs a statement that gives no rows, and resets it. */
int store_run(
    struct store *st, enum store_stmt s, const char *what, struct err *e);
/* Binds text, or NULL. */
void store_text(sqlite3_stmt *s, int at, const char *text);
/* Copies a text column, cut to fit. */
void store_column(sqlite3_stmt *s, int at, char *to, size_t cap);
/* "" when the column is NULL. */
const char *store_peek(sqlite3_stmt *s, int at);
/* What the statements of store_event_each() and store_line_each() ask. */
void store_bind_range(sqlite3_stmt *q, const struct store_event_query *eq);
/* Their last step's rc to ours; resets. */
int store_range_over(
    struct store *st, sqlite3_stmt *q, int rc, const char *what, struct err *e);

#endif
