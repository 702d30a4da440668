/*
 * Clones.  Below the data set that we are given:
 *	templates/ID-KEY@g	a template's layers, laid over each other; KEY
 *				is another one whenever one is made anew
 *	sandboxes/ID		a clone of it, mounted at ID/root
 *
 * None is mounted by anybody else: their mountpoint is `none`.
 */
#include "disk_int.h"

#include <sys/param.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "mounts.h"
#include "tree.h"
#include "zfs.h"

enum {
	NAME_MAX_OURS = 80, /* what we append to the data set's name */
	FULL_NAME = DATASET_MAX + NAME_MAX_OURS,
	ATTEMPTS = 3,
	/* ZFS's numbers for words */
	OFF = 0,
	ON = 1,
	SYNC_DISABLED = 2,
};

static void
clone_name(const struct disk *d, const char *id, char to[FULL_NAME])
{
	(void)snprintf(to, FULL_NAME, "%s/sandboxes/%s", d->dataset, id);
}

/* --- open ------------------------------------------------------------------
 */

/*
 * A child of a boot environment would be carried along, or left behind, with
 * each upgrade.
 */
static int
check_usual(const struct statfs *s, struct err *e)
{
	if (strcmp(s->f_fstypename, "zfs") != 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "zfs_dataset is not set, and state_dir is on %s",
		    s->f_fstypename);
	if (strstr(s->f_mntfromname, "/ROOT/") != NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "zfs_dataset is not set, and state_dir is in the boot "
		    "environment %.100s: give it a data set of its own",
		    s->f_mntfromname);
	return 0;
}

static int
choose(struct disk *d, const struct conf *cf, struct err *e)
{
	const char *name = cf->zfs_dataset;
	struct statfs s;

	if (name[0] == '\0') {
		if (fstatfs(d->state_dir, &s) < 0)
			return err_sys(e, "state_dir %s", d->state);
		if (check_usual(&s, e) < 0)
			return -1;
		name = s.f_mntfromname;
	}
	if (strlen(name) >= DATASET_MAX - NAME_MAX_OURS)
		return err_set(e, ERR_INVALID,
		    "zfs_dataset = %.100s: longer than %d bytes", name,
		    DATASET_MAX - NAME_MAX_OURS - 1);
	(void)snprintf(d->dataset, sizeof(d->dataset), "%s", name);
	return 0;
}

/*
 * A tenant's sync stalls nobody; we sync what is to be kept.  sudo works
 * inside, whatever the parent says of set-id programs.
 */
static int
make_parent(const struct disk *d, const char *what, struct err *e)
{
	static const struct zfs_prop props[] = {
		{ "mountpoint", 0, "none" },
		{ "canmount", OFF, NULL },
		{ "atime", OFF, NULL },
		{ "sync", SYNC_DISABLED, NULL },
		{ "setuid", ON, NULL },
		{ "exec", ON, NULL },
	};
	char name[FULL_NAME];

	(void)snprintf(name, sizeof(name), "%s/%s", d->dataset, what);
	if (zfs_exists(d->zfs, name) ||
	    zfs_create(d->zfs, name, props, countof(props), e) == 0 ||
	    e->kind == ERR_CONFLICT)
		return 0;
	return -1;
}

int
disk_zfs_open(struct disk *d, const struct conf *cf, struct err *e)
{
	if (choose(d, cf, e) < 0 || zfs_open(&d->zfs, e) < 0)
		return -1;
	if (!zfs_exists(d->zfs, d->dataset))
		return err_set(e, ERR_INVALID,
		    "zfs_dataset = %.150s: there is none", d->dataset);
	if (make_parent(d, "templates", e) < 0 ||
	    make_parent(d, "sandboxes", e) < 0)
		return -1;
	return 0;
}

void
disk_zfs_close(struct disk *d)
{
	zfs_close(d->zfs);
	d->zfs = NULL;
}

/* --- mount ------------------------------------------------------------------
 */

static int
mount_at(int dir, const char *name, struct err *e)
{
	const struct mount_opt from = { "from", name };

	return mount_on(dir, "zfs", &from, 1, 0, e);
}

static int
mount_zfs(const struct disk *d, const char *id, struct err *e)
{
	char path[DISK_PATH_MAX], name[FULL_NAME];
	autoclose int root = -1;

	clone_name(d, id, name);
	if (disk_root(d, id, path, e) < 0)
		return -1;
	if (mount_is_at(path, name))
		return 0;
	if (!zfs_exists(d->zfs, name))
		return err_set(
		    e, ERR_NOTFOUND, "files of %s: there are none", id);
	root = disk_root_dir(d, id, e);
	return root < 0 ? -1 : mount_at(root, name, e);
}

/* --- templates --------------------------------------------------------------
 */

