/*
 * store.h - what must outlive the daemon: one SQLite file, one writer.
 *
 * WAL with synchronous=NORMAL: a commit survives the death of any process of
 * ours; a power loss may take the last ones.  Everything here runs in the
 * loop's thread but the checkpoint, which is a job on a connection of its own.
 */
#ifndef SANDBOX_STORE_H
#define SANDBOX_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "ctl/sandbox/record.h"

struct store;

/* Opens or makes it, and brings an older one up to date. */
struct store *store_open(const char *path, struct err *e);
void store_close(struct store *st);

/* One transaction around several of the calls below. */
int store_begin(struct store *st, struct err *e);
int store_commit(struct store *st, struct err *e);
void store_rollback(struct store *st);

int store_insert(struct store *st, const struct sb_record *r, struct err *e);
/* State, slot, times and what happens at the end of them. */
int store_update(struct store *st, const struct sb_record *r, struct err *e);
int store_update_net(
    struct store *st, const struct sb_record *r, struct err *e);
int store_delete(struct store *st, const char *id, struct err *e);
/*
 * Calls each() for every row; it takes what r owns.  Stops when each()
 * returns -1.
 */
int store_load(struct store *st,
    int (*each)(void *ctx, struct sb_record *r, struct err *e), void *ctx,
    struct err *e);

/*
 * Numbers that are never given twice, whatever happens: a block is reserved
 * in the store before one of it is used.
 */
enum store_counter { STORE_GEN, STORE_INCARNATION, STORE_NCOUNTERS };
/* Everything below *next may have been used. */
int store_counter_get(
    struct store *st, enum store_counter c, uint32_t *next, struct err *e);
int store_counter_set(
    struct store *st, enum store_counter c, uint32_t next, struct err *e);

/* --- what happened --------------------------------------------------------*/

struct store_event {
	int64_t seq, at_ms;
	const char *sandbox_id, *type, *template_id, *build_id;
	const char *level;   /* debug info warn error */
	const char *message; /* one line */
	const char *data;    /* a JSON object, or NULL */
};

/* Those of sandboxes whose creation has none yet: at the start. */
int store_event_missed(struct store *st, struct err *e);
int store_event_add(
    struct store *st, const struct store_event *ev, struct err *e);
struct store_event_query {
	const char *sandbox_id;
	int64_t from_ms, to_ms; /* both included */
	bool backward;
	int min_level;	    /* 0 debug .. 3 error */
	const char *search; /* in the message; NULL: all */
	uint32_t limit;
};
int store_event_each(struct store *st, const struct store_event_query *q,
    void (*each)(void *ctx, const struct store_event *ev), void *ctx,
    struct err *e);
/* 1 if the sandbox has any, 0 if not. */
int store_event_known(struct store *st, const char *sandbox_id, struct err *e);
/* Events added since the last prune. */
unsigned store_event_added(const struct store *st);
/* Drops what is older, and what is more than max. */
int store_event_prune(
    struct store *st, int64_t before_ms, int64_t max, struct err *e);

/* --- what was said inside -------------------------------------------------*/

struct store_line {
	int64_t at_ms;
	const char *sandbox_id;
	int level; /* enum line_level */
	const char *logger, *message;
	const char *fields; /* a JSON object, or NULL */
	const char *event;  /* of an event of its life: which; else NULL */
};

int store_line_add(struct store *st, const struct store_line *l, struct err *e);
/* Lines and events, in one order. */
int store_line_each(struct store *st, const struct store_event_query *q,
    void (*each)(void *ctx, const struct store_line *l), void *ctx,
    struct err *e);
/* How far the lines of a sandbox have come. */
struct store_lines_at {
	uint64_t seq; /* envd's number of the last one */
	int64_t last_ms;
	int64_t n; /* rows, or some that are gone by now */
};
/* All 0 where there is none yet. */
int store_lines_get(struct store *st, const char *sandbox_id,
    struct store_lines_at *out, struct err *e);
int store_lines_put(struct store *st, const char *sandbox_id,
    const struct store_lines_at *at, struct err *e);
/* Drops the oldest of a sandbox, all but `keep`. */
int store_lines_trim(
    struct store *st, const char *sandbox_id, int64_t keep, struct err *e);
/* Lines added since the last prune. */
unsigned store_lines_added(const struct store *st);
/* Drops some of what is older, and what is more than max. */
int store_lines_prune(
    struct store *st, int64_t before_ms, int64_t max, struct err *e);
/* Drops how far the lines of sandboxes have come that are gone. */
int store_lines_forget(struct store *st, struct err *e);

/* --- answers to requests with an Idempotency-Key ---------------------------*/

enum { STORE_PRINT_LEN = 32 };

struct store_answer {
	uint8_t print[STORE_PRINT_LEN]; /* of the request */
	int64_t at_ms;
	int status;	 /* 0: begun, and no answer yet */
	struct buf body; /* the caller's */
};

/* 1 and *out if the key is known, 0 if not. */
int store_answer_get(
    struct store *st, const char *key, struct store_answer *out, struct err *e);
int store_answer_put(struct store *st, const char *key, const uint8_t *print,
    int64_t at_ms, int status, const char *body, size_t n, struct err *e);
int store_answer_prune(struct store *st, int64_t before_ms, struct err *e);

/* Pages in the log since the last checkpoint. */
int store_wal_pages(const struct store *st);
/* In a job: moves the log into the file.  Logs nothing, tells e. */
int store_checkpoint(const char *path, struct err *e);

#endif
