#include "ctl/sandbox/store_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"

/*
 * What brings a file from one version to the next; user_version counts them.
 * Never change one that was released: add.
 */
static const char *const migrations[] = {
	"CREATE TABLE counter (name INTEGER PRIMARY KEY, next INTEGER);"
	"CREATE TABLE sandbox ("
	" id TEXT PRIMARY KEY, state TEXT, slot INTEGER, incarnation INTEGER,"
	" template_id TEXT, build_id TEXT, alias TEXT, envd_version TEXT,"
	" user TEXT, workdir TEXT,"
	" cpu_count INTEGER, memory_mb INTEGER, disk_mb INTEGER,"
	" metadata TEXT, env TEXT, mcp TEXT,"
	" private_traffic INTEGER, mask_host TEXT,"
	" envd_token TEXT, traffic_token TEXT, secret TEXT,"
	" pause_on_timeout INTEGER, auto_resume INTEGER, timeout_s INTEGER,"
	" created_ms INTEGER, started_ms INTEGER, end_ms INTEGER,"
	" pause_files_only INTEGER);"
	/* By itself: it may be large, and the row changes often. */
	"CREATE TABLE policy ("
	" id TEXT PRIMARY KEY REFERENCES sandbox(id) ON DELETE CASCADE,"
	" json TEXT, internet INTEGER, gen INTEGER);"
	"CREATE TABLE event ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER,"
	" sandbox_id TEXT, type TEXT, template_id TEXT, build_id TEXT,"
	" level INTEGER, message TEXT, data TEXT);"
	"CREATE INDEX event_sandbox ON event (sandbox_id, at_ms);"
	"CREATE INDEX event_at ON event (at_ms);"
	"CREATE TABLE answer ("
	" key TEXT PRIMARY KEY, print BLOB, at_ms INTEGER, status INTEGER,"
	" body BLOB);",
	/* Not events: who says much inside must not push those out. */
	"CREATE TABLE line ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, sandbox_id TEXT,"
	" at_ms INTEGER, level INTEGER, logger TEXT, message TEXT,"
	" fields TEXT);"
	"CREATE INDEX line_sandbox ON line (sandbox_id, at_ms);"
	"CREATE TABLE line_at ("
	" sandbox_id TEXT PRIMARY KEY, seq INTEGER, last_ms INTEGER,"
	" n INTEGER) WITHOUT ROWID;",
};

#define EVENT_COLUMNS                                                          \
	"seq, at_ms, sandbox_id, type, template_id, build_id, level, "         \
	"message, data FROM event WHERE sandbox_id = ?1 AND at_ms >= ?2 "      \
	"AND at_ms <= ?3 AND level >= ?4 "                                     \
	"AND (?5 IS NULL OR instr(message, ?5) > 0) "

/* Events have no logger of their own, and no fields. */
#define LINES                                                                  \
	"SELECT at_ms, level, logger, message, fields, event FROM ("           \
	"SELECT at_ms, level, 'lifecycle' AS logger, message,"                 \
	" NULL AS fields, type AS event, 0 AS kind, seq FROM event"            \
	" WHERE sandbox_id = ?1 AND at_ms >= ?2 AND at_ms <= ?3"               \
	" AND level >= ?4 AND (?5 IS NULL OR instr(message, ?5) > 0)"          \
	" UNION ALL "                                                          \
	"SELECT at_ms, level, logger, message, fields, NULL, 1, seq FROM line" \
	" WHERE sandbox_id = ?1 AND at_ms >= ?2 AND at_ms <= ?3"               \
	" AND level >= ?4 AND (?5 IS NULL OR instr(message, ?5) > 0"           \
	" OR instr(fields, ?5) > 0)) "

