#include "ctl/api/query.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/own.h"
#include "http/server.h"

/* n bytes, decoded, to be freed; NULL if malformed, with NUL, or no memory. */
static char *
decoded(const char *s, size_t n)
{
	autofree char *to = malloc(n + 1);

	if (to == NULL || http_decode(s, n, true, to, n + 1) < 0)
		return NULL;
	return take(&to);
}

static int
take_pair(struct sb_pairs *to, const char *s, size_t n, struct err *e)
{
	const char *eq = memchr(s, '=', n);
	size_t key = eq != NULL ? (size_t)(eq - s) : n;
	size_t skip = eq != NULL ? key + 1 : n;
	autofree char *name = decoded(s, key);
	autofree char *value = decoded(s + skip, n - skip);

	if (name == NULL || value == NULL)
		return err_set(e, ERR_INVALID,
		    "malformed percent-encoding in \"%.100s\"", s);
	if (to->n == QUERY_MAX)
		return err_set(
		    e, ERR_INVALID, "more than %d parameters", QUERY_MAX);
	return sb_pairs_add(to, name, value, e);
}

static int
take_pairs(struct sb_pairs *to, const char *s, struct err *e)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "&");

		if (n > 0 && take_pair(to, s, n, e) < 0)
			return -1;
		s += n + (s[n] == '&');
	}
	return 0;
}

int
query_parse(const char *text, struct query *q, struct err *e)
{
	*q = (struct query){ .v = { .n = 0 } };
	if (take_pairs(&q->v, text, e) == 0)
		return 0;
	query_fini(q);
	return -1;
}

void
query_fini(struct query *q)
{
	sb_pairs_fini(&q->v);
}

const char *
query_get(const struct query *q, const char *name)
{
	return sb_pairs_get(&q->v, name);
}

int
query_int(const struct query *q, const char *name, int64_t min, int64_t max,
    int64_t otherwise, int64_t *out, struct err *e)
{
	const char *s = query_get(q, name);
	char *end;
	long long n;

	*out = otherwise;
	if (s == NULL)
		return 0;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (end == s || *end != '\0' || isspace((unsigned char)*s))
		return err_set(e, ERR_INVALID,
		    "Invalid format for parameter %s: \"%.40s\" is no whole "
		    "number",
		    name, s);
	if (errno != 0 || n < min || n > max)
		return err_set(e, ERR_INVALID,
		    "validation error: parameter %s must be between %lld and "
		    "%lld, not %.40s",
		    name, (long long)min, (long long)max, s);
	*out = n;
	return 0;
}

int
query_bool(const struct query *q, const char *name, bool otherwise, bool *out,
    struct err *e)
{
	const char *s = query_get(q, name);

	*out = otherwise;
	if (s == NULL)
		return 0;
	if (strcmp(s, "true") != 0 && strcmp(s, "false") != 0 &&
	    strcmp(s, "1") != 0 && strcmp(s, "0") != 0)
		return err_set(e, ERR_INVALID,
		    "Invalid format for parameter %s: \"%.40s\" is neither "
		    "true nor false",
		    name, s);
	*out = strcmp(s, "true") == 0 || strcmp(s, "1") == 0;
	return 0;
}

static int
each_part(char *value, int (*each)(void *ctx, const char *value, struct err *e),
    void *ctx, struct err *e)
{
	char *rest = value, *part;

	while ((part = strsep(&rest, ",")) != NULL)
		if (*part != '\0' && each(ctx, part, e) < 0)
			return -1;
	return 0;
}

int
query_list(const struct query *q, const char *name,
    int (*each)(void *ctx, const char *value, struct err *e), void *ctx,
    struct err *e)
{
	for (size_t i = 0; i < q->v.n; i++) {
		autofree char *value = NULL;

		if (strcmp(q->v.v[i].name, name) != 0)
			continue;
		value = strdup(q->v.v[i].value);
		if (value == NULL)
			return err_sys(e, "query");
		if (each_part(value, each, ctx, e) < 0)
			return -1;
	}
	return 0;
}

int
query_metadata(const char *value, struct sb_pairs *out, struct err *e)
{
	autofree char *whole = decoded(value, strlen(value));

	*out = (struct sb_pairs){ .n = 0 };
	if (whole == NULL)
		err_set(e, ERR_INVALID,
		    "metadata: malformed percent-encoding in \"%.100s\"",
		    value);
	if (whole != NULL && take_pairs(out, whole, e) == 0)
		return 0;
	sb_pairs_fini(out);
	return -1;
}

bool
query_metadata_match(const struct sb_pairs *want, const struct sb_pairs *have)
{
	for (size_t i = 0; i < want->n; i++) {
		const char *v = sb_pairs_get(have, want->v[i].name);

		if (v == NULL || strcmp(v, want->v[i].value) != 0)
			return false;
	}
	return true;
}

/* --- time -----------------------------------------------------------------*/

