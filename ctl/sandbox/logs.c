/*
 * logs.c - lines from inside, on their way to the store.
 *
 * A sandbox says what it likes as fast as it likes.  Here it has a bucket of
 * lines and bytes; what does not fit is dropped, nearly unseen, and once a
 * second one line says how many.
 */
#include "ctl/sandbox/sandbox_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum {
	BEGIN_MS = 50, /* after it runs: first whoever asked for it */
	SPREAD_MS = 40,
	SPREAD = 64, /* ... so that not all begin at once */
	AGAIN_MAX_MS = 30000,
	TELL_MS = 1000,
	FLUSH_MS = 250,
	FLUSH_NEXT_MS = 10,
	FLUSH_ROWS = 500, /* a transaction; others want the loop too */
	/* A sandbox's bucket: what is in it at most, what comes a second. */
	LINES_BURST = 1000,
	LINES_RATE = 100,
	BYTES_BURST = 512 * 1024,
	BYTES_RATE = 64 * 1024,
	/* All together, not yet stored. */
	PENDING_MAX = 20000,
	PENDING_BYTES_MAX = 16 * 1024 * 1024,
	/* Stored, of one sandbox; 1 in 8 more before the oldest go. */
	ROWS_MAX = 8000,
};

struct log_pending {
	struct log_pending *next;
	char id[SPAWN_ID_MAX];
	uint64_t seq;
	int64_t at_ms;
	size_t bytes;
	struct log_line line;
};

/* --- to the store ----------------------------------------------------------*/

static void
pending_free(struct log_pending *p)
{
	log_line_fini(&p->line);
	free(p);
}

static struct log_pending *
take_first(struct logs *l)
{
	struct log_pending *p = l->first;

	l->first = p->next;
	if (l->first == NULL)
		l->last = &l->first;
	l->n--;
	l->bytes -= p->bytes;
	return p;
}

/* How far one sandbox has come, after `added` more rows. */
static int
settle(
    struct store *st, const struct log_pending *p, int64_t added, struct err *e)
{
	struct store_lines_at at;

	if (store_lines_get(st, p->id, &at, e) < 0)
		return -1;
	at.seq = p->seq;
	at.last_ms = p->at_ms;
	at.n += added;
	if (at.n > ROWS_MAX + ROWS_MAX / 8) {
		if (store_lines_trim(st, p->id, ROWS_MAX, e) < 0)
			return -1;
		at.n = ROWS_MAX;
	}
	return store_lines_put(st, p->id, &at, e);
}

static int
store_one(struct store *st, const struct log_pending *p, struct err *e)
{
	struct store_line row = {
		.sandbox_id = p->id,
		.at_ms = p->at_ms,
		.level = (int)p->line.level,
		.logger = p->line.logger,
		.message = p->line.message,
		.fields = p->line.fields,
	};

	return store_line_add(st, &row, e);
}

/* Neighbours in the queue are mostly of one sandbox. */
static int
store_some(struct engine *en, unsigned max, struct err *e)
{
	int64_t run = 0;
	int rc = 0;

	for (unsigned i = 0; i < max && en->logs.first != NULL; i++) {
		struct log_pending *p = take_first(&en->logs);
		const struct log_pending *next = en->logs.first;

		if (rc == 0)
			rc = store_one(en->store, p, e);
		run++;
		if (rc == 0 && (i + 1 == max || next == NULL ||
				   strcmp(next->id, p->id) != 0)) {
			rc = settle(en->store, p, run, e);
			run = 0;
		}
		pending_free(p);
	}
	return rc;
}

/* A transaction that fails takes its lines with it. */
static int
flush(struct engine *en, unsigned max)
{
	struct err e;
	int rc;

	if (en->logs.first == NULL)
		return 0;
	en->logs.flush++;
	rc = store_begin(en->store, &e);
	if (rc == 0) {
		rc = store_some(en, max, &e);
		if (rc == 0)
			rc = store_commit(en->store, &e);
		else
			store_rollback(en->store);
	}
	if (rc < 0)
		log_warn("logs.store err=\"%s\"", e.msg);
	return rc;
}

static void
on_flush(struct loop_timer *t)
{
	struct engine *en = container_of(t, struct engine, logs.timer);
	int rc = flush(en, FLUSH_ROWS);

	if (en->logs.first != NULL)
		loop_timer_start(
		    en->loop, t, rc < 0 ? FLUSH_MS : FLUSH_NEXT_MS);
}

void
engine_logs_flush(struct engine *en)
{
	(void)flush(en, PENDING_MAX);
}

/* --- one line --------------------------------------------------------------*/

/*
 * Within what can be true, and never behind a line that somebody has seen:
 * who asks for all after the last one misses nothing.
 */
