/*
 * A line from inside a sandbox: whatever it holds, what is to be stored is
 * bounded, is UTF-8 without control characters, parses as JSON, and parses to
 * the same again; the cheap look at its number never says another one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl/sandbox/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_text(const char *s, size_t max)
{
	json_t *v = json_string(s); /* refuses what is not UTF-8 */

	if (v == NULL || strlen(s) > max)
		abort();
	json_decref(v);
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

static void
check_fields(const char *fields)
{
	json_t *o = json_loads(fields, 0, NULL), *v;
	const char *key;

	if (!json_is_object(o) || strlen(fields) > LOG_STORED_MAX ||
	    json_object_size(o) > LOG_FIELDS_MAX)
		abort();
	json_object_foreach (o, key, v) {
		check_text(key, LOG_KEY_MAX);
		if (json_is_string(v))
			check_text(json_string_value(v), LOG_VALUE_MAX);
		else if (json_is_object(v) || json_is_array(v))
			abort();
	}
	json_decref(o);
}

/* What was stored, said again, is stored as it is. */
static void
check_again(const struct log_line *l)
{
	char text[LOG_MESSAGE_MAX * 6 + 64];
	json_t *m = json_pack("{s:s}", "message", l->message);
	struct log_line again;
	char *dump = json_dumps(m, JSON_COMPACT);
	struct err e;

	json_decref(m);
	if (dump == NULL)
		abort();
	(void)snprintf(text, sizeof(text), "%s", dump);
	free(dump);
	if (strlen(text) > LOG_LINE_BYTES_MAX)
		return;
	if (log_line_parse(text, strlen(text), &again, &e) != 1 ||
	    strcmp(again.message, l->message) != 0)
		abort();
	log_line_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = n > 0 ? malloc(n) : NULL; /* no byte to spare behind it */
	struct log_line l;
	uint64_t seq;
	struct err e;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, n);
	seq = log_line_seq(copy, n);
	if (log_line_parse(copy, n, &l, &e) == 1) {
		check_text(l.message, LOG_MESSAGE_MAX);
		if (l.fields != NULL)
			check_fields(l.fields);
		if (l.level >= LINE_NLEVELS || l.at_ms < 0 ||
		    seq > (uint64_t)INT64_MAX)
			abort();
		check_again(&l);
		log_line_fini(&l);
	}
	free(copy);
	return 0;
}