static const char *const texts[ST_NSTMTS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_INSERT] = "INSERT INTO sandbox VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,"
		      "?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,"
		      "?23,?24,?25,?26,?27,?28)",
	[ST_UPDATE] = "UPDATE sandbox SET state=?2, slot=?3, incarnation=?4,"
		      " pause_on_timeout=?5, started_ms=?6, end_ms=?7"
		      " WHERE id=?1",
	[ST_UPDATE_NET] = "INSERT INTO policy VALUES (?1,?2,?3,?4)"
			  " ON CONFLICT (id) DO UPDATE SET json=?2,"
			  " internet=?3, gen=?4",
	[ST_DELETE] = "DELETE FROM sandbox WHERE id=?1",
	[ST_LOAD] = "SELECT s.*, p.json, p.internet, p.gen FROM sandbox s"
		    " LEFT JOIN policy p ON p.id = s.id",
	[ST_COUNTER_GET] = "SELECT next FROM counter WHERE name=?1",
	[ST_COUNTER_SET] = "INSERT INTO counter VALUES (?1,?2)"
			   " ON CONFLICT (name) DO UPDATE SET next=?2",
	[ST_EVENT_ADD] = "INSERT INTO event VALUES"
			 " (NULL,?1,?2,?3,?4,?5,?6,?7,?8)",
	[ST_EVENT_MISSED] =
	    "INSERT INTO event (at_ms, sandbox_id, type, template_id,"
	    " build_id, level, message) SELECT created_ms, id, ?1,"
	    " template_id, build_id, 1, 'sandbox created' FROM sandbox"
	    " WHERE NOT EXISTS (SELECT 1 FROM event WHERE sandbox_id = id"
	    " AND type = ?1)",
	[ST_EVENT_FORWARD] =
	    "SELECT " EVENT_COLUMNS "ORDER BY at_ms, seq LIMIT ?6",
	[ST_EVENT_BACKWARD] =
	    "SELECT " EVENT_COLUMNS "ORDER BY at_ms DESC, seq DESC LIMIT ?6",
	[ST_EVENT_KNOWN] = "SELECT 1 FROM event WHERE sandbox_id=?1 UNION ALL"
			   " SELECT 1 FROM line WHERE sandbox_id=?1 LIMIT 1",
	[ST_EVENT_PRUNE_AGE] = "DELETE FROM event WHERE at_ms < ?1",
	[ST_EVENT_PRUNE_MAX] = "DELETE FROM event WHERE seq <="
			       " (SELECT max(seq) FROM event) - ?1",
	[ST_ANSWER_GET] =
	    "SELECT print, at_ms, status, body FROM answer WHERE key=?1",
	[ST_ANSWER_PUT] = "INSERT INTO answer VALUES (?1,?2,?3,?4,?5)"
			  " ON CONFLICT (key) DO UPDATE SET print=?2,"
			  " at_ms=?3, status=?4, body=?5",
	[ST_LINE_ADD] = "INSERT INTO line VALUES (NULL,?1,?2,?3,?4,?5,?6)",
	[ST_LINE_FORWARD] = LINES "ORDER BY at_ms, kind, seq LIMIT ?6",
	[ST_LINE_BACKWARD] =
	    LINES "ORDER BY at_ms DESC, kind DESC, seq DESC LIMIT ?6",
	[ST_LINES_GET] =
	    "SELECT seq, last_ms, n FROM line_at WHERE sandbox_id=?1",
	[ST_LINES_PUT] = "INSERT INTO line_at VALUES (?1,?2,?3,?4)"
			 " ON CONFLICT (sandbox_id) DO UPDATE SET seq=?2,"
			 " last_ms=?3, n=?4",
	[ST_LINES_TRIM] = "DELETE FROM line WHERE sandbox_id=?1 AND seq <="
			  " (SELECT seq FROM line WHERE sandbox_id=?1"
			  " ORDER BY at_ms DESC, seq DESC LIMIT 1 OFFSET ?2)",
	[ST_LINES_PRUNE_AGE] = "DELETE FROM line WHERE at_ms < ?1 AND seq <"
			       " (SELECT min(seq) FROM line) + ?2",
	[ST_LINES_PRUNE_MAX] = "DELETE FROM line WHERE seq <="
			       " (SELECT max(seq) FROM line) - ?1",
	[ST_LINES_FORGET] = "DELETE FROM line_at WHERE sandbox_id NOT IN"
			    " (SELECT id FROM sandbox)",
	[ST_ANSWER_PRUNE] = "DELETE FROM answer WHERE at_ms < ?1",
};

int
store_fail(struct store *st, const char *what, struct err *e)
{
	return err_set(e, ERR_SYS, "store: %s: %s", what,
	    st->db != NULL ? sqlite3_errmsg(st->db) : "no memory");
}

int
store_run(struct store *st, enum store_stmt s, const char *what, struct err *e)
{
	sqlite3_stmt *q = st->stmt[s];
	int rc = sqlite3_step(q);
	int bad =
	    rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : store_fail(st, what, e);

	(void)sqlite3_reset(q);
	(void)sqlite3_clear_bindings(q);
	return bad;
}

