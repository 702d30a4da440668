#include "egress/dnswire.h"

#include <stdio.h>
#include <string.h>

enum {
	F_QR = 0x8000,
	F_OPCODE = 0x7800,
	F_RD = 0x0100,
	F_RA = 0x0080,
	F_CD = 0x0010,
	TYPE_IXFR = 251,
	TYPE_AXFR = 252,
	LABEL_MAX = 63,
	NAME_MAX_BYTES = 255,
	RECORDS_MAX = 16, /* beside the question: EDNS, a signature */
};

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint16_t
dns_id(const uint8_t *p)
{
	return get16(p);
}

void
dns_set_id(uint8_t *p, uint16_t id)
{
	put16(p, id);
}

/* Where the name at `at` ends; 0 if it is malformed. */
static size_t
skip_name(const uint8_t *p, size_t n, size_t at, bool may_point)
{
	size_t begin = at;

	while (at < n) {
		uint8_t len = p[at];

		if (len == 0)
			return at + 1;
		/* A pointer ends a name; whither it leads is not our concern */
		if ((len & 0xc0) == 0xc0 && may_point)
			return at + 2 <= n ? at + 2 : 0;
		if (len > LABEL_MAX)
			return 0;
		at += 1 + (size_t)len;
		if (at - begin >= NAME_MAX_BYTES)
			return 0;
	}
	return 0;
}

/* Where the record at `at` ends; 0 if it is malformed. */
static size_t
skip_record(const uint8_t *p, size_t n, size_t at)
{
	size_t len;

	at = skip_name(p, n, at, true);
	if (at == 0 || n - at < 10)
		return 0;
	len = get16(p + at + 8);
	at += 10;
	return n - at < len ? 0 : at + len;
}

static bool
records_ok(const uint8_t *p, size_t n, size_t at)
{
	unsigned count = get16(p + 6) + get16(p + 8) + get16(p + 10);

	if (count > RECORDS_MAX)
		return false;
	while (count-- > 0) {
		at = skip_record(p, n, at);
		if (at == 0)
			return false;
	}
	return at == n;
}

enum dns_rcode
dns_query_parse(const uint8_t *p, size_t n, struct dns_query *q)
{
	uint16_t flags;
	size_t end;

	memset(q, 0, sizeof(*q));
	if (n < DNS_HEADER_LEN) {
		q->ignore = true;
		return DNS_FORMERR;
	}
	q->id = get16(p);
	flags = get16(p + 2);
	if (flags & F_QR) { /* two that answer each other would never stop */
		q->ignore = true;
		return DNS_FORMERR;
	}
	if (flags & F_OPCODE)
		return DNS_NOTIMP;
	if (get16(p + 4) != 1)
		return DNS_FORMERR;
	end = skip_name(p, n, DNS_HEADER_LEN, false);
	if (end == 0 || n - end < 4)
		return DNS_FORMERR;
	q->type = get16(p + end);
	q->klass = get16(p + end + 2);
	q->question_end = end + 4;
	if (!records_ok(p, n, q->question_end))
		return DNS_FORMERR;
	if (q->type == TYPE_AXFR || q->type == TYPE_IXFR)
		return DNS_REFUSED;
	return DNS_NOERROR;
}

size_t
dns_error(const uint8_t *p, size_t n, const struct dns_query *q,
    enum dns_rcode rcode, uint8_t *out)
{
	size_t len = q->question_end;
	uint16_t flags;

	if (n < DNS_HEADER_LEN)
		return 0;
	if (len < DNS_HEADER_LEN)
		len = DNS_HEADER_LEN;
	memcpy(out, p, len);
	flags = get16(p + 2) & (F_OPCODE | F_RD | F_CD);
	put16(out + 2, (uint16_t)(flags | F_QR | F_RA | rcode));
	put16(out + 4, len > DNS_HEADER_LEN);
	memset(out + 6, 0, 6);
	return len;
}

bool
dns_answers(const uint8_t *query, size_t nquery, const struct dns_query *q,
    const uint8_t *a, size_t na)
{
	size_t end = q->question_end;

	if (end <= DNS_HEADER_LEN || na < DNS_HEADER_LEN || nquery < end ||
	    get16(a) != get16(query) || !(get16(a + 2) & F_QR))
		return false;
	/* Some servers leave the question out when they refuse it. */
	if (get16(a + 4) == 0)
		return (get16(a + 2) & 0xf) != DNS_NOERROR;
	if (get16(a + 4) != 1 || na < end)
		return false;
	return memcmp(a + DNS_HEADER_LEN, query + DNS_HEADER_LEN,
		   end - DNS_HEADER_LEN) == 0;
}

const char *
dns_name_text(
    const uint8_t *p, const struct dns_query *q, char to[DNS_NAME_TEXT])
{
	size_t at = DNS_HEADER_LEN, out = 0;

	to[0] = '\0';
	while (q->question_end > 0 && at < q->question_end && p[at] != 0) {
		size_t len = p[at++];

		if (out > 0)
			to[out++] = '.';
		for (; len > 0; len--, at++) {
			bool plain = p[at] > 0x20 && p[at] < 0x7f &&
				     p[at] != '.' && p[at] != '\\';

			if (plain)
				to[out++] = (char)p[at];
			else
				out += (size_t)snprintf(
				    to + out, 5, "\\%03u", p[at]);
		}
		to[out] = '\0';
	}
	return out == 0 ? "." : to;
}
