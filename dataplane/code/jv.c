#include "code/jv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_put.h"
#include "base/utf8.h"

struct scan {
	const char *at, *end;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
hex_of(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

/* --- checking -------------------------------------------------------------*/

static int
check_escape(struct scan *s)
{
	if (++s->at == s->end || strchr("\"\\/bfnrtu", *s->at) == NULL ||
	    *s->at == '\0')
		return -1;
	if (*s->at == 'u')
		for (int i = 0; i < 4; i++)
			if (++s->at == s->end || hex_of(*s->at) < 0)
				return -1;
	s->at++;
	return 0;
}

static int
check_string(struct scan *s)
{
	s->at++;
	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at;

		if (c == '"') {
			s->at++;
			return 0;
		}
		if (c < 0x20)
			return -1;
		if (c != '\\')
			s->at++;
		else if (check_escape(s) < 0)
			return -1;
	}
	return -1;
}

static int
check_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && is_digit(*s->at))
		s->at++;
	return s->at > from ? 0 : -1;
}

static int
check_number(struct scan *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (check_digits(s) < 0)
		return -1;
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (check_digits(s) < 0)
			return -1;
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		return check_digits(s);
	}
	return 0;
}

static int
check_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return -1;
	s->at += n;
	return 0;
}

static int
check_scalar(struct scan *s)
{
	switch (*s->at) {
	case '"':
		return check_string(s);
	case 't':
		return check_word(s, "true");
	case 'f':
		return check_word(s, "false");
	case 'n':
		return check_word(s, "null");
	default:
		return check_number(s);
	}
}

static int
check_name(struct scan *s)
{
	if (s->at == s->end || *s->at != '"' || check_string(s) < 0)
		return -1;
	skip_space(s);
	if (s->at == s->end || *s->at != ':')
		return -1;
	s->at++;
	skip_space(s);
	return 0;
}

/* 0: another value follows.  1: it was the last one. */
static int
after_value(struct scan *s, const char *open, size_t *depth)
{
	while (*depth > 0) {
		char in = open[*depth - 1];

		skip_space(s);
		if (s->at == s->end)
			return -1;
		if (*s->at == ',') {
			s->at++;
			skip_space(s);
			return in == '{' ? check_name(s) : 0;
		}
		if (*s->at != (in == '{' ? '}' : ']'))
			return -1;
		s->at++;
		(*depth)--;
	}
	return 1;
}

/* 0: a value inside of it follows.  1: it is empty. */
static int
open_value(struct scan *s, char *open, size_t *depth)
{
	char c = *s->at++;

	skip_space(s);
	if (s->at < s->end && *s->at == (c == '{' ? '}' : ']')) {
		s->at++;
		return 1;
	}
	if (*depth == JV_DEPTH_MAX)
		return -1;
	open[(*depth)++] = c;
	return c == '{' ? check_name(s) : 0;
}

static int
check(struct scan *s)
{
	char open[JV_DEPTH_MAX];
	size_t depth = 0;
	int rc;

	do {
		if (s->at == s->end)
			return -1;
		rc = 1;
		if (*s->at == '{' || *s->at == '[')
			rc = open_value(s, open, &depth);
		else if (check_scalar(s) < 0)
			return -1;
		if (rc == 1)
			rc = after_value(s, open, &depth);
	} while (rc == 0);
	return rc < 0 ? -1 : 0;
}

int
jv_parse(const char *p, size_t n, struct jv *out, size_t *at)
{
	struct scan s = { p, p + n };
	const char *from;
	int rc;

	skip_space(&s);
	from = s.at;
	rc = check(&s);
	if (rc == 0) {
		*out = (struct jv){ from, (size_t)(s.at - from) };
		skip_space(&s);
	}
	if (at != NULL)
		*at = (size_t)(s.at - p);
	return rc < 0 || s.at != s.end ? -1 : 0;
}

/* --- looking --------------------------------------------------------------*/

