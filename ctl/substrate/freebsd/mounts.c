#include "mounts.h"

#include <sys/param.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"

enum { BUSY_PATIENCE_MS = 2000, BUSY_RETRY_MS = 10, FSID_TEXT = 40 };

/* --- up ------------------------------------------------------------------- */

struct pairs {
	struct iovec v[2 * (MOUNT_OPTS_MAX + 3)];
	unsigned n;
};

static void
add(struct pairs *p, const char *name, void *value, size_t len)
{
	p->v[p->n++] = (struct iovec){ unconst(name), strlen(name) + 1 };
	p->v[p->n++] = (struct iovec){ value, len };
}

static void
add_text(struct pairs *p, const char *name, const char *value)
{
	add(p, name, unconst(value), value == NULL ? 0 : strlen(value) + 1);
}

/* On the working directory: the kernel takes the path's name from it. */
static int
mount_here(const char *fs, const struct mount_opt *opts, size_t n, int flags,
    struct err *e)
{
	char why[128] = "";
	struct pairs p = { .n = 0 };

	add_text(&p, "fstype", fs);
	add_text(&p, "fspath", ".");
	add(&p, "errmsg", why, sizeof(why));
	for (size_t i = 0; i < n && i < MOUNT_OPTS_MAX; i++)
		add_text(&p, opts[i].name, opts[i].value);
	if (nmount(p.v, p.n, flags) == 0)
		return 0;
	why[sizeof(why) - 1] = '\0';
	if (why[0] != '\0')
		return err_sys(e, "mount %s: %s", fs, why);
	return err_sys(e, "mount %s", fs);
}

int
mount_on(int dir, const char *fs, const struct mount_opt *opts, size_t n,
    int flags, struct err *e)
{
	autoclose int was = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (was < 0 || fchdir(dir) < 0)
		return err_sys(e, "mount %s", fs);
	rc = mount_here(fs, opts, n, flags, e);
	/* To stay there would keep it busy. */
	if (fchdir(was) < 0 && chdir("/") < 0)
		return err_sys(e, "mount %s: back from it", fs);
	return rc;
}

/* --- down ----------------------------------------------------------------- */

/* All mounts, the caller's to free; -1 if there is no telling. */
static int
mounts(struct statfs **out, struct err *e)
{
	int n = getfsstat(NULL, 0, MNT_NOWAIT);
	autofree struct statfs *v = NULL;
	size_t room;

	if (n < 0)
		return err_sys(e, "list mounts");
	room = (size_t)n + 64; /* some may come while we ask */
	v = calloc(room, sizeof(*v));
	if (v == NULL)
		return err_sys(e, "list mounts");
	n = getfsstat(v, (long)(room * sizeof(*v)), MNT_NOWAIT);
	if (n < 0)
		return err_sys(e, "list mounts");
	*out = take(&v);
	return n;
}

bool
mount_is_at(const char *path, const char *from)
{
	struct statfs s;

	return statfs(path, &s) == 0 && strcmp(s.f_mntonname, path) == 0 &&
	       (from == NULL || strcmp(s.f_mntfromname, from) == 0);
}

static bool
is_below(const struct statfs *s, const char *path, bool itself)
{
	const size_t n = strlen(path);

	if (strncmp(s->f_mntonname, path, n) != 0)
		return false;
	return s->f_mntonname[n] == '/' ||
	       (itself && s->f_mntonname[n] == '\0');
}

/* By its number: a path could lead elsewhere. */
static int
unmount_one(const struct statfs *s, int flags)
{
	char id[FSID_TEXT];

	(void)snprintf(
	    id, sizeof(id), "FSID:%d:%d", s->f_fsid.val[0], s->f_fsid.val[1]);
	return unmount(id, MNT_BYFSID | flags);
}

/* How many were busy.  The list is in the order of mounting. */
static int
sweep(const char *path, bool itself, bool force, struct err *e)
{
	autofree struct statfs *v = NULL;
	int n = mounts(&v, e), busy = 0;

	if (n < 0)
		return -1;
	while (n-- > 0) {
		if (!is_below(&v[n], path, itself))
			continue;
		if (unmount_one(&v[n], force ? MNT_FORCE : 0) == 0 ||
		    errno == ENOENT)
			continue;
		if (errno != EBUSY)
			return err_sys(e, "unmount %s", v[n].f_mntonname);
		err_set(e, ERR_BUSY, "unmount %s: busy", v[n].f_mntonname);
		busy++;
	}
	return busy;
}

int
unmount_below(const char *path, bool itself, struct err *e)
{
	const struct timespec retry = { 0, BUSY_RETRY_MS * 1000000 };
	const struct mono start = mono_now();
	int busy;

	while ((busy = sweep(path, itself, false, e)) > 0) {
		if (mono_ms(start, mono_now()) > BUSY_PATIENCE_MS)
			break;
		(void)nanosleep(&retry, NULL);
	}
	if (busy > 0)
		busy = sweep(path, itself, true, e);
	return busy == 0 ? 0 : -1;
}