static int64_t
settle_time(struct sandbox *sb, int64_t at_ms)
{
	struct sb_logs *l = &sb->logs;
	int64_t now = wall_ms();

	if (l->flush != sb->en->logs.flush) {
		l->flush = sb->en->logs.flush;
		l->floor_ms = l->last_ms + 1;
	}
	if (at_ms == 0 || at_ms > now)
		at_ms = now;
	if (at_ms < sb->r.created_ms)
		at_ms = sb->r.created_ms;
	if (at_ms < l->floor_ms)
		at_ms = l->floor_ms;
	if (at_ms < l->last_ms)
		at_ms = l->last_ms;
	l->last_ms = at_ms;
	return at_ms;
}

/* Takes line.  -1: there is no room. */
static int
enqueue(struct sandbox *sb, struct log_line *line, uint64_t seq)
{
	struct logs *all = &sb->en->logs;
	size_t bytes = sizeof(struct log_pending) + strlen(line->message) +
		       (line->fields != NULL ? strlen(line->fields) : 0);
	struct log_pending *p =
	    all->n < PENDING_MAX && all->bytes + bytes <= PENDING_BYTES_MAX
		? malloc(sizeof(*p))
		: NULL;

	if (p == NULL) {
		log_line_fini(line);
		return -1;
	}
	*p = (struct log_pending){ .seq = seq,
		.at_ms = settle_time(sb, line->at_ms),
		.bytes = bytes,
		.line = *line };
	memcpy(p->id, sb->r.id, sizeof(p->id));
	*all->last = p;
	all->last = &p->next;
	all->n++;
	all->bytes += bytes;
	if (!all->timer.active)
		loop_timer_start(sb->en->loop, &all->timer, FLUSH_MS);
	return 0;
}

static void
fill(struct sb_logs *l, struct mono now)
{
	uint64_t ms = mono_ms(l->filled, now);

	if (l->filled.ns != 0 && ms == 0)
		return;
	if (l->filled.ns == 0 || ms > 60000)
		ms = 60000; /* more than it takes */
	l->filled = now;
	l->lines += ms * LINES_RATE;
	l->bytes += ms * BYTES_RATE;
	if (l->lines > (uint64_t)LINES_BURST * 1000)
		l->lines = (uint64_t)LINES_BURST * 1000;
	if (l->bytes > (uint64_t)BYTES_BURST * 1000)
		l->bytes = (uint64_t)BYTES_BURST * 1000;
}

static void
drop(struct sandbox *sb)
{
	if (sb->logs.dropped++ == 0)
		loop_timer_start(sb->en->loop, &sb->logs.again, TELL_MS);
}

static void
tell_dropped(struct sandbox *sb)
{
	struct sb_logs *l = &sb->logs;
	struct log_line line = { .level = LINE_WARN, .logger = "envd" };

	if (asprintf(&line.message,
		"%llu log lines were dropped: more than %d a second",
		(unsigned long long)l->dropped, LINES_RATE) < 0)
		return;
	if (asprintf(&line.fields, "{\"dropped\":%llu}",
		(unsigned long long)l->dropped) < 0)
		line.fields = NULL;
	if (enqueue(sb, &line, l->seq) == 0)
		l->dropped = 0;
}

/* Whether the bucket has it; half of it is not for debugging. */
static bool
afford(struct sb_logs *l, size_t n, enum line_level level)
{
	uint64_t spare =
	    level == LINE_DEBUG ? (uint64_t)LINES_BURST * 1000 / 2 : 0;

	return l->lines >= 1000 + spare && l->bytes >= (uint64_t)n * 1000;
}

static void
take_line(struct sandbox *sb, const char *p, size_t n)
{
	struct sb_logs *l = &sb->logs;
	uint64_t seq = log_line_seq(p, n);
	struct log_line line;
	struct err e;
	int rc;

	if (n <= 2)
		return; /* a heartbeat */
	if (seq != 0)
		l->seq = seq;
	if (!afford(l, n, LINE_INFO)) {
		drop(sb);
		return;
	}
	rc = log_line_parse(p, n, &line, &e);
	if (rc == 0)
		return;
	if (rc > 0 && !afford(l, n, line.level)) {
		log_line_fini(&line);
		drop(sb);
		return;
	}
	l->lines -= 1000;
	l->bytes -= (uint64_t)n * 1000;
	if (rc < 0 || enqueue(sb, &line, l->seq) < 0)
		drop(sb);
}

static void
take_end(struct sandbox *sb, const char *p, size_t n)
{
	struct sb_logs *l = &sb->logs;

	if (l->skipping || l->part.len + n > LOG_LINE_BYTES_MAX ||
	    (l->part.len > 0 && buf_add(&l->part, p, n) < 0)) {
		l->skipping = false;
		drop(sb);
	} else if (l->part.len > 0) {
		take_line(sb, l->part.data, l->part.len);
	} else {
		take_line(sb, p, n);
	}
	buf_fini(&l->part);
}

static void
keep_part(struct sb_logs *l, const char *p, size_t n)
{
	if (n == 0 || l->skipping)
		return;
	if (l->part.len + n <= LOG_LINE_BYTES_MAX &&
	    buf_add(&l->part, p, n) == 0)
		return;
	buf_fini(&l->part);
	l->skipping = true;
}

