#include "code/event.h"

#include <string.h>

#include "base/own.h"

/* MIME types that have a member of their own in a result. */
static const struct {
	const char *mime, *key;
} keys[] = {
	{ "text/html", "html" },
	{ "text/markdown", "markdown" },
	{ "image/svg+xml", "svg" },
	{ "image/png", "png" },
	{ "image/jpeg", "jpeg" },
	{ "application/pdf", "pdf" },
	{ "text/latex", "latex" },
	{ "application/json", "json" },
	{ "application/javascript", "javascript" },
	{ "e2b/data", "data" },
	{ "e2b/chart", "chart" },
};

/* A string, or "" for anything else. */
static int
put_string(struct buf *b, struct jv v)
{
	return jv_type(v) == JV_STRING ? jv_put(b, v) : buf_puts(b, "\"\"");
}

static int
put_date(struct buf *b, struct jv date)
{
	char now[MSG_DATE_TEXT];

	if (jv_type(date) == JV_STRING)
		return jv_put(b, date);
	return buf_printf(b, "\"%s\"", msg_now(now));
}

static int
put_stream(struct buf *b, const struct msg *m)
{
	bool err = jv_is(jv_get(m->content, "name"), "stderr");

	if (buf_printf(b, "{\"type\": \"%s\", \"text\": ",
		err ? "stderr" : "stdout") < 0 ||
	    put_string(b, jv_get(m->content, "text")) < 0 ||
	    buf_puts(b, ", \"timestamp\": ") < 0 || put_date(b, m->date) < 0)
		return -1;
	return buf_puts(b, "}\n");
}

static int
put_input(struct buf *b, const struct msg *m)
{
	struct jv n = jv_get(m->content, "execution_count");
	int64_t count;

	if (jv_int(n, &count) < 0)
		return 0;
	return buf_printf(b,
	    "{\"type\": \"number_of_executions\", \"execution_count\": "
	    "%lld}\n",
	    (long long)count);
}

/* --- errors ---------------------------------------------------------------*/

/* A list of lines as one string, nothing in between. */
static int
put_traceback(struct buf *b, struct jv v)
{
	struct jv_iter it = jv_members(v);
	struct jv key, line;

	if (jv_type(v) == JV_STRING)
		return jv_put(b, v);
	if (buf_puts(b, "\"") < 0)
		return -1;
	while (jv_next(&it, &key, &line))
		if (jv_type(line) == JV_STRING &&
		    jv_put_inside(b, line.p + 1, line.n - 2) < 0)
			return -1;
	return buf_puts(b, "\"");
}

static int
put_error(struct buf *b, const struct msg *m)
{
	if (buf_puts(b, "{\"type\": \"error\", \"name\": ") < 0 ||
	    put_string(b, jv_get(m->content, "ename")) < 0 ||
	    buf_puts(b, ", \"value\": ") < 0 ||
	    put_string(b, jv_get(m->content, "evalue")) < 0 ||
	    buf_puts(b, ", \"traceback\": ") < 0 ||
	    put_traceback(b, jv_get(m->content, "traceback")) < 0)
		return -1;
	return buf_puts(b, "}\n");
}

int
event_put_error(struct buf *b, const char *name, const char *value)
{
	if (buf_puts(b, "{\"type\": \"error\", \"name\": ") < 0 ||
	    jv_put_text(b, name, strlen(name)) < 0 ||
	    buf_puts(b, ", \"value\": ") < 0 ||
	    jv_put_text(b, value, strlen(value)) < 0)
		return -1;
	return buf_puts(b, ", \"traceback\": \"\"}\n");
}

/* --- results --------------------------------------------------------------*/

/*
 * Without the one pair of quotes that a string's own representation has.
 * A lone quote is both of them.
 */
