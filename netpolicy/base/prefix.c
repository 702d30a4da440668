#include "base/prefix.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <stdio.h>
#include <string.h>

/* ::ffff:0:0/96: IPv4 written as IPv6. */
#define MAPPED_LEN 96
#define MAPPED	   ((np_u128)0xffff)

static unsigned
bits_of(enum np_family f)
{
	return f == NP_V4 ? 32 : 128;
}

np_u128
np_last(enum np_family f)
{
	return f == NP_V4 ? (np_u128)UINT32_MAX : ~(np_u128)0;
}

/* The bits that a prefix of that length leaves open. */
static np_u128
host_mask(unsigned len, enum np_family f)
{
	np_u128 last = np_last(f);

	return len >= bits_of(f) ? 0 : last >> len;
}

void
np_addr_bytes(struct np_addr a, uint8_t to[16])
{
	unsigned n = bits_of(a.family) / 8;

	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(a.n >> (8 * (n - 1 - i)));
}

struct np_addr
np_addr_from_bytes(enum np_family f, const uint8_t *from)
{
	struct np_addr a = { 0, f };

	for (unsigned i = 0; i < bits_of(f) / 8; i++)
		a.n = a.n << 8 | from[i];
	return a;
}

/* Without undoing ::ffff:a.b.c.d, which a prefix's length depends on. */
static int
parse_raw(const char *s, struct np_addr *out)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, s, bytes) == 1)
		*out = np_addr_from_bytes(NP_V4, bytes);
	else if (inet_pton(AF_INET6, s, bytes) == 1)
		*out = np_addr_from_bytes(NP_V6, bytes);
	else
		return -1;
	return 0;
}

static bool
is_mapped(struct np_addr a)
{
	return a.family == NP_V6 && a.n >> (128 - MAPPED_LEN) == MAPPED;
}

static struct np_addr
unmapped(struct np_addr a)
{
	if (!is_mapped(a))
		return a;
	return (struct np_addr){ a.n & UINT32_MAX, NP_V4 };
}

int
np_addr_parse(const char *s, struct np_addr *out)
{
	struct np_addr a;

	if (parse_raw(s, &a) < 0)
		return -1;
	*out = unmapped(a);
	return 0;
}

/* Digits only, no sign, no leading zero: there is one way to write it. */
static int
parse_len(const char *s, unsigned max, unsigned *out)
{
	size_t n = strspn(s, "0123456789");
	unsigned v = 0;

	if (n == 0 || n > 3 || s[n] != '\0' || (n > 1 && s[0] == '0'))
		return -1;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned)(s[i] - '0');
	if (v > max)
		return -1;
	*out = v;
	return 0;
}

int
np_prefix_parse(const char *s, struct np_prefix *out)
{
	const char *slash = strchr(s, '/');
	char text[NP_ADDR_TEXT];
	struct np_addr a;
	unsigned len;
	size_t n = slash == NULL ? strlen(s) : (size_t)(slash - s);

	if (n >= sizeof(text))
		return -1;
	memcpy(text, s, n);
	text[n] = '\0';
	if (parse_raw(text, &a) < 0)
		return -1;
	len = bits_of(a.family);
	if (slash != NULL && parse_len(slash + 1, len, &len) < 0)
		return -1;
	if (is_mapped(a) && len >= MAPPED_LEN) {
		a = unmapped(a);
		len -= MAPPED_LEN;
	}
	out->family = a.family;
	out->len = (uint8_t)len;
	out->addr = a.n & ~host_mask(len, a.family);
	return 0;
}

/* The longest run of zero groups, of at least two; the first of equals. */
static void
longest_zeros(const unsigned g[8], int *at, int *n)
{
	*at = -1;
	*n = 1;
	for (int i = 0; i < 8; i++) {
		int j = i;

		while (j < 8 && g[j] == 0)
			j++;
		if (j - i > *n) {
			*at = i;
			*n = j - i;
		}
		if (j > i)
			i = j;
	}
}

