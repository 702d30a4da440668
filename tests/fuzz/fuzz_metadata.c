/*
 * A filter that was parsed, encoded as the SDKs do, parses to the same pairs;
 * and it matches a sandbox that has exactly these.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/api/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Percent-encodes twice: what is left when HTTP has decoded its layer. */
static void
encode(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		(void)buf_printf(b, "%%25%02X", (unsigned char)*s);
}

static void
again(const struct sb_pairs *p)
{
	struct sb_pairs q;
	struct buf b;
	struct err e;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < p->n; i++) {
		if (i > 0)
			(void)buf_puts(&b, "&");
		encode(&b, p->v[i].name);
		(void)buf_puts(&b, "=");
		encode(&b, p->v[i].value);
	}
	if (query_metadata(buf_str(&b), &q, &e) < 0 || p->n != q.n)
		abort();
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, q.v[i].name) != 0 ||
		    strcmp(p->v[i].value, q.v[i].value) != 0)
			abort();
	sb_pairs_fini(&q);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *s = malloc(n + 1);
	struct sb_pairs p;
	struct err e;

	if (s == NULL)
		return 0;
	if (n > 0)
		memcpy(s, data, n);
	s[n] = '\0';
	if (query_metadata(s, &p, &e) == 0) {
		again(&p);
		sb_pairs_fini(&p);
	} else if (e.kind != ERR_INVALID) {
		abort();
	}
	free(s);
	return 0;
}
