#include "envd/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "envd/envd.h"

enum { PIECE_MAX = 128 * 1024, BLANKS_MAX = 256 };

/* --- parameters -----------------------------------------------------------*/

static const char *
blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copies a token or a quoted string; the end of it, or NULL. */
static const char *
value(const char *s, char *to, size_t cap)
{
	size_t n = 0;

	if (*s != '"') {
		n = strcspn(s, "; \t");
		if (n >= cap)
			return NULL;
		memcpy(to, s, n);
		to[n] = '\0';
		return s + n;
	}
	for (s++; *s != '"'; s++) {
		/* Windows paths have backslashes that escape nothing. */
		if (*s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		if (*s == '\0' || n + 1 >= cap)
			return NULL;
		to[n++] = *s;
	}
	to[n] = '\0';
	return s + 1;
}

bool
multipart_param(const char *header, const char *name, char *to, size_t cap)
{
	const char *s = header + strcspn(header, ";");
	char skipped[PATH_MAX];
	size_t len = strlen(name);

	while (*s == ';') {
		size_t n;
		bool found;

		s = blanks(s + 1);
		n = strcspn(s, "=; \t");
		found = n == len && strncasecmp(s, name, len) == 0;
		s = blanks(s + n);
		if (*s == '=') {
			/* cppcheck-suppress legacyUninitvar; it is filled */
			s = value(blanks(s + 1), found ? to : skipped,
			    found ? cap : sizeof(skipped));
			if (s == NULL)
				return false;
			if (found)
				return true;
		}
		s = blanks(s);
		if (*s != ';')
			break;
	}
	return false;
}

/* A parameter as RFC 2231 has it: charset'language'percent-encoded. */
static bool
extended(const char *header, const char *name, char *to, size_t cap)
{
	char *from, *out = to;

	if (!multipart_param(header, name, to, cap) ||
	    strncasecmp(to, "utf-8'", 6) != 0)
		return false;
	from = strchr(to + 6, '\'');
	if (from == NULL)
		return false;
	for (from++; *from != '\0'; from++) {
		int high = *from == '%' ? hex_digit(from[1]) : -1;
		int low = high >= 0 ? hex_digit(from[2]) : -1;

		if (*from == '%' && (low < 0 || (high | low) == 0))
			return false;
		*out++ = *from == '%' ? (char)(high << 4 | low) : *from;
		from += *from == '%' ? 2 : 0;
	}
	*out = '\0';
	return true;
}

/* --- life -----------------------------------------------------------------*/

int
multipart_init(struct multipart *m, const char *content_type)
{
	char boundary[MULTIPART_BOUNDARY_MAX + 1];

	if (!multipart_param(
		content_type, "boundary", boundary, sizeof(boundary)) ||
	    boundary[0] == '\0')
		return -1;
	m->ndelimiter = (size_t)snprintf(
	    m->delimiter, sizeof(m->delimiter), "\r\n--%s", boundary);
	m->state = MP_PREAMBLE;
	buf_init(&m->in, MULTIPART_HEAD_MAX + PIECE_MAX);
	/* The first delimiter may be the very first line. */
	return buf_add(&m->in, "\r\n", 2);
}

void
multipart_fini(struct multipart *m)
{
	buf_fini(&m->in);
}

/* --- what comes -----------------------------------------------------------*/

static int
malformed(struct err *e, const char *why)
{
	return err_set(e, ERR_INVALID, "malformed multipart body: %s", why);
}

static const char *
header_of(char *head, const char *name)
{
	size_t len = strlen(name);

	for (char *line = head; line != NULL && *line != '\0';) {
		char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			if (end != NULL)
				*end = '\0';
			return line + len + 1;
		}
		line = end != NULL ? end + 2 : NULL;
	}
	return NULL;
}

static int
begin_part(struct multipart *m, char *head, struct err *e)
{
	const char *cd = header_of(head, "Content-Disposition");
	char name[256], filename[PATH_MAX];
	bool named = false, filed = false;

	if (cd != NULL) {
		named = multipart_param(cd, "name", name, sizeof(name));
		filed =
		    extended(cd, "filename*", filename, sizeof(filename)) ||
		    multipart_param(cd, "filename", filename, sizeof(filename));
	}
	return m->on_part(m, named ? name : NULL, filed ? filename : NULL, e);
}