void
engine_logs_data(struct engine *en, struct sb_ref ref, const char *p, size_t n)
{
	struct sandbox *sb = registry_get(en, ref);
	const char *end;

	if (sb == NULL)
		return;
	sb->logs.tries = 0;
	fill(&sb->logs, loop_now(en->loop));
	while ((end = memchr(p, '\n', n)) != NULL) {
		take_end(sb, p, (size_t)(end - p));
		n -= (size_t)(end + 1 - p);
		p = end + 1;
	}
	keep_part(&sb->logs, p, n);
}

/* --- the connection --------------------------------------------------------*/

static void
later(struct sandbox *sb)
{
	uint64_t ms = (uint64_t)500 << sb->logs.tries;

	if (sb->logs.tries < 6)
		sb->logs.tries++;
	loop_timer_start(sb->en->loop, &sb->logs.again,
	    ms < AGAIN_MAX_MS ? ms : AGAIN_MAX_MS);
}

static bool
wanted(const struct sandbox *sb)
{
	return sb->r.state == SB_RUNNING && sb->logs.conn == NULL &&
	       !sb->logs.asked && sb->en->calls.logs != NULL;
}

static int
load(struct sandbox *sb, struct err *e)
{
	struct store_lines_at at;

	if (sb->logs.loaded)
		return 0;
	if (store_lines_get(sb->en->store, sb->r.id, &at, e) < 0)
		return -1;
	sb->logs.seq = at.seq;
	sb->logs.last_ms = at.last_ms;
	sb->logs.floor_ms = at.last_ms + 1;
	sb->logs.loaded = true;
	return 0;
}

/* Takes fd; -1 and *why: there is none. */
static void
connect_by(struct sandbox *sb, int fd, const struct err *why)
{
	struct engine *en = sb->en;
	struct err e = *why;

	if (fd < 0 || load(sb, &e) < 0) {
		own_close(&fd);
	} else {
		sb->logs.skipping = false;
		buf_fini(&sb->logs.part);
		sb->logs.conn = en->calls.logs(
		    en->calls.ctx, &sb->r, sb->ref, fd, sb->logs.seq, &e);
	}
	if (sb->logs.conn != NULL)
		return;
	log_debug("logs.connect sbx=%s err=\"%s\"", sb->r.id, e.msg);
	later(sb);
}

static void
on_socket(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });
	int fd = take_fd(&r->fd);

	if (sb != NULL)
		sb->logs.asked = false;
	if (sb != NULL && wanted(sb))
		connect_by(sb, fd, &r->u.spawn.err);
	else
		own_close(&fd);
}

static void
connect_now(struct sandbox *sb)
{
	struct err e = { .kind = ERR_NONE };

	/* What told it who it is has a connection left. */
	if (sb->init_fd >= 0)
		connect_by(sb, take_fd(&sb->init_fd), &e);
	else if (ask_socket(sb, on_socket, &e) < 0)
		later(sb);
	else
		sb->logs.asked = true;
}

static void
on_again(struct loop_timer *t)
{
	struct sandbox *sb = container_of(t, struct sandbox, logs.again);

	if (sb->logs.dropped > 0)
		tell_dropped(sb);
	if (wanted(sb))
		connect_now(sb);
	else if (sb->logs.dropped > 0)
		loop_timer_start(sb->en->loop, t, TELL_MS);
}

void
engine_logs_end(struct engine *en, struct sb_ref ref, const struct err *why)
{
	struct sandbox *sb = registry_get(en, ref);

	if (sb == NULL)
		return;
	sb->logs.conn = NULL;
	if (sb->r.state != SB_RUNNING)
		return; /* logs_begin() comes when it runs again */
	log_debug("logs.end sbx=%s err=\"%s\"", sb->r.id, why->msg);
	later(sb);
}

void
logs_begin(struct sandbox *sb, bool one_of_many)
{
	uint64_t ms = BEGIN_MS;

	if (!wanted(sb))
		return;
	if (one_of_many)
		ms += sb->ref.index % SPREAD * SPREAD_MS;
	loop_timer_start(sb->en->loop, &sb->logs.again, ms);
}

void
logs_stop(struct sandbox *sb)
{
	loop_timer_stop(&sb->logs.again);
	if (sb->logs.dropped > 0)
		tell_dropped(sb);
	if (sb->logs.conn != NULL)
		sb->en->calls.logs_stop(sb->en->calls.ctx, sb->logs.conn);
	sb->logs.conn = NULL;
	buf_fini(&sb->logs.part);
}

void
logs_new(struct sandbox *sb)
{
	sb->logs.again.on_time = on_again;
	buf_init(&sb->logs.part, LOG_LINE_BYTES_MAX);
}

void
logs_init(struct engine *en)
{
	en->logs.last = &en->logs.first;
	en->logs.timer.on_time = on_flush;
}

void
logs_fini(struct engine *en)
{
	loop_timer_stop(&en->logs.timer);
	if (en->store != NULL)
		engine_logs_flush(en);
	while (en->logs.first != NULL)
		pending_free(take_first(&en->logs));
}
