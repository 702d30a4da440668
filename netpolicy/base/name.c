#include "base/name.h"

#include <string.h>

static const char digits[] = "0123456789";
static const char hexes[] = "0123456789abcdefABCDEF";
static const char ldh[] = "abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

static bool
label_ok(const char *s, size_t n)
{
	return n >= 1 && n <= NP_LABEL_BYTES && strspn(s, ldh) == n &&
	       s[0] != '-' && s[n - 1] != '-';
}

/* The old C ways to write a number: decimal, octal, 0x. */
static bool
is_number(const char *s, size_t n)
{
	if (strspn(s, digits) == n)
		return true;
	return n >= 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
	       strspn(s + 2, hexes) == n - 2;
}

static bool
host_ok(const char *s, size_t n)
{
	const char *end = s + n;

	if (n == 0 || n > NP_NAME_BYTES)
		return false;
	for (;;) {
		const char *dot = memchr(s, '.', (size_t)(end - s));
		size_t len = (size_t)((dot == NULL ? end : dot) - s);

		if (!label_ok(s, len))
			return false;
		if (dot == NULL)
			return !is_number(s, len);
		s = dot + 1;
	}
}

bool
np_name_pattern_ok(const char *s)
{
	size_t n = strlen(s);

	if (strcmp(s, "*") == 0)
		return true;
	if (n > 0 && s[n - 1] == '.')
		n--;
	if (n > NP_NAME_BYTES)
		return false;
	if (n > 2 && s[0] == '*' && s[1] == '.')
		return host_ok(s + 2, n - 2);
	return host_ok(s, n);
}
