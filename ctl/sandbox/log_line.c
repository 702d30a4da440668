#include "ctl/sandbox/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/own.h"

static const char *const levels[LINE_NLEVELS] = { "debug", "info", "warn",
	"error" };
/* Who may speak from inside; "lifecycle" is ours. */
static const char *const loggers[] = { "envd", "filesystem", "process",
	"port-forwarder", "start" };
/* Said elsewhere; a field of that name would pass for it. */
static const char *const taken[] = { "seq", "timestamp", "level", "logger",
	"message", "event", "line" };

const char *
line_level_name(enum line_level l)
{
	return levels[l < LINE_NLEVELS ? l : LINE_INFO];
}

void
log_line_fini(struct log_line *l)
{
	free(l->message);
	free(l->fields);
	*l = (struct log_line){ .logger = loggers[0] };
}

uint64_t
log_line_seq(const char *p, size_t n)
{
	static const char front[] = "{\"seq\":";
	const size_t len = sizeof(front) - 1;
	uint64_t seq = 0;

	if (n <= len || memcmp(p, front, len) != 0)
		return 0;
	for (size_t i = len; i < n && p[i] >= '0' && p[i] <= '9'; i++) {
		if (seq > (uint64_t)INT64_MAX / 10 - 1)
			return 0;
		seq = seq * 10 + (uint64_t)(p[i] - '0');
	}
	return seq;
}

/* --- text ------------------------------------------------------------------*/

/*
 * Somebody's terminal will show it: nothing that it would obey, no line that
 * looks like two.  s is UTF-8, as jansson made it.
 */
static void
clean(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p != '\0'; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = *p == '\n' || *p == '\t' ? ' ' : '?';
		else if (*p == 0xc2 && p[1] < 0xa0)
			p[0] = p[1] = '?'; /* U+0080 to U+009F */
		else if (*p == 0xe2 && p[1] == 0x80 &&
			 ((p[2] >= 0xa8 && p[2] <= 0xae) || p[2] == 0x8e ||
			     p[2] == 0x8f))
			p[0] = p[1] = p[2] = '?'; /* line ends, direction */
		else if (*p == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 &&
			 p[2] <= 0xa9)
			p[0] = p[1] = p[2] = '?'; /* isolates */
	}
}

/* At most max bytes, whole characters, with a mark where it was cut. */
static char *
copy_text(const char *s, size_t n, size_t max)
{
	static const char mark[] = "...";
	bool cut = n > max;
	char *to;

	if (cut) {
		n = max - (sizeof(mark) - 1);
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	to = malloc(n + sizeof(mark));
	if (to == NULL)
		return NULL;
	memcpy(to, s, n);
	memcpy(to + n, cut ? mark : "", cut ? sizeof(mark) : 1);
	clean(to);
	return to;
}

/* --- fields ----------------------------------------------------------------*/

static bool
key_ok(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	if (n == 0 || n > LOG_KEY_MAX || key[n] != '\0')
		return false;
	for (size_t i = 0; i < countof(taken); i++)
		if (strcmp(key, taken[i]) == 0)
			return false;
	return true;
}

static json_t *
text_value(const char *s, size_t n)
{
	autofree char *text = copy_text(s, n, LOG_VALUE_MAX);

	return text != NULL ? json_string(text) : NULL;
}

/* What may be stored for v; NULL: nothing. */
static json_t *
field_value(json_t *v)
{
	autofree char *dump = NULL;

	if (json_is_string(v))
		return text_value(json_string_value(v), json_string_length(v));
	if (json_is_number(v) || json_is_boolean(v))
		return json_incref(v);
	if (json_is_null(v))
		return NULL;
	dump = json_dumps(v, JSON_COMPACT);
	return dump != NULL ? text_value(dump, strlen(dump)) : NULL;
}

static char *
fields_of(const json_t *o)
{
	json_t *out = json_object(), *v;
	const char *key;
	char *text;

	json_object_foreach ((json_t *)unconst(o), key, v) {
		json_t *kept;

		if (json_object_size(out) == LOG_FIELDS_MAX || !key_ok(key))
			continue;
		kept = field_value(v);
		if (kept != NULL)
			(void)json_object_set_new(out, key, kept);
	}
	text = json_object_size(out) > 0 ? json_dumps(out, JSON_COMPACT) : NULL;
	if (text != NULL && strlen(text) > LOG_STORED_MAX) {
		free(text);
		text = strdup("{\"truncated\":true}");
	}
	json_decref(out);
	return text;
}

/* --- the line --------------------------------------------------------------*/

static int64_t
time_of(const char *s)
{
	struct tm tm = { 0 };
	const char *p =
	    s != NULL ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t ms = 0, scale = 100, sec;

	if (p == NULL)
		return 0;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ms += (*p - '0') * scale;
	if (strcmp(p, "Z") != 0)
		return 0; /* envd writes no other */
	sec = timegm(&tm);
	return sec > 0 && sec < 253402300800 ? sec * 1000 + ms : 0;
}

static enum line_level
level_of(const char *s)
{
	for (int i = 0; s != NULL && i < LINE_NLEVELS; i++)
		if (strcmp(s, levels[i]) == 0)
			return (enum line_level)i;
	return LINE_INFO;
}

static const char *
logger_of(const char *s)
{
	for (size_t i = 0; s != NULL && i < countof(loggers); i++)
		if (strcmp(s, loggers[i]) == 0)
			return loggers[i];
	return loggers[0];
}

static const char *
text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int
take_object(const json_t *o, struct log_line *out, struct err *e)
{
	const json_t *message = json_object_get(o, "message");
	json_int_t seq = json_integer_value(json_object_get(o, "seq"));

	if (json_object_size(o) == 0)
		return 0;
	if (!json_is_string(message))
		return err_set(e, ERR_INVALID, "log line without a message");
	out->seq = seq > 0 ? (uint64_t)seq : 0;
	out->at_ms = time_of(text_of(o, "timestamp"));
	out->level = level_of(text_of(o, "level"));
	out->logger = logger_of(text_of(o, "logger"));
	out->message = copy_text(json_string_value(message),
	    json_string_length(message), LOG_MESSAGE_MAX);
	out->fields = fields_of(o);
	return out->message != NULL ? 1 : err_sys(e, "log line");
}

int
log_line_parse(const char *p, size_t n, struct log_line *out, struct err *e)
{
	json_error_t je;
	json_t *o;
	int rc;

	*out = (struct log_line){ .logger = loggers[0] };
	if (n > LOG_LINE_BYTES_MAX)
		return err_set(
		    e, ERR_TOOBIG, "log line of %zu bytes is too long", n);
	o = json_loadb(p, n, 0, &je);
	if (!json_is_object(o)) {
		json_decref(o);
		return err_set(e, ERR_INVALID, "log line is no JSON object");
	}
	rc = take_object(o, out, e);
	json_decref(o);
	if (rc <= 0)
		log_line_fini(out);
	return rc;
}
