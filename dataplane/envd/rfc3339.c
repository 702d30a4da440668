#include "envd/rfc3339.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t first = -62135596800, last = 253402300799;

int
rfc3339_text(int64_t s, int64_t ns, char to[RFC3339_TEXT])
{
	time_t t = s;
	struct tm tm;
	size_t n;
	int digits = 9;

	if (s < first || s > last || ns < 0 || ns > 999999999 ||
	    gmtime_r(&t, &tm) == NULL)
		return -1;
	n = (size_t)snprintf(to, RFC3339_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d",
	    (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	while (digits > 0 && ns % 1000 == 0) {
		ns /= 1000;
		digits -= 3;
	}
	(void)(digits > 0 ? snprintf(to + n, RFC3339_TEXT - n, ".%0*lldZ",
				digits, (long long)ns)
			  : snprintf(to + n, RFC3339_TEXT - n, "Z"));
	return 0;
}

static const char *
fraction(const char *p, int32_t *ns)
{
	int32_t scale = 100000000;

	*ns = 0;
	if (*p != '.')
		return p;
	for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
		*ns += (*p - '0') * scale;
	return p;
}

static int
two_digits(const char *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return -1;
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Seconds to take away; -1: neither Z nor an offset. */
static int
zone(const char *p, int64_t *off)
{
	int h, m;

	*off = 0;
	if ((*p == 'Z' || *p == 'z') && p[1] == '\0')
		return 0;
	if ((*p != '+' && *p != '-') || strlen(p) != 6 || p[3] != ':')
		return -1;
	h = two_digits(p + 1);
	m = two_digits(p + 4);
	if (h < 0 || h > 23 || m < 0 || m > 59)
		return -1;
	*off = (h * 3600 + m * 60) * (*p == '-' ? -1 : 1);
	return 0;
}

int
rfc3339_parse(const char *text, int64_t *s, int32_t *ns)
{
	struct tm tm = { 0 };
	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t off;

	if (p == NULL || zone(fraction(p, ns), &off) < 0)
		return -1;
	*s = (int64_t)timegm(&tm) - off;
	return *s >= first && *s <= last ? 0 : -1;
}