struct flat {
	char name[FULL_NAME];	  /* templates/ID-KEY */
	char snap[FULL_NAME];	  /* templates/ID-KEY@g */
	char fresh[FULL_NAME];	  /* while it is being filled */
	char path[DISK_PATH_MAX]; /* where that is mounted */
	char at[64];		  /* the same below sandboxes */
};

static void
flat_names(const struct disk *d, const char *id, uint64_t key, struct flat *f)
{
	const int n = snprintf(f->name, sizeof(f->name),
	    "%s/templates/%s-%016llx", d->dataset, id, (unsigned long long)key);

	(void)snprintf(f->snap, sizeof(f->snap), "%.*s@g", n, f->name);
	(void)snprintf(f->fresh, sizeof(f->fresh), "%.*s.new", n, f->name);
	(void)snprintf(f->at, sizeof(f->at), ".template-%s", id);
	(void)snprintf(
	    f->path, sizeof(f->path), "%s/sandboxes/%s", d->state, f->at);
}

/* One process at a time flattens a template, or takes it away. */
static int
lock(const struct disk *d, const char *id, bool wait, struct err *e)
{
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), ".lock-%s", id);
	fd = openat(
	    d->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) == 0)
		return fd;
	err_sys(e, "lock of template %s", id);
	own_close(&fd);
	return -1;
}