static bool
number(const char **s, unsigned digits, int *out)
{
	*out = 0;
	for (unsigned i = 0; i < digits; i++, (*s)++) {
		if (!isdigit((unsigned char)**s))
			return false;
		*out = *out * 10 + (**s - '0');
	}
	return true;
}

static bool
sign(const char **s, char c)
{
	if (**s != c && !(c == 'T' && (**s == 't' || **s == ' ')))
		return false;
	(*s)++;
	return true;
}

/* Minutes east of Greenwich. */
static bool
zone(const char **s, int *minutes)
{
	int h, m;
	char c = **s;

	*minutes = 0;
	if (c == 'Z' || c == 'z') {
		(*s)++;
		return true;
	}
	if (c != '+' && c != '-' && c != ' ')
		return false;
	(*s)++;
	if (!number(s, 2, &h) || !sign(s, ':') || !number(s, 2, &m) || h > 23 ||
	    m > 59)
		return false;
	*minutes = (c == '-' ? -1 : 1) * (h * 60 + m);
	return true;
}

static bool
fraction(const char **s, int64_t *ms)
{
	int64_t unit = 100;

	*ms = 0;
	if (**s != '.')
		return true;
	(*s)++;
	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s); (*s)++, unit /= 10)
		*ms += (**s - '0') * unit;
	return true;
}

int
time_parse(const char *s, int64_t *ms, struct err *e)
{
	const char *p = s;
	struct tm tm = { 0 };
	int64_t part;
	int east;
	bool ok = number(&p, 4, &tm.tm_year) && sign(&p, '-') &&
		  number(&p, 2, &tm.tm_mon) && sign(&p, '-') &&
		  number(&p, 2, &tm.tm_mday) && sign(&p, 'T') &&
		  number(&p, 2, &tm.tm_hour) && sign(&p, ':') &&
		  number(&p, 2, &tm.tm_min) && sign(&p, ':') &&
		  number(&p, 2, &tm.tm_sec) && fraction(&p, &part) &&
		  zone(&p, &east) && *p == '\0';

	if (!ok || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return err_set(
		    e, ERR_INVALID, "\"%.60s\" is not an RFC 3339 time", s);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms = ((int64_t)timegm(&tm) - east * 60) * 1000 + part;
	return 0;
}

const char *
time_text(int64_t ms, char to[TIME_TEXT])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)snprintf(to, TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_mon + 1,
	    (unsigned)tm.tm_mday, (unsigned)tm.tm_hour, (unsigned)tm.tm_min,
	    (unsigned)tm.tm_sec, (unsigned)(ms % 1000));
	return to;
}

/* --- pages ----------------------------------------------------------------*/

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			  "abcdefghijklmnopqrstuvwxyz0123456789-_";

static void
b64_encode(const char *s, char *to)
{
	unsigned acc = 0, bits = 0;

	for (; *s != '\0'; s++) {
		acc = acc << 8 | (unsigned char)*s;
		for (bits += 8; bits >= 6; bits -= 6)
			*to++ = b64[acc >> (bits - 6) & 63];
	}
	if (bits > 0)
		*to++ = b64[acc << (6 - bits) & 63];
	*to = '\0';
}

static bool
b64_decode(const char *s, char *to, size_t cap)
{
	unsigned acc = 0, bits = 0;
	size_t n = 0;

	for (; *s != '\0'; s++) {
		const char *d = strchr(b64, *s);

		if (d == NULL || n + 1 >= cap)
			return false;
		acc = acc << 6 | (unsigned)(d - b64);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			to[n++] = (char)(acc >> bits & 255);
		}
	}
	to[n] = '\0';
	return strlen(to) == n;
}

const char *
page_token_text(const struct page_token *t, char to[PAGE_TOKEN_TEXT])
{
	char text[80], when[TIME_TEXT];

	(void)snprintf(text, sizeof(text), "%s__%s%s", time_text(t->ms, when),
	    t->id, t->ascending ? "__asc" : "");
	b64_encode(text, to);
	return to;
}

int
page_token_parse(const char *s, struct page_token *out, struct err *e)
{
	char text[96] = "", *id, *order;
	struct err ignored;

	*out = (struct page_token){ .ms = 0 };
	if (!b64_decode(s, text, sizeof(text)) ||
	    (id = strstr(text, "__")) == NULL)
		return err_set(e, ERR_INVALID, "invalid next token");
	*id = '\0';
	id += 2;
	order = strstr(id, "__");
	if (order != NULL) {
		*order = '\0';
		out->ascending = true;
		if (strcmp(order + 2, "asc") != 0)
			return err_set(e, ERR_INVALID, "invalid next token");
	}
	if (strlen(id) >= sizeof(out->id) ||
	    time_parse(text, &out->ms, &ignored) < 0)
		return err_set(e, ERR_INVALID, "invalid next token");
	memcpy(out->id, id, strlen(id) + 1);
	return 0;
}
