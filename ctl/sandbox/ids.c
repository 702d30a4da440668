#include "ctl/sandbox/ids.h"

#include <string.h>
#include <unistd.h>

static const char hexdigits[] = "0123456789abcdef";

int
id_bytes(void *out, size_t n, struct err *e)
{
	if (getentropy(out, n) < 0)
		return err_sys(e, "random bytes");
	return 0;
}

int
id_sandbox(char out[ID_SANDBOX_LEN + 1], struct err *e)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	/* The largest multiple of 36 in a byte: above it, letters would not
	 * be equally likely. */
	const unsigned fair = 252;
	uint8_t raw[64];
	size_t n = 0;

	out[n++] = 'i';
	while (n < ID_SANDBOX_LEN) {
		if (id_bytes(raw, sizeof(raw), e) < 0)
			return -1;
		for (size_t i = 0; i < sizeof(raw) && n < ID_SANDBOX_LEN; i++)
			if (raw[i] < fair)
				out[n++] = letters[raw[i] % 36];
	}
	out[n] = '\0';
	return 0;
}

int
id_token(char out[ID_TOKEN_LEN + 1], struct err *e)
{
	uint8_t raw[ID_TOKEN_LEN / 2];

	if (id_bytes(raw, sizeof(raw), e) < 0)
		return -1;
	hex_text(raw, sizeof(raw), out);
	return 0;
}

void
hex_text(const uint8_t *from, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++) {
		*to++ = hexdigits[from[i] >> 4];
		*to++ = hexdigits[from[i] & 15];
	}
	*to = '\0';
}

int
hex_bytes(const char *s, uint8_t *to, size_t n)
{
	if (strlen(s) != n * 2)
		return -1;
	for (size_t i = 0; i < n * 2; i++) {
		const char *d = strchr(hexdigits, s[i]);
		unsigned v;

		if (d == NULL)
			return -1;
		v = (unsigned)(d - hexdigits);
		to[i / 2] = (uint8_t)(i % 2 == 0 ? v << 4 : to[i / 2] | v);
	}
	return 0;
}
