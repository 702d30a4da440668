#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/own.h"

/*
 * The private root is a tmpfs with a handful of mounts.  A sandbox begins
 * with a copy of them, so fewer is faster; a parked one keeps none of the
 * host's own mounts busy; and there is little to escape to.
 */

static int
dirs(int root, struct err *e)
{
	static const char *const names[] = { "state", "disk", "dev", "eve",
		"new", "lower", "upper", "proc", "sys", "dev/pts", "dev/shm",
		"eve/dev", "eve/proc", "eve/none", "ids" };

	for (size_t i = 0; i < countof(names); i++)
		if (mkdirat(root, names[i], 0755) < 0)
			return err_sys(e, "private root: %s", names[i]);
	return 0;
}

static int
nodes(int root, struct err *e)
{
	static const struct {
		const char *path;
		unsigned major, minor;
	} devices[] = {
		{ "dev/null", 1, 3 },
		{ "dev/zero", 1, 5 },
		{ "dev/full", 1, 7 },
		{ "dev/random", 1, 8 },
		{ "dev/urandom", 1, 9 },
		{ "dev/tty", 5, 0 },
	};
	static const struct {
		const char *path, *to;
	} links[] = {
		{ "dev/fd", "/proc/self/fd" },
		{ "dev/stdin", "/proc/self/fd/0" },
		{ "dev/stdout", "/proc/self/fd/1" },
		{ "dev/stderr", "/proc/self/fd/2" },
		{ "dev/ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < countof(devices); i++)
		if (mknodat(root, devices[i].path, S_IFCHR | 0666,
			makedev(devices[i].major, devices[i].minor)) < 0 ||
		    fchmodat(root, devices[i].path, 0666, 0) < 0)
			return err_sys(e, "private root: %s", devices[i].path);
	for (size_t i = 0; i < countof(links); i++)
		if (symlinkat(links[i].to, root, links[i].path) < 0)
			return err_sys(e, "private root: %s", links[i].path);
	return 0;
}

static int
copy_bytes(int from, int to, const char *path, struct err *e)
{
	struct stat st;
	ssize_t n = 1;

	if (fstat(from, &st) < 0)
		return err_sys(e, "%s", path);
	for (off_t left = st.st_size; left > 0; left -= n) {
		n = sendfile(to, from, NULL, (size_t)left);
		if (n <= 0)
			return err_sys(e, "copy of %s", path);
	}
	return 0;
}

/*
 * envd runs from a copy that host root owns and nobody may read: then the
 * kernel lets root of a sandbox neither read nor trace it.
 */
static int
copy_program(int root, const char *name, const char *path, struct err *e)
{
	autoclose int from = open(path, O_RDONLY | O_CLOEXEC);
	autoclose int to = -1;

	if (from < 0)
		return err_sys(e, "%s", path);
	to = openat(root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0111);
	if (to < 0)
		return err_sys(e, "copy of %s", path);
	if (copy_bytes(from, to, path, e) < 0)
		return -1;
	if (fchmod(to, 0111) < 0)
		return err_sys(e, "copy of %s", path);
	return 0;
}

/* The other program that is started from in here lies beside envd. */
static int
copy_programs(int root, const char *envd_path, struct err *e)
{
	const char *slash = strrchr(envd_path, '/');
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.*s%s",
	    slash != NULL ? (int)(slash - envd_path) : 1,
	    slash != NULL ? envd_path : ".", ROOT_CAPTURE);
	if (copy_program(root, "envd", envd_path, e) < 0)
		return -1;
	/* Nobody needs it to start: a capture says that it is missing. */
	if (access(path, R_OK) < 0)
		return 0;
	return copy_program(root, &ROOT_CAPTURE[1], path, e);
}

static int
tmpfs(struct err *e)
{
	autoclose int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "source", "dev", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "256M", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "private root");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	if (fd < 0)
		return err_sys(e, "private root");
	return fd;
}

/* A copy of the mount at `from` that hangs nowhere yet; deep: of all below. */
static int
copy_mount(const char *from, bool deep, uint64_t attr, struct err *e)
{
	const unsigned all = deep ? AT_RECURSIVE : 0;
	autoclose int fd = open_tree(
	    AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | all);
	struct mount_attr a = { .attr_set = attr };

	if (fd < 0)
		return err_sys(e, "private root: %s", from);
	if (attr != 0 &&
	    mount_setattr(fd, "", AT_EMPTY_PATH | all, &a, sizeof(a)) < 0)
		return err_sys(e, "private root: flags of %s", from);
	return take_fd(&fd);
}

static int
hang(int fd, int dir, const char *at, struct err *e)
{
	if (move_mount(fd, "", dir, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "private root: hang %s", at);
	return 0;
}

static int
graft(const char *from, uint64_t attr, int root, const char *to, struct err *e)
{
	autoclose int fd = copy_mount(from, false, attr, e);

	return fd < 0 ? -1 : hang(fd, root, to, e);
}

static int
fill(int root, int state, const char *envd_path, struct err *e)
{
	if (dirs(root, e) < 0 || nodes(root, e) < 0 ||
	    copy_programs(root, envd_path, e) < 0)
		return -1;
	if (graft("/proc", 0, root, "proc", e) < 0 ||
	    graft("/sys", MOUNT_ATTR_RDONLY, root, "sys", e) < 0)
		return -1;
	return hang(state, root, "state", e);
}

static int
pivot(int root, struct err *e)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "private root: pivot");
	return 0;
}

static int
open_files(struct substrate *s, struct err *e)
{
	s->envd = open(ROOT_ENVD, O_PATH | O_CLOEXEC);
	s->null = open(ROOT_DEV "/null", O_RDWR | O_CLOEXEC);
	if (s->envd < 0 || s->null < 0)
		return err_sys(e, "private root: envd or null");
	return 0;
}

int
root_enter(struct substrate *s, const char *envd_path, struct err *e)
{
	/* Every sandbox looks at the same nodes: none may change them. */
	const uint64_t dev_attr =
	    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	struct mount_attr locked = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int state = -1, root = -1;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "private mount namespace");
	state = copy_mount(
	    s->cf.state_dir, true, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
	root = tmpfs(e);
	/* Over the state directory: a place that surely exists. */
	if (state < 0 || root < 0 ||
	    hang(root, AT_FDCWD, s->cf.state_dir, e) < 0)
		return -1;
	if (fill(root, state, envd_path, e) < 0 || pivot(root, e) < 0)
		return -1;
	/* Written by whatever id a sandbox's root has. */
	if (chmod(ROOT_IDS, 01777) < 0)
		return err_sys(e, "private root: ids");
	if (graft(ROOT_IDS, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, AT_FDCWD,
		ROOT_IDS, e) < 0 ||
	    graft(ROOT_DEV, dev_attr, AT_FDCWD, ROOT_DEV, e) < 0 ||
	    disk_attach(
		&s->disk, s->disk.mount >= 0 ? ROOT_DISK : ROOT_STATE, e) < 0 ||
	    open_files(s, e) < 0)
		return -1;
	if (mount_setattr(AT_FDCWD, "/", 0, &locked, sizeof(locked)) < 0)
		return err_sys(e, "private root: read-only");
	return 0;
}
