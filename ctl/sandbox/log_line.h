/*
 * log_line.h - a line of envd's log, which a sandbox may have made up: one
 * JSON object -> what may be stored and shown.  No I/O.
 */
#ifndef SANDBOX_LOG_LINE_H
#define SANDBOX_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	LOG_LINE_BYTES_MAX = 4096, /* longer ones are none */
	LOG_MESSAGE_MAX = 1024,	   /* bytes, cut where longer */
	LOG_FIELDS_MAX = 16,
	LOG_KEY_MAX = 32,
	LOG_VALUE_MAX = 1024,
	LOG_STORED_MAX = 3072, /* of all fields, as JSON */
};

enum line_level { LINE_DEBUG, LINE_INFO, LINE_WARN, LINE_ERROR, LINE_NLEVELS };

struct log_line {
	uint64_t seq;  /* 0: it says none */
	int64_t at_ms; /* 0: it says none, or nonsense */
	enum line_level level;
	const char *logger; /* one of a few names; static */
	char *message;	    /* UTF-8 without control characters */
	char *fields;	    /* a JSON object, or NULL */
};

/* 1: a line, to be freed.  0: it says nothing.  -1: it is none. */
int log_line_parse(
    const char *p, size_t n, struct log_line *out, struct err *e);
void log_line_fini(struct log_line *l);
/* Its number alone, at little cost; 0 if it has none where we put it. */
uint64_t log_line_seq(const char *p, size_t n);

const char *line_level_name(enum line_level l);

#endif