enum jv_type
jv_type(struct jv v)
{
	if (v.p == NULL)
		return JV_NONE;
	switch (*v.p) {
	case '{':
		return JV_OBJECT;
	case '[':
		return JV_ARRAY;
	case '"':
		return JV_STRING;
	case 't':
	case 'f':
		return JV_BOOL;
	case 'n':
		return JV_NULL;
	default:
		return JV_NUMBER;
	}
}

static const char *
past_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* What was checked ends where it must. */
static const char *
past_value(const char *p, const char *end)
{
	size_t depth = 0;

	do {
		switch (*p) {
		case '"':
			p = past_string(p);
			break;
		case '{':
		case '[':
			depth++;
			p++;
			break;
		case '}':
		case ']':
			depth--;
			p++;
			break;
		default:
			p++;
			while (depth == 0 && p < end && *p != ',' &&
			       *p != '}' && *p != ']' && !is_space(*p))
				p++;
		}
	} while (depth > 0);
	return p;
}

struct jv_iter
jv_members(struct jv v)
{
	enum jv_type t = jv_type(v);

	if (t != JV_OBJECT && t != JV_ARRAY)
		return (struct jv_iter){ NULL, NULL, false };
	/* Without both brackets. */
	return (struct jv_iter){ v.p + 1, v.p + v.n - 1, t == JV_OBJECT };
}

static struct jv
take_value(struct jv_iter *it)
{
	const char *from = it->at;

	it->at = past_value(from, it->end);
	return (struct jv){ from, (size_t)(it->at - from) };
}

bool
jv_next(struct jv_iter *it, struct jv *key, struct jv *value)
{
	while (it->at < it->end && (is_space(*it->at) || *it->at == ','))
		it->at++;
	if (it->at >= it->end)
		return false;
	*key = (struct jv){ NULL, 0 };
	if (it->object) {
		*key = take_value(it);
		while (is_space(*it->at) || *it->at == ':')
			it->at++;
	}
	*value = take_value(it);
	return true;
}

struct jv
jv_get(struct jv object, const char *name)
{
	struct jv_iter it = jv_members(object);
	struct jv key, value, found = { NULL, 0 };

	if (it.object)
		while (jv_next(&it, &key, &value))
			if (jv_is(key, name))
				found = value;
	return found;
}

/* --- characters -----------------------------------------------------------*/

static uint32_t
hex4(const char *p)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)hex_of(p[i]);
	return v;
}

static const char *
escaped_char(const char *p, const char *end, uint32_t *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	uint32_t low;

	if (p[1] != 'u') {
		const char *at = strchr(from, p[1]);

		*out = at != NULL ? (unsigned char)to[at - from] : 0xfffd;
		return p + 2;
	}
	*out = hex4(p + 2);
	p += 6;
	if (*out < 0xd800 || *out > 0xdfff)
		return p;
	if (*out < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = hex4(p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*out = 0x10000 + ((*out - 0xd800) << 10) + low - 0xdc00;
			return p + 6;
		}
	}
	*out = 0xfffd;
	return p;
}

const char *
jv_char(const char *p, const char *end, uint32_t *out)
{
	size_t len;

	if (*p == '\\')
		return escaped_char(p, end, out);
	len = utf8_char(p, (size_t)(end - p), out);
	if (len > 0)
		return p + len;
	*out = 0xfffd;
	return p + 1;
}

bool
jv_is(struct jv v, const char *s)
{
	const char *p, *end, *at = s, *stop = s + strlen(s);

	if (jv_type(v) != JV_STRING)
		return false;
	end = v.p + v.n - 1;
	for (p = v.p + 1; p < end;) {
		uint32_t a, b;

		if (at == stop)
			return false;
		p = jv_char(p, end, &a);
		/* Ours has no escapes. */
		if (*at == '\\') {
			b = '\\';
			at++;
		} else
			at = jv_char(at, stop, &b);
		if (a != b)
			return false;
	}
	return at == stop;
}

