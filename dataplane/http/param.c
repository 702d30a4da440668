/* Query parameters and percent-encoding. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "http/server.h"

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
http_decode(const char *s, size_t n, bool plus, char *to, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];

		if (len + 1 >= cap)
			return -1;
		if (c == '+' && plus)
			c = ' ';
		if (c == '%') {
			int hi, lo;

			if (n - i < 3)
				return -1;
			hi = hex(s[i + 1]);
			lo = hex(s[i + 2]);
			if (hi < 0 || lo < 0)
				return -1;
			c = (char)(hi * 16 + lo);
			i += 2;
		}
		if (c == '\0')
			return -1;
		to[len++] = c;
	}
	if (cap == 0)
		return -1;
	to[len] = '\0';
	return (int)len;
}

static bool
named(const char *s, size_t n, const char *name)
{
	char have[128];

	return http_decode(s, n, true, have, sizeof(have)) >= 0 &&
	       strcmp(have, name) == 0;
}

char *
http_req_param(const struct http_req *r, const char *name, bool *bad)
{
	const char *s = http_req_query(r);

	*bad = false;
	while (*s != '\0') {
		size_t n = strcspn(s, "&");
		size_t key = strcspn(s, "=&");

		if (named(s, key, name)) {
			size_t skip = key < n ? key + 1 : n;
			autofree char *to = malloc(n - skip + 1);

			if (to == NULL || http_decode(s + skip, n - skip, true,
					      to, n - skip + 1) < 0) {
				*bad = true;
				return NULL;
			}
			return take(&to);
		}
		s += n + (s[n] == '&');
	}
	return NULL;
}
