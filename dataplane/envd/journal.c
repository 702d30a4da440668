#include "envd/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/own.h"
#include "envd/log_ring.h"
#include "envd/text.h"

enum {
	VALUE_MAX = 1024,     /* of one field, escaped */
	RESERVE = 64,	      /* for the mark and the closing brace */
	READERS_MAX = 4,      /* all of them the control plane */
	GATHER_MS = 20,	      /* lines leave together */
	HEARTBEAT_MS = 60000, /* so that both ends know of each other */
	BATCH = 16 * 1024,
	NUMBER_MAX = 64,	/* of what is put in front of a line */
	WAITING_MAX = 32 * 1024 /* of a slow reader; then the ring drops */
};

struct reader {
	struct reader *next, **prev;
	struct http_req *r;
	struct journal *j;
	struct log_place at;
	struct loop_timer heartbeat;
	bool full;
};

struct journal {
	struct envd *d;
	struct log_ring ring;
	struct reader *readers;
	unsigned nreaders;
	struct loop_timer gather;
	uint64_t operations;
	time_t second; /* whose text is below */
	char date[24];
	size_t n, room; /* of line; room: where the field must end */
	char line[LOG_LINE_MAX];
};

/* --- readers ---------------------------------------------------------------*/

/* One line and its number; or, before it, that some went. */
static size_t
put_line(struct reader *x, char *to)
{
	static char line[LOG_LINE_MAX];
	uint64_t seq, lost;
	struct log_place was = x->at;
	size_t n = log_ring_read(&x->j->ring, &x->at, line, &seq, &lost);

	if (lost > 0) {
		/* Under the number of the last one that went; now its heir. */
		x->at = log_ring_after(&x->j->ring, was.seq + lost - 1);
		return (size_t)snprintf(to, BATCH,
		    "{\"seq\":%llu,\"level\":\"warn\",\"logger\":\"envd\","
		    "\"message\":\"%llu lines were dropped\","
		    "\"dropped\":%llu}\n",
		    (unsigned long long)(was.seq + lost - 1),
		    (unsigned long long)lost, (unsigned long long)lost);
	}
	if (n == 0)
		return 0;
	/* The line's own brace goes: it continues ours. */
	seq = (uint64_t)sprintf(to, "{\"seq\":%llu,", (unsigned long long)seq);
	memcpy(to + seq, line + 1, n - 1);
	to[seq + n - 1] = '\n';
	return seq + n;
}

static void on_drain(struct http_req *r);

static void
pump(struct reader *x)
{
	static char batch[BATCH];
	size_t n = 0, waiting = 0, some;

	do {
		some = put_line(x, batch + n);
		n += some;
		if (n > 0 &&
		    (some == 0 || n + LOG_LINE_MAX + NUMBER_MAX > BATCH)) {
			waiting = http_reply_write(x->r, batch, n);
			n = 0;
		}
	} while (some > 0 && waiting < WAITING_MAX);
	if (waiting < WAITING_MAX)
		return;
	x->full = true;
	http_reply_on_drain(x->r, WAITING_MAX / 2, on_drain);
}

static void
on_drain(struct http_req *r)
{
	struct reader *x = http_req_data(r);

	x->full = false;
	pump(x);
}

static void
on_gather(struct loop_timer *t)
{
	struct journal *j = container_of(t, struct journal, gather);
	struct reader *next;

	for (struct reader *x = j->readers; x != NULL; x = next) {
		next = x->next;
		if (!x->full)
			pump(x);
	}
}

static void
on_heartbeat(struct loop_timer *t)
{
	struct reader *x = container_of(t, struct reader, heartbeat);

	if (!x->full)
		(void)http_reply_write(x->r, "{}\n", 3);
	loop_timer_start(x->j->d->loop, t, HEARTBEAT_MS);
}

static void
reader_gone(struct http_req *r)
{
	struct reader *x = http_req_data(r);

	*x->prev = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->j->nreaders--;
	loop_timer_stop(&x->heartbeat);
	free(x);
}

