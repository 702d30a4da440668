/*
 * roots.h - what a sandbox's files need to be a root: mounts below them, and
 * the few files that say who it is.
 *
 * A root's tree may be hostile: a resumed one was the tenant's.  No name in it
 * is followed through a link, and a mount goes onto the directory that was
 * looked at: the calling process enters it and mounts on ".".  Call these when
 * no process of the tenant runs, in a helper: they change directory.
 */
#ifndef SUBSTRATE_ROOTS_H
#define SUBSTRATE_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/substrate/uuid.h"
#include "disk.h"

enum {
	ROOTS_RULESET = 4, /* devfsrules_jail of /etc/defaults/devfs.rules */
};

enum root_abi { ROOT_FREEBSD, ROOT_LINUX };

/*
 * Whether the devfs rule set hides anything at all: one that rc(8) never
 * loaded shows every device.  Says in a sentence what to do.
 */
int roots_check(uint32_t ruleset, struct err *e);

/*
 * What kind of root these files are; ERR_UNSUPPORTED for Linux's if the host
 * has no linux64 or linprocfs module.
 */
int root_abi(
    const struct disk *d, const char *id, enum root_abi *out, struct err *e);

/* Notes it beside the fresh files: disk_make() does. */
int root_note_abi(const struct disk *d, const char *id, struct err *e);

/*
 * dev with the rule set, and dev/fd; in a Linux root also proc, sys and
 * dev/shm.  What fails has unmounted what it had mounted.
 */
int root_mount(
    const struct disk *d, const char *id, uint32_t ruleset, struct err *e);
/*
 * Everything below the root, in reverse; waits for what is still busy, and
 * gives up by force.  disk_unmount() and disk_remove() call it themselves.
 */
int root_unmount(const struct disk *d, const char *id, struct err *e);

/*
 * etc/resolv.conf, etc/hosts, etc/hostname (Linux) and etc/machine-id of a
 * fresh root.  The host name inside is the id.
 */
int root_identity(
    const struct disk *d, const char *id, const struct conf *cf, struct err *e);
/* For a jail's host.hostid, of its host.hostuuid. */
uint32_t root_hostid(const char uuid[UUID_TEXT]);

#endif
