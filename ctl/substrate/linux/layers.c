#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

enum { PROC_FD = 32 };

/* A mount of `fd`'s directory in which ids are the sandbox's. */
static int
mapped(int fd, int userns, uint64_t attr, struct err *e)
{
	struct mount_attr a = {
		.attr_set = attr | MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};
	autoclose int m = open_tree(
	    fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (m < 0)
		return err_sys(e, "copy of a layer's mount");
	if (mount_setattr(m, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "map the ids of a layer");
	return take_fd(&m);
}

static int
open_template(const char *id, struct err *e)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	autoclose int state =
	    open(ROOT_STATE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[SPAWN_TEMPLATE_MAX + 32];
	int fd;

	if (state < 0)
		return err_sys(e, "state directory");
	(void)snprintf(path, sizeof(path), "templates/%s/rootfs", id);
	fd = (int)syscall(SYS_openat2, state, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "template %s has no root", id);
	if (fd < 0)
		return err_sys(e, "template %s", id);
	return fd;
}

static int
set(int fs, const char *key, int layer, const char *below, struct err *e)
{
	char path[PROC_FD];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s", layer, below);
	if (fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0)
		return err_sys(e, "overlay: %s", key);
	return 0;
}

/*
 * The overlay works on its upper layer with the ids and the rights that the
 * mounting thread has now, for as long as it lives: so root of the sandbox it
 * must be, or the work directory cannot be made and, without an error, the
 * mount is read-only.
 */
static int
create_as(int fs, uint32_t base, struct err *e)
{
	int rc = 0;

	(void)setfsgid(base);
	(void)setfsuid(base);
	/* Leaving uid 0 took what it needs out of the effective set. */
	if (caps_raise(e) < 0)
		rc = -1;
	else if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		rc = err_sys(e, "overlay: create");
	(void)setfsuid(0);
	(void)setfsgid(0);
	if (rc == 0 && caps_raise(e) < 0)
		rc = -1;
	return rc;
}

static int
overlay(int lower, int upper, uint32_t base, struct err *e)
{
	autoclose int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	autoclose int m = -1;
	struct statvfs v;

	if (fs < 0)
		return err_sys(e, "overlay is not in this kernel");
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", "root", 0);
	if (set(fs, "lowerdir", lower, "", e) < 0 ||
	    set(fs, "upperdir", upper, "/upper", e) < 0 ||
	    set(fs, "workdir", upper, "/work", e) < 0)
		return -1;
	/* A tenant's sync stalls nobody; we sync what is to be kept. */
	if (fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return err_sys(e, "overlay: volatile");
	if (create_as(fs, base, e) < 0)
		return -1;
	m = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	if (m < 0 || fstatvfs(m, &v) < 0)
		return err_sys(e, "overlay: mount");
	if (v.f_flag & ST_RDONLY)
		return err_set(e, ERR_SYS, "overlay: came out read-only");
	return take_fd(&m);
}

int
layers_forget(const struct disk *d, const char *id, struct err *e)
{
	static const struct {
		const char *path;
		int how;
	} marks[] = {
		{ "work/work/incompat/volatile/dirty", 0 },
		{ "work/work/incompat/volatile", AT_REMOVEDIR },
		{ "work/work/incompat", AT_REMOVEDIR },
	};
	autoclose int dir = disk_dir(d, id, e);

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < countof(marks); i++)
		if (unlinkat(dir, marks[i].path, marks[i].how) < 0 &&
		    errno != ENOENT)
			return err_sys(e, "files of %s: %s", id, marks[i].path);
	return 0;
}

static int
userns_of(pid_t pid, struct err *e)
{
	char path[PROC_FD];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "ids of the sandbox");
	return fd;
}

/* The new mount stands on both from now on: they may be taken away. */
static const char *const layer_at[SUB_STALE_MAX] = { ROOT_LOWER, ROOT_UPPER };

/*
 * Kernels before 6.15 make an overlay only of what hangs in our own mount
 * namespace.  The first refusal tells.
 */
static int
overlay_of(
    struct substrate *s, int lower, int upper, uint32_t base, struct err *e)
{
	const int layer[SUB_STALE_MAX] = { lower, upper };
	int m;

	if (!s->attach) {
		m = overlay(lower, upper, base, e);
		if (m >= 0 || e->sys_errno != EINVAL)
			return m;
		s->attach = true;
	}
	for (size_t i = 0; i < countof(layer); i++)
		if (move_mount(layer[i], "", AT_FDCWD, layer_at[i],
			MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return err_sys(e, "attach a layer");
	return overlay(lower, upper, base, e);
}

int
layers_mount(struct substrate *s, const struct sub_unit *u,
    const struct spawn_create *c, struct err *e)
{
	autoclose int userns = userns_of(u->pid, e);
	autoclose int template = -1, files = -1, lower = -1, upper = -1;
	int m;

	if (userns < 0)
		return -1;
	sub_settle(s);
	template = open_template(c->template_id, e);
	files = template <0 ? -1 : disk_dir(&s->disk, c->id, e);
	if (files < 0)
		return -1;
	lower = mapped(template, userns, MOUNT_ATTR_RDONLY, e);
	upper = lower < 0 ? -1 : mapped(files, userns, 0, e);
	if (upper < 0)
		return -1;
	m = overlay_of(s, lower, upper, sub_id_base(s, u->ref.slot), e);
	s->stale[0] = take_fd(&lower);
	s->stale[1] = take_fd(&upper);
	return m;
}

void
sub_settle(struct substrate *s)
{
	for (size_t i = 0; i < countof(s->stale); i++) {
		if (s->stale[i] >= 0 && s->attach)
			(void)umount2(layer_at[i], MNT_DETACH);
		drop_fd(&s->stale[i]);
	}
}
