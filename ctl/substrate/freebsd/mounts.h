/* mounts.h - nmount(2) onto a directory that is open, and the way back. */
#ifndef SUBSTRATE_MOUNTS_H
#define SUBSTRATE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { MOUNT_OPTS_MAX = 8 };

/* A value of NULL: the option is a flag. */
struct mount_opt {
	const char *name, *value;
};

/*
 * Mounts fs on `dir` itself, not on what a path leads to by then.  Changes the
 * working directory and comes back.
 */
int mount_on(int dir, const char *fs, const struct mount_opt *opts, size_t n,
    int flags, struct err *e);

/* What is mounted at exactly `path` comes from `from`; from NULL: anything. */
bool mount_is_at(const char *path, const char *from);

/*
 * Takes away what is mounted below path, newest first, and with `itself` also
 * what is on it.  Waits a while for what is busy and then does it by force.
 */
int unmount_below(const char *path, bool itself, struct err *e);

#endif