static int
put_utf8(struct buf *b, uint32_t c)
{
	char t[4];
	size_t n;

	if (c < 0x80) {
		t[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		t[0] = (char)(0xc0 | c >> 6);
		t[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		t[0] = (char)(0xe0 | c >> 12);
		t[1] = (char)(0x80 | (c >> 6 & 0x3f));
		t[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		t[0] = (char)(0xf0 | c >> 18);
		t[1] = (char)(0x80 | (c >> 12 & 0x3f));
		t[2] = (char)(0x80 | (c >> 6 & 0x3f));
		t[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	return buf_add(b, t, n);
}

int
jv_text(struct buf *to, struct jv string)
{
	const char *p, *end;
	uint32_t c;

	if (jv_type(string) != JV_STRING)
		return -1;
	end = string.p + string.n - 1;
	for (p = string.p + 1; p < end;) {
		p = jv_char(p, end, &c);
		if (put_utf8(to, c) < 0)
			return -1;
	}
	return 0;
}

char *
jv_strdup(struct jv string)
{
	struct buf b;
	const char *s = NULL;
	char *copy = NULL;

	buf_init(&b, string.n * 4 + 16);
	if (jv_text(&b, string) == 0)
		s = buf_str(&b);
	if (s != NULL && strlen(s) == b.len)
		copy = strdup(s);
	buf_fini(&b);
	return copy;
}

int
jv_int(struct jv v, int64_t *out)
{
	char text[24], *end;

	if (jv_type(v) != JV_NUMBER || v.n >= sizeof(text))
		return -1;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	if (v.n > 18)
		return -1; /* nobody counts that far */
	*out = strtoll(text, &end, 10);
	return *end == '\0' ? 0 : -1;
}

/* --- writing --------------------------------------------------------------*/

static int
put_escape(struct buf *b, uint32_t c)
{
	if (c < 0x10000)
		return buf_printf(b, "\\u%04x", c);
	c -= 0x10000;
	return buf_printf(
	    b, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

static bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f;
}

int
jv_put_inside(struct buf *b, const char *p, size_t n)
{
	const char *end = p + n, *from;
	uint32_t c;

	while (p < end) {
		/* Escapes are plain, too: they stay as they are. */
		for (from = p; p < end && is_plain(*p); p++)
			;
		if (buf_add(b, from, (size_t)(p - from)) < 0)
			return -1;
		if (p == end)
			break;
		p = jv_char(p, end, &c);
		if (put_escape(b, c) < 0)
			return -1;
	}
	return 0;
}

int
jv_put(struct buf *b, struct jv v)
{
	const char *p = v.p, *end = p + v.n, *from;

	while (p < end) {
		for (from = p; p < end && *p != '"' && !is_space(*p); p++)
			;
		if (buf_add(b, from, (size_t)(p - from)) < 0)
			return -1;
		if (p == end)
			break;
		from = p;
		if (*p == '"') {
			p = past_string(p);
			if (jv_put_inside(b, from, (size_t)(p - from)) < 0)
				return -1;
		} else
			p++;
	}
	return 0;
}

int
jv_put_text(struct buf *b, const char *s, size_t n)
{
	const char *end = s + n, *from;
	int rc = buf_add(b, "\"", 1);

	while (s < end && rc == 0) {
		for (from = s;
		     s < end && is_plain(*s) && *s != '"' && *s != '\\'; s++)
			;
		rc = buf_add(b, from, (size_t)(s - from));
		if (rc < 0 || s == end)
			break;
		if ((unsigned char)*s < 0x80)
			rc = json_put_escaped(b, (unsigned char)*s++);
		else {
			uint32_t c;

			s = jv_char(s, end, &c);
			rc = put_escape(b, c);
		}
	}
	return rc == 0 ? buf_add(b, "\"", 1) : -1;
}
