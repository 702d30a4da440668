#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/own.h"
#include "files.h"

/* Simple quotas, since Linux 6.7; absent from Debian 12's header. */
#define QUOTA_CTL_ENABLE_SIMPLE 4

enum {
	TRIAL_LIMIT = 1 << 20,
	TRIAL_WRITE = 8 << 20,
	/* Room that no sandbox is let into: metadata has to grow somewhere. */
	RESERVE_PART = 20, /* a twentieth of the volume ... */
	RESERVE_MB = 2048, /* ... and no more than this */
};

static int
no_such(const char *id, struct err *e)
{
	return err_set(e, ERR_NOTFOUND, "files of %s: there are none", id);
}

static int
taken(const char *id, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "files of %s exist already", id);
}

int
disk_dir(const struct disk *d, const char *id, struct err *e)
{
	int fd =
	    openat(d->dir, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return no_such(id, e);
	if (fd < 0)
		return err_sys(e, "files of %s", id);
	return fd;
}

static int
subvol_create(int dir, const char *id, struct err *e)
{
	struct btrfs_ioctl_vol_args_v2 a = { 0 };

	(void)snprintf(a.name, sizeof(a.name), "%s", id);
	if (ioctl(dir, BTRFS_IOC_SUBVOL_CREATE_V2, &a) == 0)
		return 0;
	if (errno == EEXIST)
		return taken(id, e);
	return err_sys(e, "make subvolume %s", id);
}

static int
subvol_delete(int dir, const char *id, struct err *e)
{
	struct btrfs_ioctl_vol_args a = { 0 };

	(void)snprintf(a.name, sizeof(a.name), "%s", id);
	if (ioctl(dir, BTRFS_IOC_SNAP_DESTROY, &a) < 0 && errno != ENOENT)
		return err_sys(e, "remove subvolume %s", id);
	return 0;
}

static int
set_limit(int subvol, uint64_t bytes, struct err *e)
{
	struct btrfs_ioctl_qgroup_limit_args a = {
		.lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER,
		    .max_rfer = bytes },
	};

	if (ioctl(subvol, BTRFS_IOC_QGROUP_LIMIT, &a) < 0)
		return err_sys(
		    e, "disk limit of %llu bytes", (unsigned long long)bytes);
	return 0;
}

/* --- whose it is --------------------------------------------------------- */

int
disk_meta_write(const struct disk *d, const struct disk_meta *m, struct err *e)
{
	autoclose int dir = disk_dir(d, m->id, e);
	autoclose int fd = -1;
	char text[DISK_META_TEXT];
	int n;

	if (dir < 0)
		return -1;
	n = disk_meta_print(m, text);
	/* Written beside and renamed: a reader sees one or the other. */
	fd = openat(dir, "meta.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n ||
	    renameat(dir, "meta.new", dir, "meta") < 0)
		return err_sys(e, "files of %s: meta", m->id);
	return 0;
}

int
disk_meta_read(
    const struct disk *d, const char *id, struct disk_meta *m, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);
	char text[DISK_META_TEXT];

	memset(m, 0, sizeof(*m));
	if (dir < 0)
		return -1;
	if (file_get(dir, "meta", text, sizeof(text)) < 0)
		return err_sys(e, "files of %s: meta", id);
	return disk_meta_parse(m, text, id, e);
}

int
disk_each(const struct disk *d,
    void (*fn)(void *arg, const struct disk_meta *m), void *arg, struct err *e)
{
	int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *de;
	DIR *list;

	if (fd < 0 || (list = fdopendir(fd)) == NULL) {
		err_sys(e, "list files of sandboxes");
		own_close(&fd);
		return -1;
	}
	while ((de = readdir(list)) != NULL) {
		char id[SPAWN_ID_MAX] = { 0 };
		struct disk_meta m;
		struct err why;

		if (strlen(de->d_name) >= sizeof(id))
			continue;
		memcpy(id, de->d_name, strlen(de->d_name));
		if (!disk_id_ok(id))
			continue;
		/* Made half-way: nobody's. */
		if (disk_meta_read(d, id, &m, &why) < 0) {
			memset(&m, 0, sizeof(m));
			memcpy(m.id, id, sizeof(m.id));
		}
		fn(arg, &m);
	}
	(void)closedir(list);
	return 0;
}

/* --- make, usage, clone, remove ------------------------------------------- */

