#include "json_put.h"

#include <string.h>

#include "utf8.h"

int
json_put_escaped(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		return buf_add(b, "\\\"", 2);
	case '\\':
		return buf_add(b, "\\\\", 2);
	case '\n':
		return buf_add(b, "\\n", 2);
	case '\r':
		return buf_add(b, "\\r", 2);
	case '\t':
		return buf_add(b, "\\t", 2);
	default:
		return buf_printf(b, "\\u%04x", c);
	}
}

int
json_put_n(struct buf *b, const char *s, size_t n)
{
	size_t from = 0, i = 0;
	uint32_t u;
	int rc = buf_add(b, "\"", 1);

	while (i < n && rc == 0) {
		unsigned char c = (unsigned char)s[i];
		size_t len = c >= 0x80 ? utf8_char(s + i, n - i, &u) : 1;

		if (len > 0 && c >= 0x20 && c != '"' && c != '\\' &&
		    c != 0x7f) {
			i += len;
			continue;
		}
		rc = buf_add(b, s + from, i - from);
		if (rc == 0)
			rc = len == 0 ? buf_puts(b, "\xef\xbf\xbd")
				      : json_put_escaped(b, c);
		from = ++i;
	}
	if (rc == 0)
		rc = buf_add(b, s + from, n - from);
	return rc == 0 ? buf_add(b, "\"", 1) : rc;
}

int
json_put(struct buf *b, const char *s)
{
	return json_put_n(b, s, strlen(s));
}
