/* tree.h - whole directory trees: laid over each other, synced, removed. */
#ifndef SUBSTRATE_TREE_H
#define SUBSTRATE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

enum {
	TREE_DEPTH = 200,     /* of what is copied */
	TREE_LINKS = 1 << 20, /* files with several names, in one layer */
	TREE_PATH_MAX = 4096,
};

/*
 * Copies the layers, topmost first, into the empty directory `to`, as an
 * overlay of them would look: a character device 0/0 takes a name away, and a
 * directory marked opaque hides those below it.  Keeps owners, modes, times,
 * flags, extended attributes, holes, and hard links within a layer; leaves out
 * sockets and device nodes.  The mode of `to` itself becomes 0755.
 */
int tree_merge(const int *layers, size_t n, int to, struct err *e);

/*
 * Removes dir/name and what is below it, however deep and whatever its flags.
 * What is not there is removed already.
 */
int tree_remove(int dir, const char *name, struct err *e);

/* Each regular file's content to the disk; not of what is mounted below. */
int tree_sync(int dir, struct err *e);

/* tree_attr.c: flags, modes, owners, times and extended attributes. */
int tree_attr_fd(int from, int to, const struct stat *st, bool flags);
int tree_attr_link(int dir, const char *name, const struct stat *st);
int tree_flags(int dir, const char *path, unsigned long flags);
/* Whether an overlay would look no further down. */
int tree_opaque(int dir);

#endif