/* What a process that was killed left of it. */
static int
clear(const struct disk *d, const struct flat *f, struct err *e)
{
	if (unmount_below(f->path, true, e) < 0 ||
	    zfs_destroy(d->zfs, f->fresh, e) < 0)
		return -1;
	if (unlinkat(d->dir, f->at, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "%s", f->path);
	return 0;
}

static int
open_at(const struct disk *d, const struct flat *f, struct err *e)
{
	int fd = openat(
	    d->dir, f->at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, "%s", f->path);
}

static int
fill_fresh(const struct disk *d, const struct flat *f, const struct layers *l,
    struct err *e)
{
	int dir, rc;

	if (mkdirat(d->dir, f->at, 0700) < 0)
		return err_sys(e, "%s", f->path);
	dir = open_at(d, f, e);
	rc = dir < 0 ? -1 : mount_at(dir, f->fresh, e);
	drop_fd(&dir);
	if (rc == 0)
		dir = open_at(d, f, e); /* what is mounted there now */
	rc = dir < 0 ? -1 : tree_merge(l->fd, l->n, dir, e);
	drop_fd(&dir);
	return rc;
}

/* Under its own name only once it is whole. */
static int
flatten(const struct disk *d, const char *id, const struct flat *f,
    const struct layers *l, struct err *e)
{
	char snap[FULL_NAME + 8];

	(void)snprintf(snap, sizeof(snap), "%s@g", f->fresh);
	if (clear(d, f, e) < 0 || zfs_create(d->zfs, f->fresh, NULL, 0, e) < 0)
		return -1;
	if (fill_fresh(d, f, l, e) < 0 || layers_recheck(l, d, id, e) < 0 ||
	    unmount_below(f->path, true, e) < 0 ||
	    zfs_snapshot(d->zfs, snap, e) < 0)
		return -1;
	/* Half removed, it has no snapshot. */
	if (zfs_destroy(d->zfs, f->name, e) < 0 ||
	    zfs_rename(d->zfs, f->fresh, f->name, e) < 0)
		return -1;
	return clear(d, f, e);
}

static int
flatten_locked(const struct disk *d, const char *id, const struct layers *l,
    const struct flat *f, struct err *e)
{
	autoclose int held = lock(d, id, true, e);
	struct err ignored;

	if (held < 0)
		return -1;
	if (zfs_exists(d->zfs, f->snap))
		return 0;
	log_info("disk.flatten template=%s layers=%zu", id, l->n);
	if (flatten(d, id, f, l, e) == 0)
		return 0;
	(void)clear(d, f, &ignored);
	return -1;
}

/* On success f is its name. */
static int
ready(const struct disk *d, const char *id, struct flat *f, struct err *e)
{
	struct layers l = { .n = 0 };
	int rc = layers_open(&l, d, id, e);

	if (rc == 0) {
		flat_names(d, id, l.key, f);
		if (!zfs_exists(d->zfs, f->snap))
			rc = flatten_locked(d, id, &l, f, e);
	}
	layers_close(&l);
	return rc < 0 ? err_wrap(e, "template %s", id) : 0;
}

static int template(const struct disk *d, const char *id, struct err *e)
{
	struct flat f = { .name = "" };

	return ready(d, id, &f, e);
}

/* --- sandboxes ---------------------------------------------------------------
 */

static int
fill(const struct disk *d, const struct disk_meta *m, struct err *e)
{
	const struct zfs_prop quota = { "quota", m->limit, NULL };
	char name[FULL_NAME];
	struct flat f = { .name = "" };

	clone_name(d, m->id, name);
	/* What was made anew a moment ago is forgotten a moment later. */
	for (int i = 0; i < ATTEMPTS; i++) {
		if (ready(d, m->template_id, &f, e) < 0)
			return -1;
		if (zfs_clone(d->zfs, name, f.snap, &quota, 1, e) == 0)
			return mount_zfs(d, m->id, e);
		if (e->kind != ERR_NOTFOUND)
			return -1;
	}
	return -1;
}

static int
usage(const struct disk *d, const char *id, uint64_t *used, uint64_t *total,
    struct err *e)
{
	char name[FULL_NAME];
	struct zfs_figures v;

	clone_name(d, id, name);
	if (zfs_figures(d->zfs, name, &v, e) < 0)
		return -1;
	*used = v.used;
	*total = v.quota;
	return 0;
}

static int
sync_zfs(const struct disk *d, const char *id, struct err *e)
{
	char name[FULL_NAME];

	clone_name(d, id, name);
	sync(); /* pages of files that are mapped, too */
	return zfs_sync(d->zfs, name, e);
}

static int
empty(const struct disk *d, const char *id, struct err *e)
{
	char name[FULL_NAME];

	clone_name(d, id, name);
	return zfs_destroy(d->zfs, name, e);
}

static int
room(const struct disk *d, uint64_t *left, uint64_t *all, struct err *e)
{
	struct zfs_figures v;

	if (zfs_figures(d->zfs, d->dataset, &v, e) < 0)
		return -1;
	*left = v.available;
	*all = v.available + v.used;
	return 0;
}

struct strays {
	const struct disk *d;
	void (*fn)(void *arg, const char *id);
	void *arg;
};

static void
stray(void *arg, const char *id)
{
	const struct strays *s = arg;
	struct stat st;

	if (fstatat(s->d->dir, id, &st, AT_SYMLINK_NOFOLLOW) < 0)
		s->fn(s->arg, id);
}

static int
strays(const struct disk *d, void (*fn)(void *arg, const char *id), void *arg,
    struct err *e)
{
	struct strays s = { d, fn, arg };
	char name[FULL_NAME];

	(void)snprintf(name, sizeof(name), "%s/sandboxes", d->dataset);
	return zfs_children(d->zfs, name, stray, &s, e);
}

/* --- forget ------------------------------------------------------------------
 */

/* Whether `name`, ID-KEY, is what template ID is now; if in doubt, it is. */
static bool
is_current(const struct disk *d, const char *id, const char *name)
{
	struct layers l = { .n = 0 };
	char now[64];
	struct err e;
	bool same;

	if (layers_open(&l, d, id, &e) == 0) {
		(void)snprintf(now, sizeof(now), "%s-%016llx", id,
		    (unsigned long long)l.key);
		same = strcmp(name, now) == 0;
	} else {
		same = e.kind != ERR_NOTFOUND;
	}
	layers_close(&l);
	return same;
}

/* Whoever filled it was killed: it is mounted still. */
static void
unmount_fresh(const struct disk *d, const char *id)
{
	struct flat f = { .name = "" };
	struct err e;

	flat_names(d, id, 0, &f);
	if (unmount_below(f.path, true, &e) == 0)
		(void)unlinkat(d->dir, f.at, AT_REMOVEDIR);
}

static void
forget_one(void *arg, const char *name)
{
	const struct disk *d = arg;
	char id[SPAWN_TEMPLATE_MAX], full[FULL_NAME], snap[FULL_NAME + 8];
	struct err e;
	autoclose int held = -1;

	(void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(name, "-"), name);
	held = lock(d, id, false, &e);
	if (held < 0 || is_current(d, id, name))
		return;
	unmount_fresh(d, id);
	(void)snprintf(full, sizeof(full), "%s/templates/%s", d->dataset, name);
	(void)snprintf(snap, sizeof(snap), "%s@g", full);
	/* A sandbox may stand on it: then another time. */
	if (zfs_destroy(d->zfs, snap, &e) == 0)
		(void)zfs_destroy(d->zfs, full, &e);
}

static void
forget(const struct disk *d)
{
	char name[FULL_NAME];
	struct err e;

	(void)snprintf(name, sizeof(name), "%s/templates", d->dataset);
	if (zfs_children(d->zfs, name, forget_one, unconst(d), &e) < 0)
		log_warn("disk.forget err=\"%s\"", e.msg);
}

const struct disk_driver disk_zfs = {
	.template = template,
	.fill = fill,
	.mount = mount_zfs,
	.usage = usage,
	.sync = sync_zfs,
	.empty = empty,
	.room = room,
	.strays = strays,
	.forget = forget,
};
