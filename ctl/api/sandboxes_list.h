/* sandboxes_list.h - the order of lists, and where a page begins. */
#ifndef API_SANDBOXES_LIST_H
#define API_SANDBOXES_LIST_H

#include "ctl/api/query.h"

struct sandbox;

struct list_item {
	int64_t started_ms;
	const char *id;
	struct sandbox *sb;
};

/* By start, then by id; descending is the exact reverse. */
void list_sort(struct list_item *v, size_t n, bool ascending);
/* Of a sorted list, the first item after the token's. */
size_t list_after(
    const struct list_item *v, size_t n, const struct page_token *t);

#endif
