/* What we answer to any bytes is an answer to them, and never another query. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "egress/dnswire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[DNS_ERROR_MAX], *copy = malloc(n == 0 ? 1 : n);
	char name[DNS_NAME_TEXT];
	struct dns_query q, back;
	enum dns_rcode rc;
	size_t len;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, n); /* with no byte to spare behind it */
	rc = dns_query_parse(copy, n, &q);
	if (q.question_end > n)
		abort();
	(void)dns_name_text(copy, &q, name);
	if (!q.ignore) {
		len = dns_error(copy, n, &q, DNS_SERVFAIL, out);
		if (len < DNS_HEADER_LEN || len > sizeof(out))
			abort();
		(void)dns_query_parse(out, len, &back);
		if (!back.ignore || dns_id(out) != q.id)
			abort();
		if (rc == DNS_NOERROR && !dns_answers(copy, n, &q, out, len))
			abort();
	}
	/* The same bytes as an answer: judged, without a look past the end. */
	(void)dns_answers(copy, n, &q, copy, n);
	free(copy);
	return 0;
}
