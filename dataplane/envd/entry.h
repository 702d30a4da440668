/* envd/entry.h - filesystem.EntryInfo, and metadata kept with files. */
#ifndef ENVD_ENTRY_H
#define ENVD_ENTRY_H

#include <sys/stat.h>

#include "envd/envd.h"

enum {
	META_KEY_MAX = 246,
	META_ALL_MAX = 4096, /* prefixes, keys and values */
};

/*
 * Appends the object for `path`, found at `real` (the same, or what a listing
 * walks); *gone if there is nothing any more.  -1: e.
 */
int entry_put(struct buf *b, const char *path, const char *real, bool *gone,
    struct err *e);
/* "metadata":{...} with `before` in front; nothing if there is none. */
int meta_put(struct buf *b, const char *before, const char *path);

/* X-Metadata-* headers, checked; `names` are those without the prefix. */
struct meta {
	struct {
		char key[META_KEY_MAX + 1];
		const char *value; /* of the request */
	} * v;
	size_t n;
};

int meta_from_headers(
    const struct http_req *r, struct meta *out, struct err *e);
void meta_free(struct meta *m);
/* Makes m what the file has; touches nothing if it has and gets none. */
int meta_apply(const struct meta *m, int fd, struct err *e);

#endif