/*
 * Not inet_ntop(): it writes ::a.b.c.d for everything below ::ffff:ffff,
 * which RFC 5952 keeps for known prefixes.
 */
static void
text6(np_u128 v, char to[NP_ADDR_TEXT])
{
	unsigned g[8];
	int at, n, used = 0;

	for (int i = 0; i < 8; i++)
		g[i] = (unsigned)(v >> (16 * (7 - i))) & 0xffff;
	longest_zeros(g, &at, &n);
	for (int i = 0; i < 8; i++) {
		const char *colon =
		    i == 0 || (at >= 0 && i == at + n) ? "" : ":";

		if (at >= 0 && i == at) {
			used += snprintf(
			    to + used, NP_ADDR_TEXT - (size_t)used, "::");
			i += n - 1;
			continue;
		}
		used += snprintf(to + used, NP_ADDR_TEXT - (size_t)used, "%s%x",
		    colon, g[i]);
	}
}

const char *
np_addr_text(struct np_addr a, char to[NP_ADDR_TEXT])
{
	uint8_t b[16];

	if (a.family == NP_V6) {
		text6(a.n, to);
		return to;
	}
	np_addr_bytes(a, b);
	(void)snprintf(to, NP_ADDR_TEXT, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return to;
}

const char *
np_prefix_text(const struct np_prefix *p, char to[NP_PREFIX_TEXT])
{
	char text[NP_ADDR_TEXT];

	np_addr_text((struct np_addr){ p->addr, p->family }, text);
	if (p->len == bits_of(p->family))
		(void)snprintf(to, NP_PREFIX_TEXT, "%s", text);
	else
		(void)snprintf(to, NP_PREFIX_TEXT, "%s/%u", text, p->len);
	return to;
}

struct np_range
np_prefix_range(const struct np_prefix *p)
{
	return (
	    struct np_range){ p->addr, p->addr | host_mask(p->len, p->family) };
}

bool
np_prefix_has(const struct np_prefix *p, struct np_addr a)
{
	struct np_range r = np_prefix_range(p);

	return p->family == a.family && r.lo <= a.n && a.n <= r.hi;
}

bool
np_prefix_covers(const struct np_prefix *a, const struct np_prefix *b)
{
	return a->len <= b->len &&
	       np_prefix_has(a, (struct np_addr){ b->addr, b->family });
}

/* The widest prefix that starts at lo and does not pass hi. */
static unsigned
widest(np_u128 lo, np_u128 hi, enum np_family f)
{
	unsigned len = bits_of(f);

	while (len > 0) {
		np_u128 open = host_mask(len - 1, f);

		if ((lo & open) != 0 || open > hi - lo)
			break;
		len--;
	}
	return len;
}

size_t
np_range_prefixes(
    struct np_range r, enum np_family f, struct np_prefix *out, size_t max)
{
	np_u128 lo = r.lo;
	size_t n = 0;

	for (;;) {
		struct np_prefix p = { lo, f, (uint8_t)widest(lo, r.hi, f) };
		np_u128 end = np_prefix_range(&p).hi;

		if (n < max)
			out[n] = p;
		n++;
		if (end == r.hi)
			return n;
		lo = end + 1;
	}
}

const char *
np_range_text(struct np_range r, enum np_family f, char to[NP_RANGE_TEXT])
{
	char lo[NP_ADDR_TEXT], hi[NP_ADDR_TEXT], text[NP_PREFIX_TEXT];
	struct np_prefix p;

	if (np_range_prefixes(r, f, &p, 1) == 1) {
		(void)snprintf(
		    to, NP_RANGE_TEXT, "%s", np_prefix_text(&p, text));
		return to;
	}
	np_addr_text((struct np_addr){ r.lo, f }, lo);
	np_addr_text((struct np_addr){ r.hi, f }, hi);
	(void)snprintf(to, NP_RANGE_TEXT, "%s-%s", lo, hi);
	return to;
}
