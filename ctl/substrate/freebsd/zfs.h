/*
 * zfs.h - what we need of libzfs_core, found when the program runs: a host
 * without ZFS lacks it, and its header does not go with net/pfvar.h.
 *
 * Each call opens /dev/zfs and closes it: helpers close what they do not know.
 */
#ifndef SUBSTRATE_ZFS_H
#define SUBSTRATE_ZFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct zfs;

/* ERR_UNSUPPORTED if the host has no libzfs_core, or no ZFS. */
int zfs_open(struct zfs **out, struct err *e);
void zfs_close(struct zfs *z);

/* A property: a number, unless there is a text. */
struct zfs_prop {
	const char *name;
	uint64_t number;
	const char *text;
};

bool zfs_exists(const struct zfs *z, const char *name);
/* ERR_CONFLICT if it exists. */
int zfs_create(const struct zfs *z, const char *name, const struct zfs_prop *v,
    size_t n, struct err *e);
/* ERR_NOTFOUND if there is no such snapshot, ERR_CONFLICT as above. */
int zfs_clone(const struct zfs *z, const char *name, const char *snapshot,
    const struct zfs_prop *v, size_t n, struct err *e);
int zfs_snapshot(const struct zfs *z, const char *name, struct err *e);
int zfs_rename(
    const struct zfs *z, const char *from, const char *to, struct err *e);
/*
 * A data set or a snapshot.  Waits a while for what is busy; what is not there
 * is destroyed already; ERR_CONFLICT if something stands on it.
 */
int zfs_destroy(const struct zfs *z, const char *name, struct err *e);
/* All that was written is on the pool's disks. */
int zfs_sync(const struct zfs *z, const char *name, struct err *e);

struct zfs_figures {
	uint64_t used, available, quota; /* bytes; quota 0: none */
};

int zfs_figures(const struct zfs *z, const char *name, struct zfs_figures *out,
    struct err *e);
/* The last part of the name of each child; none, if it has none or is none. */
int zfs_children(const struct zfs *z, const char *name,
    void (*fn)(void *arg, const char *child), void *arg, struct err *e);

#endif