void
store_text(sqlite3_stmt *s, int at, const char *text)
{
	/* Everybody keeps what was bound until the statement has run. */
	(void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

const char *
store_peek(sqlite3_stmt *s, int at)
{
	const unsigned char *text = sqlite3_column_text(s, at);

	return text != NULL ? (const char *)text : "";
}

void
store_column(sqlite3_stmt *s, int at, char *to, size_t cap)
{
	(void)snprintf(to, cap, "%s", store_peek(s, at));
}

int
store_begin(struct store *st, struct err *e)
{
	return store_run(st, ST_BEGIN, "begin", e);
}

int
store_commit(struct store *st, struct err *e)
{
	if (store_run(st, ST_COMMIT, "commit", e) == 0)
		return 0;
	store_rollback(st);
	return -1;
}

void
store_rollback(struct store *st)
{
	struct err ignored;

	if (!sqlite3_get_autocommit(st->db))
		(void)store_run(st, ST_ROLLBACK, "rollback", &ignored);
}

static int
exec(struct store *st, const char *sql, const char *what, struct err *e)
{
	if (sqlite3_exec(st->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(st, what, e);
	return 0;
}

static int
version(struct store *st, int *out, struct err *e)
{
	sqlite3_stmt *q = NULL;
	int rc = 0;

	if (sqlite3_prepare_v2(st->db, "PRAGMA user_version", -1, &q, NULL) !=
		SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW)
		rc = store_fail(st, "version", e);
	else
		*out = sqlite3_column_int(q, 0);
	(void)sqlite3_finalize(q);
	return rc;
}

static int
migrate(struct store *st, struct err *e)
{
	const int newest = (int)countof(migrations);
	char sql[64];
	int v = 0;

	if (version(st, &v, e) < 0)
		return -1;
	if (v > newest)
		return err_set(e, ERR_SYS,
		    "store: version %d is newer than this program's %d", v,
		    newest);
	for (; v < newest; v++) {
		(void)snprintf(
		    sql, sizeof(sql), "PRAGMA user_version = %d", v + 1);
		if (exec(st, "BEGIN IMMEDIATE", "migrate", e) < 0)
			return -1;
		if (exec(st, migrations[v], "migrate", e) < 0 ||
		    exec(st, sql, "migrate", e) < 0 ||
		    exec(st, "COMMIT", "migrate", e) < 0) {
			(void)sqlite3_exec(
			    st->db, "ROLLBACK", NULL, NULL, NULL);
			return -1;
		}
	}
	return 0;
}

static int
on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct store *st = ctx;

	(void)db;
	(void)name;
	st->wal_pages = pages;
	return SQLITE_OK;
}

static int
prepare(struct store *st, struct err *e)
{
	for (int i = 0; i < ST_NSTMTS; i++)
		if (sqlite3_prepare_v3(st->db, texts[i], -1,
			SQLITE_PREPARE_PERSISTENT, &st->stmt[i],
			NULL) != SQLITE_OK)
			return store_fail(st, texts[i], e);
	return 0;
}

static int
set_up(struct store *st, const char *path, struct err *e)
{
	const int flags =
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	mode_t old = umask(077); /* it holds tokens */
	int rc = sqlite3_open_v2(path, &st->db, flags, NULL);

	if (rc != SQLITE_OK)
		rc = store_fail(st, path, e);
	else
		/* Of a new file: what a create writes is a few small rows in
		 * eight pages, and all of each goes to the log. */
		rc = exec(st,
		    "PRAGMA page_size = 2048;"
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
		    "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"
		    "PRAGMA wal_autocheckpoint = 0",
		    "settings", e);
	if (rc == 0)
		rc = migrate(st, e);
	(void)umask(old);
	if (rc < 0 || prepare(st, e) < 0)
		return -1;
	(void)sqlite3_wal_hook(st->db, on_wal, st);
	return 0;
}

struct store *
store_open(const char *path, struct err *e)
{
	struct store *st = calloc(1, sizeof(*st));

	if (st == NULL) {
		err_sys(e, "store");
		return NULL;
	}
	if (set_up(st, path, e) < 0) {
		store_close(st);
		return NULL;
	}
	return st;
}

void
store_close(struct store *st)
{
	if (st == NULL)
		return;
	for (int i = 0; i < ST_NSTMTS; i++)
		(void)sqlite3_finalize(st->stmt[i]);
	(void)sqlite3_close(st->db);
	free(st);
}

int
store_counter_get(
    struct store *st, enum store_counter c, uint32_t *next, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_COUNTER_GET];
	int rc;

	(void)sqlite3_bind_int(q, 1, (int)c);
	rc = sqlite3_step(q);
	*next = rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(q, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		rc = store_fail(st, "counter", e);
	else
		rc = 0;
	(void)sqlite3_reset(q);
	return rc;
}

int
store_counter_set(
    struct store *st, enum store_counter c, uint32_t next, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_COUNTER_SET];

	(void)sqlite3_bind_int(q, 1, (int)c);
	(void)sqlite3_bind_int64(q, 2, (sqlite3_int64)next);
	return store_run(st, ST_COUNTER_SET, "counter", e);
}

int
store_wal_pages(const struct store *st)
{
	return st->wal_pages;
}

int
store_checkpoint(const char *path, struct err *e)
{
	struct store st = { 0 };
	int rc = sqlite3_open_v2(
	    path, &st.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	/* A connection learns that there is a log when it first reads. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(st.db, "SELECT 1 FROM sqlite_schema LIMIT 1",
		    NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_wal_checkpoint_v2(
		    st.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	rc = rc == SQLITE_OK ? 0 : store_fail(&st, "checkpoint", e);
	(void)sqlite3_close(st.db);
	return rc;
}
