/* sandbox_get.c - GET /sandboxes/{sandboxID} */
#include "ctl/api/api_int.h"

#include <stdlib.h>
#include <string.h>

/* Longer answers, of sandboxes with long lists, are rendered each time. */
enum { CACHE_MAX = 8 * 1024 };

static void
keep(struct sb_cache *cache, const struct buf *b)
{
	if (b->len == 0 || b->len > CACHE_MAX)
		return;
	cache->text = malloc(b->len);
	if (cache->text == NULL)
		return;
	memcpy(cache->text, b->data, b->len);
	cache->n = b->len;
}

void
get_sandbox(struct call *c)
{
	struct sandbox *sb = call_sandbox(c);
	struct sb_cache *cache;
	struct buf b;

	if (sb == NULL)
		return;
	cache = sandbox_cache(sb);
	buf_init(&b, API_ANSWER_MAX);
	if (cache->text != NULL) {
		(void)buf_add(&b, cache->text, cache->n);
	} else {
		out_detail(&b, c->api, sb);
		keep(cache, &b);
	}
	call_header(c, "Coppice-Generation", "%u", sandbox_record(sb)->gen);
	call_ok(c, 200, &b);
}
