#include "disk_int.h"

#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "mounts.h"
#include "roots.h"

enum {
	/* Room that no sandbox is let into: what is kept has to be synced. */
	RESERVE_PART = 20, /* a twentieth of the volume ... */
	RESERVE_MB = 2048, /* ... and no more than this */
};

static int
no_such(const char *id, struct err *e)
{
	return err_set(e, ERR_NOTFOUND, "files of %s: there are none", id);
}

static int
check_id(const char *id, struct err *e)
{
	char name[SPAWN_ID_MAX] = { 0 };

	(void)snprintf(name, sizeof(name), "%s", id);
	if (!disk_id_ok(name) || strcmp(name, id) != 0)
		return err_set(
		    e, ERR_INVALID, "sandbox \"%.40s\" is not of [a-z0-9]", id);
	return 0;
}

/* --- open ----------------------------------------------------------------- */

static int
choose(struct disk *d, const struct conf *cf, struct err *e)
{
	const char *want = cf->disk_backend;
	struct err why;

	if (strcmp(want, "auto") != 0 && strcmp(want, "zfs") != 0 &&
	    strcmp(want, "copy") != 0)
		return err_set(e, ERR_INVALID,
		    "disk_backend = %s: on FreeBSD it is auto, zfs or copy",
		    want);
	if (strcmp(want, "copy") == 0) {
		d->driver = &disk_copy;
		(void)snprintf(d->text, sizeof(d->text), "%s",
		    "copy: as configured; no disk limit is held");
		return 0;
	}
	if (disk_zfs_open(d, cf, &why) == 0) {
		d->driver = &disk_zfs;
		(void)snprintf(d->text, sizeof(d->text), "zfs: clones below %s",
		    d->dataset);
		return 0;
	}
	*e = why;
	if (strcmp(want, "zfs") == 0 || why.kind != ERR_UNSUPPORTED)
		return err_wrap(e, "disk_backend = %s", want);
	log_warn("disk.copy why=\"%s\" limits=none", why.msg);
	d->driver = &disk_copy;
	(void)snprintf(d->text, sizeof(d->text), "%s",
	    "copy: no ZFS to clone in; no disk limit is held");
	return 0;
}

