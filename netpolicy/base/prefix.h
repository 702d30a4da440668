/*
 * base/prefix.h - addresses, prefixes and ranges of both families.
 *
 * An address is a number: IPv4 in the low 32 bits, IPv6 in all 128, most
 * significant byte first on the wire.  Ranges include both ends, so one that
 * ends at the last address needs no special case.
 */
#ifndef BASE_PREFIX_H
#define BASE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef unsigned __int128 np_u128;

enum np_family { NP_V4 = 4, NP_V6 = 6 };

struct np_addr {
	np_u128 n;
	enum np_family family;
};

struct np_prefix {
	np_u128 addr; /* masked: bits after len are 0 */
	enum np_family family;
	uint8_t len; /* 0-32 or 0-128 */
};

struct np_range {
	np_u128 lo, hi; /* lo <= hi, both included */
};

/* With the terminator. */
enum { NP_ADDR_TEXT = 46, NP_PREFIX_TEXT = 50, NP_RANGE_TEXT = 92 };

/* The last address of a family: 2^32 - 1 or 2^128 - 1. */
np_u128 np_last(enum np_family f);

/*
 * Strict: dotted quad without leading zeros, or RFC 4291 text without a zone;
 * v4-mapped IPv6 (::ffff:a.b.c.d) becomes IPv4.  -1 if it is no address.
 */
int np_addr_parse(const char *s, struct np_addr *out);
/* An address or ADDRESS/LEN; host bits are cleared. */
int np_prefix_parse(const char *s, struct np_prefix *out);

/* Canonical text (RFC 5952).  Returns to. */
const char *np_addr_text(struct np_addr a, char to[NP_ADDR_TEXT]);
/* A prefix that is one address prints without its length. */
const char *np_prefix_text(const struct np_prefix *p, char to[NP_PREFIX_TEXT]);

/* An address or a prefix where it is one, else FIRST-LAST. */
const char *np_range_text(
    struct np_range r, enum np_family f, char to[NP_RANGE_TEXT]);

/* Network byte order: 4 or 16 bytes. */
void np_addr_bytes(struct np_addr a, uint8_t to[16]);
struct np_addr np_addr_from_bytes(enum np_family f, const uint8_t *from);

struct np_range np_prefix_range(const struct np_prefix *p);
bool np_prefix_covers(const struct np_prefix *a, const struct np_prefix *b);
bool np_prefix_has(const struct np_prefix *p, struct np_addr a);

/*
 * The fewest prefixes that make up r; returns how many (at most 62 or 254),
 * and writes the first max of them.
 */
size_t np_range_prefixes(
    struct np_range r, enum np_family f, struct np_prefix *out, size_t max);

#endif