/* Below: 1 went on, 0 needs more, -1 failed. */
/*
 * Whether what looks like a delimiter is one: the line ends there, or it is
 * the last.  1 yes, 0 not known yet, -1 no, it is data.
 */
static int
line_ends(const char *p, size_t n)
{
	size_t i = 0;

	if (n >= 2 && memcmp(p, "--", 2) == 0)
		return 1;
	if (n == 1 && *p == '-')
		return 0;
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	if (i > BLANKS_MAX || (i < n && p[i] != '\r') ||
	    (i + 1 < n && p[i + 1] != '\n'))
		return -1;
	return i + 1 < n;
}

static int
after_delimiter(struct multipart *m)
{
	if (memcmp(m->in.data, "--", 2) == 0) {
		m->state = MP_EPILOGUE;
		return 1;
	}
	/* The line end begins an empty head, too. */
	buf_consume(&m->in, strspn(m->in.data, " \t"));
	m->state = MP_HEAD;
	return 1;
}

static int
part_head(struct multipart *m, struct err *e)
{
	char *end = memmem(m->in.data, m->in.len, "\r\n\r\n", 4);
	char head[MULTIPART_HEAD_MAX + 1];
	size_t n;

	if (end == NULL && m->in.len <= MULTIPART_HEAD_MAX)
		return 0;
	if (end == NULL || end - m->in.data > MULTIPART_HEAD_MAX)
		return malformed(e, "headers of a part are too long");
	n = (size_t)(end - m->in.data);
	memcpy(head, m->in.data, n);
	head[n] = '\0';
	if (strlen(head) != n)
		return malformed(e, "NUL in a header");
	buf_consume(&m->in, n + 4);
	m->state = MP_DATA;
	return begin_part(m, n > 0 ? head + 2 : head, e) < 0 ? -1 : 1;
}

/* Where a delimiter is, or may be (then *known is 0); the end if nowhere. */
static size_t
find_delimiter(const struct multipart *m, int *known)
{
	const char *from = m->in.data, *end = from + m->in.len, *at;

	*known = 0;
	while ((at = memmem(from, (size_t)(end - from), m->delimiter,
		    m->ndelimiter)) != NULL) {
		const char *behind = at + m->ndelimiter;

		*known = line_ends(behind, (size_t)(end - behind));
		if (*known >= 0)
			return (size_t)(at - m->in.data);
		from = at + 1;
	}
	*known = 0;
	return m->in.len < m->ndelimiter ? 0 : m->in.len - m->ndelimiter + 1;
}

/* All that cannot be the beginning of a delimiter. */
static int
part_data(struct multipart *m, struct err *e)
{
	int known;
	size_t n = find_delimiter(m, &known);

	if (n > 0 && m->state == MP_DATA && m->on_data(m, m->in.data, n, e) < 0)
		return -1;
	buf_consume(&m->in, n);
	if (known == 0)
		return 0;
	if (m->state == MP_DATA && m->on_part_end(m, e) < 0)
		return -1;
	buf_consume(&m->in, m->ndelimiter);
	m->state = MP_AFTER;
	return 1;
}

static int
step(struct multipart *m, struct err *e)
{
	switch (m->state) {
	case MP_AFTER:
		return after_delimiter(m);
	case MP_HEAD:
		return part_head(m, e);
	case MP_PREAMBLE:
	case MP_DATA:
		return part_data(m, e);
	case MP_EPILOGUE:
		buf_reset(&m->in);
		return 0;
	}
	return 0;
}

int
multipart_feed(struct multipart *m, const char *p, size_t n, struct err *e)
{
	while (n > 0) {
		size_t some = n < PIECE_MAX / 2 ? n : PIECE_MAX / 2;
		int rc;

		if (buf_add(&m->in, p, some) < 0)
			return malformed(e, "no room");
		p += some;
		n -= some;
		do
			rc = step(m, e);
		while (rc > 0);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int
multipart_end(struct multipart *m, struct err *e)
{
	if (m->state != MP_EPILOGUE)
		return malformed(e, "unexpected end");
	return 0;
}
