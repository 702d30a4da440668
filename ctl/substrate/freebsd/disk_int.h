/* disk_int.h - between disk.c and its two drivers. */
#ifndef SUBSTRATE_DISK_INT_H
#define SUBSTRATE_DISK_INT_H

#include "disk.h"

enum { DATASET_MAX = 256 };

struct zfs;

/*
 * The directory ID with its empty root is there when a driver is asked to
 * fill it, and nothing is mounted below when it is asked to empty it.
 */
struct disk_driver {
	int (*template)(const struct disk *d, const char *id, struct err *e);
	int (*fill)(
	    const struct disk *d, const struct disk_meta *m, struct err *e);
	int (*mount)(const struct disk *d, const char *id, struct err *e);
	int (*usage)(const struct disk *d, const char *id, uint64_t *used,
	    uint64_t *total, struct err *e);
	int (*sync)(const struct disk *d, const char *id, struct err *e);
	int (*empty)(const struct disk *d, const char *id, struct err *e);
	int (*room)(
	    const struct disk *d, uint64_t *left, uint64_t *all, struct err *e);
	/* What has no directory; and what no template needs any more. */
	int (*strays)(const struct disk *d,
	    void (*fn)(void *arg, const char *id), void *arg, struct err *e);
	void (*forget)(const struct disk *d);
};

struct disk {
	char state[DISK_PATH_MAX / 2]; /* without links in it */
	int state_dir;
	int dir; /* state_dir/sandboxes */
	const struct disk_driver *driver;
	char dataset[DATASET_MAX]; /* clones go below it */
	struct zfs *zfs;
	char text[64];
};

extern const struct disk_driver disk_zfs, disk_copy;

/* disk.c: state_dir/sandboxes/ID. */
int disk_dir(const struct disk *d, const char *id, struct err *e);

/* disk_zfs.c: chooses the dataset; ERR_UNSUPPORTED if clones cannot be had. */
int disk_zfs_open(struct disk *d, const struct conf *cf, struct err *e);
void disk_zfs_close(struct disk *d);

/*
 * layers.c: the roots of a template, topmost first.  What fails still wants its
 * layers_close().
 */
struct layers {
	int fd[LAYERS_MAX];
	size_t n;
	uint64_t key; /* another one for each make of any of them */
};

int layers_open(
    struct layers *l, const struct disk *d, const char *id, struct err *e);
void layers_close(struct layers *l);
/*
 * ERR_BUSY if one of them was made anew since: what was read of the old ones
 * may lack what was removed meanwhile.
 */
int layers_recheck(const struct layers *l, const struct disk *d, const char *id,
    struct err *e);

#endif