static int
open_dirs(struct disk *d, const struct conf *cf, struct err *e)
{
	char real[PATH_MAX];

	/* The kernel knows mounts by a path without links. */
	if (realpath(cf->state_dir, real) == NULL)
		return err_sys(e, "state_dir %s", cf->state_dir);
	if (strlen(real) >= sizeof(d->state))
		return err_set(e, ERR_INVALID,
		    "state_dir %s: longer than %zu bytes", real,
		    sizeof(d->state) - 1);
	memcpy(d->state, real, strlen(real) + 1);
	d->state_dir = open(d->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->state_dir < 0)
		return err_sys(e, "state_dir %s", d->state);
	if (mkdirat(d->state_dir, "sandboxes", 0700) < 0 && errno != EEXIST)
		return err_sys(e, "%s/sandboxes", d->state);
	d->dir = openat(d->state_dir, "sandboxes",
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Root inside is root: nobody of the host may come by its programs. */
	if (d->dir < 0 || fchown(d->dir, 0, 0) < 0 || fchmod(d->dir, 0700) < 0)
		return err_sys(e, "%s/sandboxes", d->state);
	return 0;
}

int
disk_open(const struct conf *cf, struct disk **out, struct err *e)
{
	struct disk *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_sys(e, "disk");
	d->state_dir = d->dir = -1;
	if (open_dirs(d, cf, e) < 0 || choose(d, cf, e) < 0) {
		disk_close(d);
		return -1;
	}
	*out = d;
	return 0;
}

void
disk_close(struct disk *d)
{
	if (d == NULL)
		return;
	disk_zfs_close(d);
	drop_fd(&d->state_dir);
	drop_fd(&d->dir);
	free(d);
}

const char *
disk_text(const struct disk *d)
{
	return d->text;
}

void
disk_fds(const struct disk *d, int fds[DISK_FDS])
{
	fds[0] = d->state_dir;
	fds[1] = d->dir;
	fds[2] = -1;
}

/* --- paths ---------------------------------------------------------------- */

int
disk_dir(const struct disk *d, const char *id, struct err *e)
{
	int fd;

	if (check_id(id, e) < 0)
		return -1;
	fd =
	    openat(d->dir, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return no_such(id, e);
	if (fd < 0)
		return err_sys(e, "files of %s", id);
	return fd;
}

int
disk_root(const struct disk *d, const char *id, char path[DISK_PATH_MAX],
    struct err *e)
{
	if (check_id(id, e) < 0)
		return -1;
	(void)snprintf(
	    path, DISK_PATH_MAX, "%s/sandboxes/%s/root", d->state, id);
	return 0;
}

int
disk_root_dir(const struct disk *d, const char *id, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(
	    dir, "root", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "files of %s: root", id);
	return fd;
}

/* --- whose it is ---------------------------------------------------------- */

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
	autoclose int fd = -1;
	char text[DISK_META_TEXT];
	ssize_t n;

	memset(m, 0, sizeof(*m));
	if (dir < 0)
		return -1;
	fd = openat(dir, "meta", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return err_sys(e, "files of %s: meta", id);
	text[n] = '\0';
	return disk_meta_parse(m, text, id, e);
}

int
disk_keep(const struct disk *d, const char *id, bool keep, struct err *e)
{
	struct disk_meta m;

	if (disk_meta_read(d, id, &m, e) < 0)
		return -1;
	if (m.keep == keep)
		return 0;
	m.keep = keep;
	return disk_meta_write(d, &m, e);
}

struct each {
	void (*fn)(void *arg, const struct disk_meta *m);
	void *arg;
};

/* Made half-way: nobody's. */
static void
say_stray(void *arg, const char *id)
{
	const struct each *to = arg;
	struct disk_meta m = { .keep = false };

	(void)snprintf(m.id, sizeof(m.id), "%s", id);
	to->fn(to->arg, &m);
}

static void
say_one(const struct disk *d, const struct each *to, const char *id)
{
	struct disk_meta m;
	struct err why;

	if (disk_meta_read(d, id, &m, &why) == 0)
		to->fn(to->arg, &m);
	else
		say_stray(unconst(to), id);
}

int
disk_each(const struct disk *d,
    void (*fn)(void *arg, const struct disk_meta *m), void *arg, struct err *e)
{
	int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct each to = { fn, arg };
	const struct dirent *de;
	struct err ignored;
	DIR *list;

	if (fd < 0 || (list = fdopendir(fd)) == NULL) {
		err_sys(e, "list files of sandboxes");
		own_close(&fd);
		return -1;
	}
	while ((de = readdir(list)) != NULL)
		if (check_id(de->d_name, &ignored) == 0)
			say_one(d, &to, de->d_name);
	(void)closedir(list);
	return d->driver->strays(d, say_stray, &to, e);
}

/* --- make, mount, remove -------------------------------------------------- */

int
disk_template(const struct disk *d, const char *template_id, struct err *e)
{
	return d->driver->template(d, template_id, e);
}

void
disk_forget(const struct disk *d)
{
	d->driver->forget(d);
}

static int
skeleton(const struct disk *d, const char *id, struct err *e)
{
	autoclose int dir = -1;

	if (mkdirat(d->dir, id, 0700) < 0) {
		if (errno == EEXIST)
			return err_set(
			    e, ERR_CONFLICT, "files of %s exist already", id);
		return err_sys(e, "files of %s", id);
	}
	dir = disk_dir(d, id, e);
	if (dir < 0)
		return -1;
	if (mkdirat(dir, "root", 0755) < 0)
		return err_sys(e, "files of %s: root", id);
	return 0;
}

/* Meta comes last: without one they are nobody's. */
int
disk_make(const struct disk *d, const struct disk_meta *m, struct err *e)
{
	struct err ignored;

	if (check_id(m->id, e) < 0 || disk_room(d, e) < 0 ||
	    d->driver->template(d, m->template_id, e) < 0 ||
	    skeleton(d, m->id, e) < 0)
		return -1;
	if (d->driver->fill(d, m, e) == 0 && root_note_abi(d, m->id, e) == 0 &&
	    disk_meta_write(d, m, e) == 0)
		return 0;
	(void)disk_remove(d, m->id, &ignored);
	return err_wrap(e, "files of %s", m->id);
}

int
disk_mount(const struct disk *d, const char *id, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);

	return dir < 0 ? -1 : d->driver->mount(d, id, e);
}

int
disk_unmount(const struct disk *d, const char *id, struct err *e)
{
	char path[DISK_PATH_MAX];

	if (disk_root(d, id, path, e) < 0)
		return -1;
	return unmount_below(path, true, e);
}

static int
unlink_quietly(int dir, const char *name, int how)
{
	return unlinkat(dir, name, how) < 0 && errno != ENOENT ? -1 : 0;
}

/* Meta goes first: half-removed files are nobody's, however kept. */
static int
remove_notes(const struct disk *d, const char *id, struct err *e)
{
	static const char *const names[] = { "meta", "meta.new", "abi" };
	struct err why;
	autoclose int dir = disk_dir(d, id, &why);

	if (dir < 0 && why.kind == ERR_NOTFOUND)
		return 0;
	if (dir < 0) {
		*e = why;
		return -1;
	}
	for (size_t i = 0; i < countof(names); i++)
		if (unlink_quietly(dir, names[i], 0) < 0)
			return err_sys(e, "files of %s: %s", id, names[i]);
	return 0;
}

int
disk_remove(const struct disk *d, const char *id, struct err *e)
{
	char root[SPAWN_ID_MAX + 8];

	if (check_id(id, e) < 0 || remove_notes(d, id, e) < 0 ||
	    disk_unmount(d, id, e) < 0 || d->driver->empty(d, id, e) < 0)
		return -1;
	(void)snprintf(root, sizeof(root), "%s/root", id);
	if (unlink_quietly(d->dir, root, AT_REMOVEDIR) < 0 ||
	    unlink_quietly(d->dir, id, AT_REMOVEDIR) < 0)
		return err_sys(e, "files of %s", id);
	return 0;
}

/* --- figures -------------------------------------------------------------- */

int
disk_usage(const struct disk *d, const char *id, uint64_t *used,
    uint64_t *total, struct err *e)
{
	*used = *total = 0;
	if (check_id(id, e) < 0)
		return -1;
	return d->driver->usage(d, id, used, total, e);
}

int
disk_sync(const struct disk *d, const char *id, struct err *e)
{
	if (check_id(id, e) < 0)
		return -1;
	return d->driver->sync(d, id, e);
}

int
disk_room(const struct disk *d, struct err *e)
{
	uint64_t reserve, all = 0, left = 0;

	if (d->driver->room(d, &left, &all, e) < 0)
		return -1;
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
