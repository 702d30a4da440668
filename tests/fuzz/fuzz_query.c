/*
 * What was parsed from a page token or a time prints as what parses to the
 * same again; query strings never give a NUL or more pairs than allowed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
token(const char *s)
{
	struct page_token a, b;
	char text[PAGE_TOKEN_TEXT];
	struct err e;

	if (page_token_parse(s, &a, &e) < 0)
		return;
	if (a.ms < 0 || a.ms > 253402300799999)
		return; /* prints with four digits of a year only */
	if (page_token_parse(page_token_text(&a, text), &b, &e) < 0 ||
	    a.ms != b.ms || a.ascending != b.ascending ||
	    strcmp(a.id, b.id) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n + 1);
	struct query q;
	struct err e;

	if (s == NULL)
		return 0;
	if (n > 0)
		memcpy(s, data, n);
	s[n] = '\0';
	if (query_parse(s, &q, &e) == 0) {
		int64_t x;

		if (q.v.n > QUERY_MAX)
			abort();
		if (query_int(&q, "limit", 1, 100, 7, &x, &e) == 0 &&
		    (x < 1 || x > 100))
			abort();
		query_fini(&q);
	} else if (e.kind != ERR_INVALID) {
		abort();
	}
	token(s);
	free(s);
	return 0;
}
