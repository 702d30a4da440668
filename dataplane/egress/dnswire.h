/*
 * dnswire.h - DNS messages: bytes in, meaning out; no I/O.
 *
 * Only as much as a forwarder needs: is this a query, of what, and is that
 * its answer.
 */
#ifndef EGRESS_DNSWIRE_H
#define EGRESS_DNSWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_HEADER_LEN = 12,
	DNS_MESSAGE_MAX = 65535,
	DNS_NAME_TEXT = 1024, /* every byte escaped, with the terminator */
	DNS_ERROR_MAX = DNS_HEADER_LEN + 255 + 4,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

struct dns_query {
	uint16_t id, type, klass;
	size_t question_end; /* 0 if the question cannot be read */
	bool ignore;	     /* not a query at all: say nothing */
};

/* DNS_NOERROR: may be passed on.  Else what to answer, unless q->ignore. */
enum dns_rcode dns_query_parse(const uint8_t *p, size_t n, struct dns_query *q);

/*
 * An answer without records to the query in p, into `out` of DNS_ERROR_MAX
 * bytes; its length, or 0 if the query has not even a header.
 */
size_t dns_error(const uint8_t *p, size_t n, const struct dns_query *q,
    enum dns_rcode rcode, uint8_t *out);

/* Is `a` an answer to exactly this query, its id included? */
bool dns_answers(const uint8_t *query, size_t nquery, const struct dns_query *q,
    const uint8_t *a, size_t na);

uint16_t dns_id(const uint8_t *p);
void dns_set_id(uint8_t *p, uint16_t id);

/* The name in the question, for logs; control bytes and dots as \DDD. */
const char *dns_name_text(
    const uint8_t *p, const struct dns_query *q, char to[DNS_NAME_TEXT]);

#endif
