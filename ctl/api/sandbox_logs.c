/*
 * sandbox_logs.c - GET /sandboxes/{id}/logs, GET /v2/sandboxes/{id}/logs.
 * The lines there are: what happened to the sandbox in its life, and what
 * envd says of processes and files.
 */
#include "ctl/api/api_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ctl/sandbox/log_line.h"

enum { LIMIT_MAX = 1000, SEARCH_MAX = 256, LINE_BYTES_MAX = 16 * 1024 };

#define WINDOW_MS ((int64_t)7 * 24 * 3600 * 1000)

/* A JSON value of any type as text, quoted: the second form wants that. */
static void
out_as_text(struct buf *b, const json_t *v)
{
	autofree char *dump = NULL;

	if (json_is_string(v)) {
		out_string(b, json_string_value(v));
		return;
	}
	dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	out_string(b, dump != NULL ? dump : "");
}

static void
out_as_json(struct buf *b, const json_t *v)
{
	autofree char *dump = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	(void)buf_puts(b, dump != NULL ? dump : "null");
}

static void
out_fields(struct buf *b, const struct store_line *l,
    void (*out)(struct buf *b, const json_t *v))
{
	json_t *o = l->fields != NULL ? json_loads(l->fields, 0, NULL) : NULL;
	const char *key;
	json_t *v;

	json_object_foreach (o, key, v) {
		(void)buf_puts(b, ",");
		out_string(b, key);
		(void)buf_puts(b, ":");
		out(b, v);
	}
	json_decref(o);
	if (l->event != NULL) {
		(void)buf_puts(b, ",\"event\":");
		out_string(b, l->event);
	}
}

/* v1's `line` is text that holds JSON: the command-line client parses it. */
static void
out_line(struct buf *b, const struct store_line *l)
{
	struct buf line;
	const char *text;

	buf_init(&line, LINE_BYTES_MAX);
	(void)buf_puts(&line, "{\"level\":");
	out_string(&line, line_level_name((enum line_level)l->level));
	(void)buf_puts(&line, ",\"logger\":");
	out_string(&line, l->logger);
	(void)buf_puts(&line, ",\"message\":");
	out_string(&line, l->message);
	out_fields(&line, l, out_as_json);
	out_time(&line, "timestamp", l->at_ms);
	(void)buf_puts(&line, "}");
	text = buf_str(&line);
	out_string(b, text != NULL ? text : "");
	buf_fini(&line);
}

static void
out_entry(struct buf *b, const struct store_line *l)
{
	char text[TIME_TEXT];

	(void)buf_puts(b, "{\"timestamp\":");
	out_string(b, time_text(l->at_ms, text));
	(void)buf_puts(b, ",\"level\":");
	out_string(b, line_level_name((enum line_level)l->level));
	(void)buf_puts(b, ",\"message\":");
	out_string(b, l->message);
	(void)buf_puts(b, ",\"fields\":{\"logger\":");
	out_string(b, l->logger);
	out_fields(b, l, out_as_text);
	(void)buf_puts(b, "}}");
}

struct pages {
	struct buf lines, entries;
	const char *between;
};

static void
take_line(void *ctx, const struct store_line *l)
{
	struct pages *p = ctx;
	char text[TIME_TEXT];

	(void)buf_puts(&p->lines, p->between);
	(void)buf_puts(&p->lines, "{\"timestamp\":");
	out_string(&p->lines, time_text(l->at_ms, text));
	(void)buf_puts(&p->lines, ",\"line\":");
	out_line(&p->lines, l);
	(void)buf_puts(&p->lines, "}");
	(void)buf_puts(&p->entries, p->between);
	out_entry(&p->entries, l);
	p->between = ",";
}