static struct reader *
reader_new(struct journal *j, struct http_req *r)
{
	struct reader *x =
	    j->nreaders < READERS_MAX ? calloc(1, sizeof(*x)) : NULL;

	if (x == NULL)
		return NULL;
	x->r = r;
	x->j = j;
	x->heartbeat.on_time = on_heartbeat;
	x->next = j->readers;
	x->prev = &j->readers;
	if (x->next != NULL)
		x->next->prev = &x->next;
	j->readers = x;
	j->nreaders++;
	http_req_set_data(r, x);
	http_req_on_gone(r, reader_gone);
	return x;
}

/* GET /logs?after=SEQ: lines for as long as somebody listens. */
void
rest_logs(struct http_req *r, struct envd *d)
{
	autofree char *after = NULL;
	struct reader *x;
	bool bad = false;

	if (!from_control(r, d)) {
		http_reply(
		    r, 401, "text/plain; charset=utf-8", "unauthorized\n", 13);
		return;
	}
	after = http_req_param(r, "after", &bad);
	x = reader_new(d->journal, r);
	if (x == NULL) {
		rest_fail(r, 503, "too many read the log");
		return;
	}
	x->at = log_ring_after(
	    &d->journal->ring, after != NULL ? strtoull(after, NULL, 10) : 0);
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply_begin(r, 200, "application/x-ndjson", -1);
	(void)http_reply_write(r, "{}\n", 3);
	loop_timer_start(d->loop, &x->heartbeat, HEARTBEAT_MS);
	pump(x);
}

/* --- lines -----------------------------------------------------------------*/