static int
skeleton(int dir, struct err *e)
{
	static const struct {
		const char *path;
		mode_t mode;
	} dirs[] = {
		{ "upper", 0755 },
		{ "work", 0700 },
		{ "upper/etc", 0755 },
		{ "upper/dev", 0755 },
		{ "upper/dev/shm", 01777 },
	};

	for (size_t i = 0; i < countof(dirs); i++) {
		if (mkdirat(dir, dirs[i].path, 0700) < 0)
			return err_sys(e, "make %s", dirs[i].path);
		if (fchmodat(dir, dirs[i].path, dirs[i].mode, 0) < 0)
			return err_sys(e, "mode of %s", dirs[i].path);
	}
	return 0;
}

static int
fill(const struct disk *d, const struct disk_meta *m, bool copy, struct err *e)
{
	autoclose int dir = disk_dir(d, m->id, e);

	if (dir < 0 || set_limit(dir, m->limit, e) < 0)
		return -1;
	if (!copy && skeleton(dir, e) < 0)
		return -1;
	return disk_meta_write(d, m, e);
}

int
disk_make(const struct disk *d, const struct disk_meta *m, struct err *e)
{
	struct err ignored;

	if (disk_room(d, e) < 0 || subvol_create(d->dir, m->id, e) < 0)
		return -1;
	if (fill(d, m, false, e) == 0)
		return 0;
	(void)subvol_delete(d->dir, m->id, &ignored);
	return err_wrap(e, "files of %s", m->id);
}

int
disk_prepare(const struct disk *d, const char *name, struct err *e)
{
	int dir, rc;
	struct err ignored;

	if (disk_room(d, e) < 0 || subvol_create(d->dir, name, e) < 0)
		return -1;
	dir = disk_dir(d, name, e);
	rc = dir < 0 ? -1 : skeleton(dir, e);
	own_close(&dir);
	if (rc < 0)
		(void)subvol_delete(d->dir, name, &ignored);
	return rc;
}

int
disk_take(const struct disk *d, const char *name, const struct disk_meta *m,
    struct err *e)
{
	struct err ignored;

	if (disk_room(d, e) < 0)
		return -1;
	if (renameat2(d->dir, name, d->dir, m->id, RENAME_NOREPLACE) < 0) {
		if (errno == ENOENT)
			return no_such(name, e);
		if (errno == EEXIST)
			return taken(m->id, e);
		return err_sys(e, "files of %s: %s", m->id, name);
	}
	if (fill(d, m, true, e) == 0)
		return 0;
	(void)subvol_delete(d->dir, m->id, &ignored);
	return err_wrap(e, "files of %s", m->id);
}

int
disk_clone(const struct disk *d, const char *from, const struct disk_meta *to,
    struct err *e)
{
	autoclose int src = disk_dir(d, from, e);
	struct btrfs_ioctl_vol_args_v2 a = { .fd = src };
	struct err ignored;

	if (src < 0 || disk_room(d, e) < 0)
		return -1;
	(void)snprintf(a.name, sizeof(a.name), "%s", to->id);
	if (ioctl(d->dir, BTRFS_IOC_SNAP_CREATE_V2, &a) < 0)
		return err_sys(e, "copy files of %s to %s", from, to->id);
	if (fill(d, to, true, e) == 0)
		return 0;
	(void)subvol_delete(d->dir, to->id, &ignored);
	return err_wrap(e, "files of %s", to->id);
}

int
disk_remove(const struct disk *d, const char *id, struct err *e)
{
	return subvol_delete(d->dir, id, e);
}

static int
subvol_number(int dir, uint64_t *out, struct err *e)
{
	struct btrfs_ioctl_get_subvol_info_args a;

	if (ioctl(dir, BTRFS_IOC_GET_SUBVOL_INFO, &a) < 0)
		return err_sys(e, "number of a subvolume");
	*out = a.treeid;
	return 0;
}

static int
qgroup_figure(const struct disk *d, uint64_t subvol, const char *what,
    uint64_t *out, struct err *e)
{
	char path[64];

	(void)snprintf(
	    path, sizeof(path), "0_%llu/%s", (unsigned long long)subvol, what);
	if (file_number(d->qgroups, path, out) < 0)
		return err_sys(e, "quota group %s", path);
	return 0;
}

int
disk_usage(const struct disk *d, const char *id, uint64_t *used,
    uint64_t *total, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);
	uint64_t subvol = 0, pending = 0;

	*used = *total = 0;
	if (dir < 0 || subvol_number(dir, &subvol, e) < 0 ||
	    qgroup_figure(d, subvol, "referenced", used, e) < 0 ||
	    qgroup_figure(d, subvol, "rsv_data", &pending, e) < 0 ||
	    qgroup_figure(d, subvol, "max_referenced", total, e) < 0)
		return -1;
	*used += pending; /* written, and not on the disk yet */
	return 0;
}