/* 0, or -1 when the call was answered. */
static int
gather(struct call *c, const struct store_event_query *q, struct pages *p)
{
	struct store *st = engine_store(c->api->en);
	struct err e;
	int known;

	engine_logs_flush(c->api->en);
	known = store_event_known(st, q->sandbox_id, &e);
	buf_init(&p->lines, API_ANSWER_MAX);
	buf_init(&p->entries, API_ANSWER_MAX);
	p->between = "";
	if (known == 0)
		known = sb_not_found(q->sandbox_id, &e);
	else if (known > 0 && q->limit > 0)
		known = store_line_each(st, q, take_line, p, &e);
	if (known >= 0)
		return 0;
	buf_fini(&p->lines);
	buf_fini(&p->entries);
	call_error(c, &e, NULL);
	return -1;
}

static void
add(struct buf *to, const struct buf *from)
{
	(void)buf_add(to, from->data, from->len);
}

void
get_logs(struct call *c)
{
	const char *id = call_sandbox_id(c);
	int64_t now = wall_ms(), start, limit;
	struct pages p;
	struct buf b;
	struct err e;

	if (id == NULL)
		return;
	if (query_int(&c->query, "start", 0, INT64_MAX, 0, &start, &e) < 0 ||
	    query_int(&c->query, "limit", 0, LIMIT_MAX, LIMIT_MAX, &limit, &e) <
		0) {
		call_error(c, &e, NULL);
		return;
	}
	if (start < now - WINDOW_MS)
		start = now - WINDOW_MS;
	if (gather(c,
		&(struct store_event_query){ .sandbox_id = id,
		    .from_ms = start,
		    .to_ms = INT64_MAX,
		    .limit = (uint32_t)limit },
		&p) < 0)
		return;
	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "{\"logs\":[");
	add(&b, &p.lines);
	(void)buf_puts(&b, "],\"logEntries\":[");
	add(&b, &p.entries);
	(void)buf_puts(&b, "]}");
	buf_fini(&p.lines);
	buf_fini(&p.entries);
	call_ok(c, 200, &b);
}

static int
take_query(struct call *c, struct store_event_query *q, struct err *e)
{
	static const char *const levels[] = { "debug", "info", "warn",
		"error" };
	const char *direction = query_get(&c->query, "direction");
	const char *level = query_get(&c->query, "level");
	int64_t now = wall_ms(), limit, cursor;

	q->search = query_get(&c->query, "search");
	if (q->search != NULL && strlen(q->search) > SEARCH_MAX)
		return err_set(e, ERR_INVALID,
		    "validation error: search is longer than %d bytes",
		    SEARCH_MAX);
	if (direction != NULL && strcmp(direction, "forward") != 0 &&
	    strcmp(direction, "backward") != 0)
		return err_set(e, ERR_INVALID,
		    "validation error: direction must be forward or backward, "
		    "not \"%.40s\"",
		    direction);
	q->backward = direction == NULL || strcmp(direction, "backward") == 0;
	while (level != NULL && strcmp(levels[q->min_level], level) != 0)
		if (++q->min_level == 4)
			return err_set(e, ERR_INVALID,
			    "validation error: level must be debug, info, "
			    "warn or error, not \"%.40s\"",
			    level);
	if (query_int(&c->query, "limit", 0, LIMIT_MAX, LIMIT_MAX, &limit, e) <
		0 ||
	    query_int(&c->query, "cursor", 0, INT64_MAX,
		q->backward ? INT64_MAX : 0, &cursor, e) < 0)
		return -1;
	q->limit = (uint32_t)limit;
	q->from_ms =
	    q->backward || cursor < now - WINDOW_MS ? now - WINDOW_MS : cursor;
	q->to_ms = q->backward ? cursor : INT64_MAX;
	return 0;
}

void
get_logs_v2(struct call *c)
{
	struct store_event_query q = { .sandbox_id = call_sandbox_id(c) };
	struct pages p;
	struct buf b;
	struct err e;

	if (q.sandbox_id == NULL)
		return;
	if (take_query(c, &q, &e) < 0) {
		call_error(c, &e, NULL);
		return;
	}
	if (gather(c, &q, &p) < 0)
		return;
	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "{\"logs\":[");
	add(&b, &p.entries);
	(void)buf_puts(&b, "]}");
	buf_fini(&p.lines);
	buf_fini(&p.entries);
	call_ok(c, 200, &b);
}