struct journal *
journal_new(struct envd *d, struct err *e)
{
	struct journal *j = calloc(1, sizeof(*j));
	struct timespec t;

	if (j == NULL) {
		err_sys(e, "journal");
		return NULL;
	}
	(void)clock_gettime(CLOCK_REALTIME, &t);
	j->d = d;
	j->gather.on_time = on_gather;
	/* A later envd of the same sandbox goes on above its predecessor. */
	log_ring_init(&j->ring,
	    (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
	return j;
}

uint64_t
journal_operation(struct journal *j)
{
	return ++j->operations;
}

static void
put(struct journal *j, const char *p, size_t n)
{
	memcpy(j->line + j->n, p, n);
	j->n += n;
}

static void
put_time(struct journal *j)
{
	struct timespec t;
	struct tm tm;
	char frac[12];

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (t.tv_sec != j->second || j->date[0] == '\0') {
		j->second = t.tv_sec;
		if (gmtime_r(&t.tv_sec, &tm) == NULL ||
		    strftime(j->date, sizeof(j->date), "%Y-%m-%dT%H:%M:%S",
			&tm) == 0)
			j->date[0] = '\0';
	}
	frac[0] = '.';
	for (int i = 9; i > 0; i--, t.tv_nsec /= 10)
		frac[i] = (char)('0' + t.tv_nsec % 10);
	frac[10] = 'Z';
	put(j, "{\"timestamp\":\"", 14);
	put(j, j->date, strlen(j->date));
	put(j, frac, 11);
	put(j, "\"", 1);
}

/* One character of n bytes, escaped; its length in `to`. */
static size_t
escape(const char *s, size_t n, char to[8])
{
	unsigned char c = (unsigned char)*s;

	if (n == 0)
		return (size_t)sprintf(to, "\\ufffd");
	if (n > 1) {
		memcpy(to, s, n);
		return n;
	}
	if (c < ' ' || c == 0x7f)
		return (size_t)sprintf(to, "\\u%04x", c);
	to[0] = '\\';
	to[c == '"' || c == '\\' ? 1 : 0] = (char)c;
	return c == '"' || c == '\\' ? 2 : 1;
}

/* Up to the room of the field; false: there was no more. */
static void
put_escaped(struct journal *j, const char *s)
{
	size_t left = strlen(s);
	char one[8];

	while (left > 0 && j->room > 0) {
		uint32_t c;
		size_t n = utf8_char(s, left, &c), len = escape(s, n, one);

		if (j->n + len > j->room) {
			j->n += (size_t)sprintf(
			    j->line + j->n, "...[%zu more]", left);
			j->room = 0;
			return;
		}
		put(j, one, len);
		s += n > 0 ? n : 1;
		left -= n > 0 ? n : 1;
	}
}

/* Keys are ours: no escaping.  False: there is no room for a field. */
static bool
put_key(struct journal *j, const char *key)
{
	size_t n = strlen(key);

	if (j->n + n + 2 * RESERVE > sizeof(j->line))
		return false;
	put(j, ",\"", 2);
	put(j, key, n);
	put(j, "\":", 2);
	return true;
}

void
journal_text(struct journal *j, const char *key, const char *value)
{
	if (value == NULL || !put_key(j, key))
		return;
	j->room = j->n + VALUE_MAX;
	if (j->room > sizeof(j->line) - RESERVE)
		j->room = sizeof(j->line) - RESERVE;
	put(j, "\"", 1);
	put_escaped(j, value);
	put(j, "\"", 1);
}

void
journal_more(struct journal *j, const char *value)
{
	if (j->room == 0)
		return;
	j->n--; /* the quote */
	put_escaped(j, value);
	put(j, "\"", 1);
}

void
journal_number(struct journal *j, const char *key, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	if (put_key(j, key))
		put(j, text, (size_t)n);
}

void
journal_json(struct journal *j, const char *key, const char *json, size_t n)
{
	if (j->n + n + 2 * RESERVE <= sizeof(j->line) && put_key(j, key))
		put(j, json, n);
}

void
journal_begin(struct journal *j, enum journal_level level, const char *logger,
    const char *message)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	j->n = 0;
	put_time(j);
	journal_text(j, "level", names[level]);
	journal_text(j, "logger", logger);
	journal_text(j, "message", message);
}

void
journal_end(struct journal *j)
{
	put(j, "}", 1);
	log_ring_add(&j->ring, j->line, j->n);
	if (j->readers != NULL && !j->gather.active)
		loop_timer_start(j->d->loop, &j->gather, GATHER_MS);
}

/* --- what there is to say --------------------------------------------------*/

void
journal_file(struct http_req *r, struct envd *d, const char *path,
    const char *user, int status, const char *why)
{
	struct journal *j = d->journal;
	bool reads = strcmp(http_req_method(r), "GET") == 0, bad;
	autofree char *asked =
	    path == NULL ? http_req_param(r, "path", &bad) : NULL;
	autofree char *name =
	    user == NULL ? http_req_param(r, "username", &bad) : NULL;
	char method[64];

	if (user == NULL)
		user = name != NULL ? name : d->default_user;
	(void)snprintf(method, sizeof(method), "%.16s %.40s",
	    http_req_method(r), http_req_path(r));
	journal_begin(j, status != 0 ? J_ERROR : J_INFO, "filesystem",
	    reads ? "File read" : "File write");
	journal_number(j, "operation_id", (int64_t)journal_operation(j));
	journal_text(j, "method", method);
	journal_text(j, "path", path != NULL ? path : asked);
	journal_text(j, "username", user);
	if (status != 0) {
		journal_number(j, "error_code", status);
		journal_text(j, "error", why);
	}
	journal_end(j);
}

void
journal_rpc(struct envd *d, const char *method, int code)
{
	struct journal *j = d->journal;
	bool process = strncmp(method, "/process.", 9) == 0;
	const char *name = strrchr(method, '/');
	char message[64];

	/* "Process start", as the original says it. */
	(void)snprintf(message, sizeof(message), "%s %c%.40s",
	    process ? "Process" : "Filesystem", name[1] | 0x20, name + 2);
	journal_begin(j, code != 0 ? J_ERROR : J_DEBUG,
	    process ? "process" : "filesystem", message);
	journal_number(j, "operation_id", (int64_t)journal_operation(j));
	journal_text(j, "method", method);
	if (code != 0)
		journal_number(j, "error_code", code);
	journal_end(j);
}