int
disk_room(const struct disk *d, struct err *e)
{
	struct statfs s;
	uint64_t reserve, all, left;

	if (fstatfs(d->dir, &s) < 0)
		return err_sys(e, "room on the disk");
	all = (uint64_t)s.f_blocks * (uint64_t)s.f_bsize;
	left = (uint64_t)s.f_bavail * (uint64_t)s.f_bsize;
	reserve = all / RESERVE_PART;
	if (reserve > (uint64_t)RESERVE_MB << 20)
		reserve = (uint64_t)RESERVE_MB << 20;
	if (left < reserve)
		return err_set(e, ERR_BUSY,
		    "disk is full: %llu MB left, %llu are kept free",
		    (unsigned long long)(left >> 20),
		    (unsigned long long)(reserve >> 20));
	return 0;
}

/* --- limits whose subvolume is gone --------------------------------------- */

struct numbers {
	uint64_t *n;
	size_t len, cap;
};

static void
number_add(struct numbers *l, uint64_t n)
{
	if (l->len == l->cap) {
		size_t cap = l->cap == 0 ? 256 : l->cap * 2;
		uint64_t *more = realloc(l->n, cap * sizeof(*more));

		if (more == NULL)
			return; /* forgotten the next time */
		l->n = more;
		l->cap = cap;
	}
	l->n[l->len++] = n;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

struct forgetting {
	const struct disk *d;
	struct numbers live;
	bool failed;
};

static void
note_live(void *arg, const struct disk_meta *m)
{
	struct forgetting *f = arg;
	struct err e;
	autoclose int dir = disk_dir(f->d, m->id, &e);
	uint64_t n = 0;

	/* Unknown is not gone, unless it went while we looked. */
	if (dir < 0)
		f->failed |= e.kind != ERR_NOTFOUND;
	else if (subvol_number(dir, &n, &e) < 0)
		f->failed = true;
	else
		number_add(&f->live, n);
}

static void
list_limits(const struct disk *d, struct numbers *out)
{
	int fd = openat(d->qgroups, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	unsigned long long n;

	if (list == NULL) {
		own_close(&fd);
		return;
	}
	while ((de = readdir(list)) != NULL)
		if (sscanf(de->d_name, "0_%llu", &n) == 1 &&
		    n >= BTRFS_FIRST_FREE_OBJECTID)
			number_add(out, n);
	(void)closedir(list);
}

void
disk_forget(const struct disk *d)
{
	struct forgetting f = { .d = d };
	struct numbers limits = { 0 };
	struct err e;

	/* In this order: what is made meanwhile is in neither list. */
	list_limits(d, &limits);
	if (disk_each(d, note_live, &f, &e) < 0)
		f.failed = true;
	if (f.live.len > 0)
		qsort(f.live.n, f.live.len, sizeof(*f.live.n), by_number);
	for (size_t i = 0; !f.failed && i < limits.len; i++) {
		struct btrfs_ioctl_qgroup_create_args a = { .create = 0,
			.qgroupid = limits.n[i] };

		if (f.live.len > 0 &&
		    bsearch(&limits.n[i], f.live.n, f.live.len,
			sizeof(*f.live.n), by_number) != NULL)
			continue;
		/* Refused while the kernel is still clearing it: later. */
		(void)ioctl(d->dir, BTRFS_IOC_QGROUP_CREATE, &a);
	}
	free(f.live.n);
	free(limits.n);
}

/* --- choosing by trying --------------------------------------------------- */

static int
enable_quota(int dir, struct err *e)
{
	struct btrfs_ioctl_quota_ctl_args a = { .cmd =
						    QUOTA_CTL_ENABLE_SIMPLE };

	if (ioctl(dir, BTRFS_IOC_QUOTA_CTL, &a) == 0)
		return 0;
	a.cmd = BTRFS_QUOTA_CTL_ENABLE;
	if (ioctl(dir, BTRFS_IOC_QUOTA_CTL, &a) == 0 || errno == EEXIST)
		return 0;
	return err_sys(e, "switch quotas on");
}

/* Writes past a limit; what says no is the proof. */
static int
write_past(int dir, struct err *e)
{
	autoclose int fd =
	    openat(dir, "trial", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	static const char block[64 * 1024];

	if (fd < 0)
		return err_sys(e, "trial file");
	for (size_t at = 0; at < TRIAL_WRITE; at += sizeof(block))
		if (write(fd, block, sizeof(block)) < 0)
			return errno == EDQUOT ? 0 : err_sys(e, "trial");
	return err_set(e, ERR_SYS, "a limit of 1 MiB let 8 MiB pass");
}

static int
try_limit(const struct disk *d, struct err *e)
{
	static const char id[] = "trial";
	struct err ignored;
	int rc = -1, dir;

	/* One that a killed predecessor left. */
	(void)subvol_delete(d->dir, id, &ignored);
	if (enable_quota(d->dir, e) < 0 || subvol_create(d->dir, id, e) < 0)
		return -1;
	dir = disk_dir(d, id, e);
	if (dir >= 0 && set_limit(dir, TRIAL_LIMIT, e) == 0)
		rc = write_past(dir, e);
	drop_fd(&dir);
	(void)subvol_delete(d->dir, id, &ignored);
	return rc;
}

/* Where the kernel shows what each limit has used. */
static int
open_qgroups(struct disk *d, struct err *e)
{
	struct btrfs_ioctl_fs_info_args a;
	char path[96];
	int at;

	if (ioctl(d->dir, BTRFS_IOC_FS_INFO, &a) < 0)
		return err_sys(e, "which btrfs it is");
	at = snprintf(path, sizeof(path), "/sys/fs/btrfs/");
	for (int i = 0; i < 16; i++)
		at += snprintf(path + at, sizeof(path) - (size_t)at, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
		    a.fsid[i]);
	(void)snprintf(path + at, sizeof(path) - (size_t)at, "/qgroups");
	d->qgroups = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->qgroups < 0)
		return err_sys(e, "%s", path);
	return 0;
}

static int
use(struct disk *d, int top, const char *why, struct err *e)
{
	if (mkdirat(top, "sandboxes", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make sandboxes");
	d->dir = openat(
	    top, "sandboxes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->dir < 0)
		return err_sys(e, "open sandboxes");
	if (try_limit(d, e) < 0 || open_qgroups(d, e) < 0) {
		disk_close(d);
		return -1;
	}
	(void)snprintf(d->text, sizeof(d->text), "%s", why);
	return 0;
}

/* 1 if it holds limits, 0 if it is no btrfs or does not. */
static int
try_state_dir(struct disk *d, const char *state_dir, struct err *e)
{
	autoclose int top = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs s;

	if (top < 0 || fstatfs(top, &s) < 0)
		return err_sys(e, "%s", state_dir);
	if (s.f_type != BTRFS_SUPER_MAGIC) {
		err_set(e, ERR_SYS, "%s is not on btrfs", state_dir);
		return 0;
	}
	return use(d, top, "btrfs: the state directory's own, limits tried",
		   e) == 0;
}

int
disk_open(struct disk *d, const struct conf *cf, struct err *e)
{
	const bool image_only = strcmp(cf->disk_backend, "image") == 0;
	const bool host_only = strcmp(cf->disk_backend, "btrfs") == 0;
	int rc;

	d->dir = d->qgroups = d->mount = -1;
	if (!image_only && !host_only && strcmp(cf->disk_backend, "auto") != 0)
		return err_set(e, ERR_INVALID,
		    "disk_backend = %s: on Linux it is auto, btrfs or image",
		    cf->disk_backend);
	if (!image_only) {
		rc = try_state_dir(d, cf->state_dir, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
		if (host_only)
			return err_wrap(e, "disk_backend = btrfs");
	}
	d->mount = disk_image(cf->state_dir, cf->disk_image_mb, e);
	if (d->mount < 0)
		return -1;
	if (use(d, d->mount,
		image_only
		    ? "image: btrfs in disk.btrfs, as configured"
		    : "image: btrfs in disk.btrfs, host's own has no limit",
		e) < 0)
		return err_wrap(e, "disk image");
	return 0;
}

int
disk_attach(struct disk *d, const char *at, struct err *e)
{
	char path[64];

	if (d->mount >= 0 &&
	    move_mount(d->mount, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "attach the disk at %s", at);
	drop_fd(&d->mount);
	(void)snprintf(path, sizeof(path), "%s/sandboxes", at);
	drop_fd(&d->dir);
	d->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->dir < 0)
		return err_sys(e, "%s", path);
	return 0;
}

void
disk_close(struct disk *d)
{
	drop_fd(&d->dir);
	drop_fd(&d->qgroups);
	drop_fd(&d->mount);
}
