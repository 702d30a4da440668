/*
 * Where there is no pool: each sandbox has a copy of its template's files.  It
 * costs time and room, and nothing limits what the tenant writes but the file
 * system that all of them share.
 */
#include "disk_int.h"

#include <sys/param.h>
#include <sys/mount.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"
#include "tree.h"

static int template(const struct disk *d, const char *id, struct err *e)
{
	struct layers l = { .n = 0 };
	int rc = layers_open(&l, d, id, e);

	layers_close(&l);
	return rc;
}

static int
fill(const struct disk *d, const struct disk_meta *m, struct err *e)
{
	autoclose int root = disk_root_dir(d, m->id, e);
	struct layers l = { .n = 0 };
	int rc = -1;

	if (root >= 0 && layers_open(&l, d, m->template_id, e) == 0)
		rc = tree_merge(l.fd, l.n, root, e);
	if (rc == 0)
		rc = layers_recheck(&l, d, m->template_id, e);
	layers_close(&l);
	return rc;
}

static int
mount_copy(const struct disk *d, const char *id, struct err *e)
{
	autoclose int root = disk_root_dir(d, id, e);

	return root < 0 ? -1 : 0;
}

static int
usage(const struct disk *d, const char *id, uint64_t *used, uint64_t *total,
    struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);

	*used = *total = 0;
	return dir < 0 ? -1 : 0;
}

static int
sync_copy(const struct disk *d, const char *id, struct err *e)
{
	autoclose int root = disk_root_dir(d, id, e);

	return root < 0 ? -1 : tree_sync(root, e);
}

static int
empty(const struct disk *d, const char *id, struct err *e)
{
	struct err why;
	autoclose int dir = disk_dir(d, id, &why);

	if (dir < 0 && why.kind == ERR_NOTFOUND)
		return 0;
	if (dir < 0) {
		*e = why;
		return -1;
	}
	if (tree_remove(dir, "root", e) < 0)
		return err_wrap(e, "files of %s", id);
	return 0;
}

static int
room(const struct disk *d, uint64_t *left, uint64_t *all, struct err *e)
{
	struct statfs s;

	if (fstatfs(d->dir, &s) < 0)
		return err_sys(e, "room on the disk");
	*all = s.f_blocks * s.f_bsize;
	*left = s.f_bavail > 0 ? (uint64_t)s.f_bavail * s.f_bsize : 0;
	return 0;
}

static int
strays(const struct disk *d, void (*fn)(void *arg, const char *id), void *arg,
    struct err *e)
{
	(void)d;
	(void)fn;
	(void)arg;
	(void)e;
	return 0; /* there is nothing but the directories */
}

static void
forget(const struct disk *d)
{
	(void)d;
}

const struct disk_driver disk_copy = {
	.template = template,
	.fill = fill,
	.mount = mount_copy,
	.usage = usage,
	.sync = sync_copy,
	.empty = empty,
	.room = room,
	.strays = strays,
	.forget = forget,
};
