/*
 * disk.h - a sandbox's files: a ZFS clone of its template with a limit of its
 * own, or a plain copy where the state directory has no pool.
 *
 * Below state_dir/sandboxes (0700, root's), one directory for each sandbox id:
 *	ID/root		its files; a clone is mounted here, a copy lies here
 *	ID/meta		whose it is, readable without the store
 *
 * A jail has no ids of its own: root inside is uid 0 of the host's files, too,
 * so nobody but root may pass state_dir/sandboxes.
 *
 * Whatever is called here may take its time, but for disk_root() and the
 * disk_meta functions: it is for helper processes.  All of it may be called
 * from several processes at once, for different sandboxes.
 */
#ifndef SUBSTRATE_DISK_H
#define SUBSTRATE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/conf.h"
#include "ctl/substrate/files_text.h"

struct disk;

enum {
	DISK_PATH_MAX = 512, /* state_dir and what we append */
	DISK_FDS = 3,	     /* that a disk keeps open */
};

/*
 * Opens what state_dir lies on, and chooses: clones in cf's dataset, if there
 * is one and libzfs_core is installed, else copies.
 */
int disk_open(const struct conf *cf, struct disk **out, struct err *e);
void disk_close(struct disk *d);
/* Which of them, and why; copies say that no limit is held. */
const char *disk_text(const struct disk *d);
/* The descriptors that must stay open in a helper; unused ones are -1. */
void disk_fds(const struct disk *d, int fds[DISK_FDS]);

/*
 * What a template's first sandbox would wait for: its layers, flattened and
 * snapshotted.  ERR_NOTFOUND if there is no such template.
 */
int disk_template(const struct disk *d, const char *template_id, struct err *e);
/* Forgets the snapshots of templates that are gone or were made anew. */
void disk_forget(const struct disk *d);

/*
 * The files of m->id, from m->template_id, mounted, with m->limit; what fails
 * leaves nothing.  ERR_CONFLICT if they exist.
 */
int disk_make(const struct disk *d, const struct disk_meta *m, struct err *e);
/* Mounts files that exist, if they are not; ERR_NOTFOUND if there are none. */
int disk_mount(const struct disk *d, const char *id, struct err *e);
/* Everything below its root, then that; nothing mounted is no error. */
int disk_unmount(const struct disk *d, const char *id, struct err *e);
/* Where a jail's path leads. */
int disk_root(const struct disk *d, const char *id, char path[DISK_PATH_MAX],
    struct err *e);
/* The same directory, opened: O_RDONLY. */
int disk_root_dir(const struct disk *d, const char *id, struct err *e);

int disk_meta_read(
    const struct disk *d, const char *id, struct disk_meta *m, struct err *e);
int disk_meta_write(
    const struct disk *d, const struct disk_meta *m, struct err *e);
/* Sets meta's keep, if it is not so already. */
int disk_keep(const struct disk *d, const char *id, bool keep, struct err *e);
/*
 * Each sandbox that has files, mounted or not.  Of files made half-way, m has
 * nothing but the id: they are to be removed.
 */
int disk_each(const struct disk *d,
    void (*fn)(void *arg, const struct disk_meta *m), void *arg, struct err *e);

/*
 * Bytes used on top of the template, as of the pool's last commit.  Of a copy
 * both are 0: nobody counts, and no limit is held.
 */
int disk_usage(const struct disk *d, const char *id, uint64_t *used,
    uint64_t *total, struct err *e);
/* To stable storage. */
int disk_sync(const struct disk *d, const char *id, struct err *e);
/* Unmounts and removes; what is not there is removed already. */
int disk_remove(const struct disk *d, const char *id, struct err *e);
/* ERR_BUSY once the volume is nearly full; disk_make() asks for itself. */
int disk_room(const struct disk *d, struct err *e);

#endif
