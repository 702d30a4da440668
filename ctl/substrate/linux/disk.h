/*
 * disk.h - a sandbox's files: a btrfs subvolume with a limit of its own.
 *
 * Below the disk's directory, one subvolume for each sandbox id:
 *	ID/upper  ID/work	the overlay's; ids 0 to 65535 as inside
 *	ID/meta			whose it is, readable without the store
 */
#ifndef SUBSTRATE_DISK_H
#define SUBSTRATE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "io/conf.h"
#include "ctl/substrate/files_text.h"

struct disk {
	int dir;     /* holds the subvolumes */
	int qgroups; /* usage as the kernel shows it, or -1 */
	int mount;   /* an image's, while it hangs nowhere; or -1 */
	char text[64];
};

/*
 * Opens the state directory's own btrfs, or the image in it, whichever holds a
 * limit when it is tried; makes the image the first time.
 */
int disk_open(struct disk *d, const struct conf *cf, struct err *e);
/*
 * Hangs the image's mount at a directory of the caller's mount namespace; with
 * the host's own btrfs that is where the state directory is seen already.
 */
int disk_attach(struct disk *d, const char *at, struct err *e);
void disk_close(struct disk *d);

/* An empty, limited subvolume; what fails leaves nothing. */
int disk_make(const struct disk *d, const struct disk_meta *m, struct err *e);
/* The same in two steps: one ahead of need, without an owner ... */
int disk_prepare(const struct disk *d, const char *name, struct err *e);
/* ... who takes it under his id; ERR_NOTFOUND if it was not prepared. */
int disk_take(const struct disk *d, const char *name, const struct disk_meta *m,
    struct err *e);
/* Bytes used; what was freed shows at the file system's next commit. */
int disk_usage(const struct disk *d, const char *id, uint64_t *used,
    uint64_t *total, struct err *e);
/* A copy of `from` as it is now; the caller has synced what must be in it. */
int disk_clone(const struct disk *d, const char *from,
    const struct disk_meta *to, struct err *e);
/* What is not there is removed already. */
int disk_remove(const struct disk *d, const char *id, struct err *e);

/* The subvolume's directory, O_RDONLY; ERR_NOTFOUND if there is none. */
int disk_dir(const struct disk *d, const char *id, struct err *e);
int disk_meta_read(
    const struct disk *d, const char *id, struct disk_meta *m, struct err *e);
int disk_meta_write(
    const struct disk *d, const struct disk_meta *m, struct err *e);
int disk_each(const struct disk *d,
    void (*fn)(void *arg, const struct disk_meta *m), void *arg, struct err *e);
/* Forgets the limits of subvolumes that are gone. */
void disk_forget(const struct disk *d);
/* ERR_BUSY once the volume is nearly full. */
int disk_room(const struct disk *d, struct err *e);

/* disk_image.c: the directory of a mounted image in state_dir. */
int disk_image(const char *state_dir, uint32_t mb, struct err *e);

#endif
