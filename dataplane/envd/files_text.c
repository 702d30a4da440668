/* Headers of file transfers: ranges, codings, names.  No I/O. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/files.h"
#include "envd/text.h"

/* --- Range ----------------------------------------------------------------*/

static const char *
skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* Digits to a number; -1 if there are none or too many. */
static int64_t
digits(const char **s)
{
	int64_t v = 0;

	*s = skip_blanks(*s);
	if (!isdigit((unsigned char)**s))
		return -1;
	for (; isdigit((unsigned char)**s); (*s)++) {
		if (v > INT64_MAX / 10 - 10)
			return -1;
		v = v * 10 + (**s - '0');
	}
	*s = skip_blanks(*s);
	return v;
}

/* 1: a range that is there.  0: one that is not.  -1: not a range. */
static int
one_range(const char **s, int64_t size, struct file_range *out)
{
	int64_t first, last;

	if (**s == '-') {
		(*s)++;
		last = digits(s);
		if (last < 0)
			return -1;
		if (last > size)
			last = size;
		*out = (struct file_range){ size - last, last };
		return last > 0;
	}
	first = digits(s);
	if (first < 0 || **s != '-')
		return -1;
	*s = skip_blanks(*s + 1);
	last = size - 1;
	if (**s != '\0' && **s != ',') {
		last = digits(s);
		if (last < first)
			return first < size ? -1 : 0;
	}
	if (first >= size)
		return 0;
	if (last >= size)
		last = size - 1;
	*out = (struct file_range){ first, last - first + 1 };
	return 1;
}

int
files_ranges(const char *range, int64_t size, struct file_range out[RANGES_MAX])
{
	int64_t total = 0;
	int n = 0;
	bool missing = false;

	if (range == NULL || *range == '\0')
		return 0;
	if (strncmp(range, "bytes=", 6) != 0)
		return RANGES_BAD;
	for (const char *s = range + 6;; s++) {
		int rc;

		s = skip_blanks(s);
		if (*s == ',')
			continue;
		if (*s == '\0')
			break;
		if (n == RANGES_MAX)
			return 0;
		rc = one_range(&s, size, &out[n]);
		if (rc < 0 || (*s != ',' && *s != '\0'))
			return RANGES_BAD;
		missing = missing || rc == 0;
		if (rc > 0)
			total += out[n++].n;
		if (*s == '\0')
			break;
	}
	/* More than the file itself is an attack or a mistake. */
	if (total > size)
		return 0;
	/* Of an empty file all is sent, whatever was asked for. */
	return n > 0 || !missing || size == 0 ? n : RANGES_NONE;
}

/* --- Accept-Encoding ------------------------------------------------------*/

/* A q value in thousandths. */
static int
quality(const char *p, const char *end)
{
	for (; p < end; p++) {
		double q;

		if (*p != ';')
			continue;
		p = skip_blanks(p + 1);
		if (end - p < 2 || (*p | 0x20) != 'q' || p[1] != '=')
			continue;
		q = strtod(p + 2, NULL);
		return q >= 0 && q <= 1 ? (int)(q * 1000) : 1000;
	}
	return 1000;
}

enum coding
files_coding(const char *accept, bool identity_only)
{
	int gzip = -1, identity = -1, star = -1;

	while (accept != NULL && *accept != '\0') {
		const char *end = accept + strcspn(accept, ",");
		const char *name = skip_blanks(accept);
		size_t n = strcspn(name, ",; \t");
		int q = quality(name, end);

		if (n == 4 && strncasecmp(name, "gzip", 4) == 0)
			gzip = q;
		else if (n == 8 && strncasecmp(name, "identity", 8) == 0)
			identity = q;
		else if (n == 1 && *name == '*')
			star = q;
		accept = end + (*end == ',');
	}
	/* Sent as it is where that is as welcome: it costs nothing. */
	if (identity < 0)
		identity = star == 0 ? 0 : 1000;
	if (gzip < 0)
		gzip = star > 0 && identity == 0 ? star : 0;
	if (identity_only || (identity > 0 && identity >= gzip))
		return identity > 0 ? CODING_IDENTITY : CODING_NONE;
	return gzip > 0 ? CODING_GZIP : CODING_NONE;
}

/* --- Content-Disposition --------------------------------------------------*/

static bool
is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

void
files_disposition(const char *name, char *to, size_t cap)
{
	bool token = *name != '\0', ascii = true;
	size_t n;

	for (const char *p = name; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		token = token && is_token_char(c);
		ascii = ascii && c >= 0x20 && c < 0x7f;
	}
	if (token) {
		(void)snprintf(to, cap, "inline; filename=%s", name);
		return;
	}
	n = (size_t)snprintf(to, cap,
	    ascii ? "inline; filename=\"" : "inline; filename*=utf-8''");
	for (const char *p = name; *p != '\0' && n + 5 < cap; p++) {
		unsigned char c = (unsigned char)*p;

		if (ascii && (c == '"' || c == '\\'))
			to[n++] = '\\';
		if (ascii || (is_token_char(c) && strchr("*'%", c) == NULL))
			to[n++] = (char)c;
		else
			n += (size_t)snprintf(to + n, cap - n, "%%%02X", c);
	}
	if (ascii)
		to[n++] = '"';
	to[n] = '\0';
}
