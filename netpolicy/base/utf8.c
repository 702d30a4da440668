#include "utf8.h"

size_t
utf8_char(const char *s, size_t n, uint32_t *out)
{
	const unsigned char *p = (const unsigned char *)s;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80    ? 1
		     : p[0] < 0xc2  ? 0
		     : p[0] < 0xe0  ? 2
		     : p[0] < 0xf0  ? 3
		     : p[0] <= 0xf4 ? 4
				    : 0;

	if (len == 0 || len > n)
		return 0;
	*out = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*out = *out << 6 | (p[i] & 0x3fu);
	}
	if (*out < least[len] || *out > 0x10ffff ||
	    (*out >= 0xd800 && *out <= 0xdfff))
		return 0;
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t len = utf8_char(s + i, n - i, &c);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}
