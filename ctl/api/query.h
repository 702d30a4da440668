/*
 * query.h - query strings, the metadata filter, times and page tokens: text
 * in, values out.  No I/O and no HTTP, so that it can be fuzzed.
 */
#ifndef API_QUERY_H
#define API_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ctl/sandbox/record.h"

enum { QUERY_MAX = 64 };

struct query {
	struct sb_pairs v; /* decoded, in order; names may repeat */
};

/* ERR_INVALID where percent-encoding is broken or there are too many. */
int query_parse(const char *text, struct query *q, struct err *e);
void query_fini(struct query *q);
/* The first of that name, or NULL. */
const char *query_get(const struct query *q, const char *name);
/* A whole number within bounds; `otherwise` if it is not there. */
int query_int(const struct query *q, const char *name, int64_t min, int64_t max,
    int64_t otherwise, int64_t *out, struct err *e);
int query_bool(const struct query *q, const char *name, bool otherwise,
    bool *out, struct err *e);
/*
 * Calls each() for every value of that name; commas separate too.
 */
int query_list(const struct query *q, const char *name,
    int (*each)(void *ctx, const char *value, struct err *e), void *ctx,
    struct err *e);

/*
 * The metadata filter: `value` is the parameter, decoded once.  Inside are
 * pairs, form-encoded, of percent-encoded names and values.
 */
int query_metadata(const char *value, struct sb_pairs *out, struct err *e);
/* Every pair of `want` is in `have`. */
bool query_metadata_match(
    const struct sb_pairs *want, const struct sb_pairs *have);

/* RFC 3339; `+` may have become a space.  Milliseconds since 1970. */
int time_parse(const char *s, int64_t *ms, struct err *e);
enum { TIME_TEXT = 32 };
const char *time_text(int64_t ms, char to[TIME_TEXT]);

/* Where a page ended. */
struct page_token {
	int64_t ms;
	char id[SPAWN_ID_MAX];
	bool ascending;
};
enum { PAGE_TOKEN_TEXT = 128 };
const char *page_token_text(
    const struct page_token *t, char to[PAGE_TOKEN_TEXT]);
int page_token_parse(const char *s, struct page_token *out, struct err *e);

#endif
