/*
 * files_text.h - the small texts beside the files of sandboxes and templates,
 * the same on every system: whose files these are (ID/meta), and what a
 * template stands on (templates/ID/layers).  No I/O.
 */
#ifndef SUBSTRATE_FILES_TEXT_H
#define SUBSTRATE_FILES_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ctl/priv/spawn_msg.h"
#include "ctl/substrate/uuid.h"

struct disk_meta {
	struct spawn_ref ref;
	char id[SPAWN_ID_MAX];
	char template_id[SPAWN_TEMPLATE_MAX];
	char boot_id[UUID_TEXT]; /* of the host, when it was written */
	uint64_t limit;		 /* bytes, on top of the template */
	bool keep;		 /* wanted after the end of its processes */
};

enum {
	DISK_META_TEXT = 512,
	LAYERS_MAX = 12, /* the template's own and those below it */
	LAYERS_TEXT = LAYERS_MAX * SPAWN_TEMPLATE_MAX,
};

/* 1 to 31 of [a-z0-9], terminated: what may become a file name. */
bool disk_id_ok(const char id[SPAWN_ID_MAX]);

/* The length of the text. */
int disk_meta_print(const struct disk_meta *m, char to[DISK_META_TEXT]);
/* Cuts the text up; ERR_SYS if it is not that of `id`. */
int disk_meta_parse(
    struct disk_meta *m, char *text, const char *id, struct err *e);

/* Topmost first; the first is the template's own. */
struct layer_names {
	const char *name[LAYERS_MAX]; /* in the text, and `id` */
	size_t n;
};

/* Cuts up the text of ID/layers, "" if the template stands on nothing. */
int layer_names_parse(
    struct layer_names *l, const char *id, char *text, struct err *e);

#endif