static int
put_unquoted(struct buf *b, struct jv v)
{
	const char *p = v.p + 1, *end = p + v.n - 2, *at = p, *last = p;
	const char *second = p;
	uint32_t first = 0, c = 0;

	if (jv_type(v) != JV_STRING)
		return jv_put(b, v);
	while (at < end) {
		last = at;
		at = jv_char(at, end, &c);
		if (last == p) {
			first = c;
			second = at;
		}
	}
	if (p == end || (first != '\'' && first != '"') || c != first)
		return jv_put(b, v);
	if (buf_puts(b, "\"") < 0 ||
	    (second < last &&
		jv_put_inside(b, second, (size_t)(last - second)) < 0))
		return -1;
	return buf_puts(b, "\"");
}

static const char *
key_of(struct jv mime)
{
	for (size_t i = 0; i < countof(keys); i++)
		if (jv_is(mime, keys[i].mime))
			return keys[i].key;
	return NULL;
}

static int
put_known(struct buf *b, struct jv data)
{
	struct jv_iter it = jv_members(data);
	struct jv mime, value;

	while (jv_next(&it, &mime, &value)) {
		const char *key = key_of(mime);
		bool text = jv_is(mime, "text/plain");

		if (jv_type(value) == JV_NULL || (key == NULL && !text))
			continue;
		if (buf_printf(b, ", \"%s\": ", text ? "text" : key) < 0 ||
		    (text ? put_unquoted(b, value) : jv_put(b, value)) < 0)
			return -1;
	}
	return 0;
}

static int
put_extra(struct buf *b, struct jv data)
{
	struct jv_iter it = jv_members(data);
	struct jv mime, value;
	const char *comma = "";

	if (buf_puts(b, ", \"extra\": {") < 0)
		return -1;
	while (jv_next(&it, &mime, &value)) {
		if (jv_type(value) == JV_NULL || key_of(mime) != NULL ||
		    jv_is(mime, "text/plain"))
			continue;
		if (buf_puts(b, comma) < 0 || jv_put(b, mime) < 0 ||
		    buf_puts(b, ": ") < 0 || jv_put(b, value) < 0)
			return -1;
		comma = ", ";
	}
	return buf_puts(b, "}");
}

static int
put_result(struct buf *b, const struct msg *m)
{
	struct jv data = jv_get(m->content, "data");

	if (jv_type(data) != JV_OBJECT)
		return 0;
	if (buf_printf(b, "{\"type\": \"result\", \"is_main_result\": %s",
		m->type == MSG_RESULT ? "true" : "false") < 0 ||
	    put_known(b, data) < 0 || put_extra(b, data) < 0)
		return -1;
	return buf_puts(b, "}\n");
}

/* --- all ------------------------------------------------------------------*/

static int
put(struct buf *b, const struct msg *m)
{
	switch (m->type) {
	case MSG_INPUT:
		return put_input(b, m);
	case MSG_STREAM:
		return put_stream(b, m);
	case MSG_DISPLAY:
	case MSG_RESULT:
		return put_result(b, m);
	case MSG_ERROR:
		return put_error(b, m);
	case MSG_OTHER:
	case MSG_READY:
	case MSG_INFO_REPLY:
	case MSG_STATUS:
	case MSG_REPLY:
		return 0;
	}
	return 0;
}

int
event_put(struct buf *b, const struct msg *m)
{
	size_t before = b->len;

	if (put(b, m) == 0)
		return 0;
	b->len = before; /* not half a line */
	return -1;
}

int
event_put_stderr(struct buf *b, const char *text)
{
	char now[MSG_DATE_TEXT];

	if (buf_puts(b, "{\"type\": \"stderr\", \"text\": ") < 0 ||
	    jv_put_text(b, text, strlen(text)) < 0)
		return -1;
	return buf_printf(b, ", \"timestamp\": \"%s\"}\n", msg_now(now));
}

int
event_put_keepalive(struct buf *b)
{
	return buf_puts(b, "{\"type\": \"keepalive\"}\n");
}

int
event_put_end(struct buf *b)
{
	return buf_puts(b, "{\"type\": \"end_of_execution\"}\n");
}
