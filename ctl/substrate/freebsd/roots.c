#include "roots.h"

#include <sys/param.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fs/devfs/devfs.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "disk_int.h"
#include "mounts.h"

#define LINUX_LOADER "lib64/ld-linux-x86-64.so.2"

enum { NUMBER_TEXT = 16 };

/* --- device rules ------------------------------------------------------------
 */

/* The host's /dev, where the rules are asked for. */
static int
open_dev(struct err *e)
{
	int fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(e, "/dev");
}

int
roots_check(uint32_t ruleset, struct err *e)
{
	struct devfs_rule rule = { .dr_magic = DEVFS_MAGIC,
		.dr_id = mkrid(ruleset, 0) };
	autoclose int dev = open_dev(e);

	if (dev < 0)
		return -1;
	if (ruleset < 1 || ruleset > UINT16_MAX)
		return err_set(e, ERR_INVALID,
		    "devfs_ruleset = %u: not between 1 and %u", ruleset,
		    UINT16_MAX);
	if (ioctl(dev, DEVFSIO_RGETNEXT, &rule) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "devfs_ruleset = %u", ruleset);
	return err_set(e, ERR_SYS,
	    "devfs_ruleset = %u: it has no rules, so a sandbox would see every "
	    "device; put devfs_load_rulesets=YES into rc.conf and run "
	    "`service devfs restart'",
	    ruleset);
}

/* An entry of this very mount, whatever the rule set says; none: nothing. */
static int
show(int dev, const char *name, bool visible, struct err *e)
{
	struct devfs_rule rule = { .dr_magic = DEVFS_MAGIC,
		.dr_icond = DRC_PATHPTRN,
		.dr_iacts = DRA_BACTS,
		.dr_bacts = visible ? DRB_UNHIDE : DRB_HIDE };

	(void)snprintf(rule.dr_pathptrn, sizeof(rule.dr_pathptrn), "%s", name);
	if (ioctl(dev, DEVFSIO_RAPPLY, &rule) < 0)
		return err_sys(e, "dev/%s", name);
	return 0;
}

/*
 * The usual rule set for jails lacks two that every program may have, and has
 * three that are a way into the kernel.
 */
static int
adjust(int dev, struct err *e)
{
	static const struct {
		const char *name;
		bool visible;
	} devices[] = {
		{ "ctty", true }, /* tty, of who has no terminal */
		{ "full", true },
		{ "zfs", false },
		{ "fuse", false },
		{ "crypto", false },
	};

	for (size_t i = 0; i < countof(devices); i++)
		if (show(dev, devices[i].name, devices[i].visible, e) < 0)
			return -1;
	return 0;
}

/* What no rule set for jails lets through: then it is none of them. */
static int
check_hidden(int dev, struct err *e)
{
	static const char *const never[] = { "mem", "kmem", "io", "bpf", "pf",
		"pfctl", "geom.ctl", "mdctl", "pci", "devctl", "vmmctl" };
	struct stat st;

	for (size_t i = 0; i < countof(never); i++)
		if (fstatat(dev, never[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			return err_set(e, ERR_SYS,
			    "devfs rule set shows /dev/%s to sandboxes: "
			    "set devfs_ruleset to one that hides all but what "
			    "a jail needs",
			    never[i]);
	return 0;
}

/* --- what kind of root
 * -------------------------------------------------------- */

/*
 * Noted while the files are the template's: later, who lives there could
 * plant a loader.
 */
int
root_note_abi(const struct disk *d, const char *id, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);
	autoclose int root = dir < 0 ? -1 : disk_root_dir(d, id, e);
	autoclose int fd = -1;
	const char *text = "freebsd\n";
	struct stat st;

	if (root < 0)
		return -1;
	if (fstatat(root, LINUX_LOADER, &st,
		AT_SYMLINK_NOFOLLOW | AT_RESOLVE_BENEATH) == 0)
		text = "linux\n";
	fd = openat(dir, "abi",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_sys(e, "files of %s: abi", id);
	return 0;
}

static int
linux_here(struct err *e)
{
	static const char *const needs[] = { "linprocfs", "linsysfs" };
	struct xvfsconf v;

	for (size_t i = 0; i < countof(needs); i++)
		if (getvfsbyname(needs[i], &v) < 0)
			return err_set(e, ERR_UNSUPPORTED,
			    "a Linux template needs linux64, %s and %s in the "
			    "kernel: linux_enable=YES in rc.conf, then "
			    "`service linux start', and kldload %s",
			    needs[0], needs[1], needs[i]);
	return 0;
}

int
root_abi(
    const struct disk *d, const char *id, enum root_abi *out, struct err *e)
{
	autoclose int dir = disk_dir(d, id, e);
	autoclose int fd = -1;
	char text[16];
	ssize_t n;

	if (dir < 0)
		return -1;
	fd = openat(dir, "abi", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return err_sys(e, "files of %s: abi", id);
	text[n] = '\0';
	*out = strcmp(text, "linux\n") == 0 ? ROOT_LINUX : ROOT_FREEBSD;
	return *out == ROOT_LINUX ? linux_here(e) : 0;
}

/* --- mounts
 * -------------------------------------------------------------------- */

/* A directory of the root, not a link to one; made if it is missing. */
static int
enter(int root, const char *path, struct err *e)
{
	int fd;

	if (mkdirat(root, path, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "%s", path);
	fd = openat(root, path,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_RESOLVE_BENEATH |
		O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "%s", path);
}

static int
mount_below(int root, const char *path, const char *fs,
    const struct mount_opt *opt, struct err *e)
{
	autoclose int dir = enter(root, path, e);

	if (dir < 0)
		return -1;
	if (mount_on(dir, fs, opt, opt->name == NULL ? 0 : 1, MNT_NOSUID, e) <
	    0)
		return err_wrap(e, "%s", path);
	return 0;
}

static int
mount_dev(int root, uint32_t ruleset, struct err *e)
{
	char number[NUMBER_TEXT];
	const struct mount_opt rules = { "ruleset", number };
	autoclose int dev = -1;

	(void)snprintf(number, sizeof(number), "%u", ruleset);
	if (mount_below(root, "dev", "devfs", &rules, e) < 0)
		return -1;
	dev = enter(root, "dev", e);
	if (dev < 0 || check_hidden(dev, e) < 0)
		return -1;
	return adjust(dev, e);
}

/*
 * As a directory of the sandbox's own files: within its limit, and gone with
 * it.  A rule set for jails hides whatever is called shm.
 */
static int
link_shm(int root, struct err *e)
{
	autoclose int dev = enter(root, "dev", e);
	autoclose int run = dev < 0 ? -1 : enter(root, "run", e);

	if (run < 0)
		return -1;
	if (mkdirat(run, "shm", 0700) == 0 &&
	    fchmodat(run, "shm", 01777, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "run/shm");
	if (symlinkat("/run/shm", dev, "shm") < 0 && errno != EEXIST)
		return err_sys(e, "dev/shm");
	return show(dev, "shm", true, e);
}

static int
mount_linux(int root, struct err *e)
{
	static const struct mount_opt none = { NULL, NULL };
	static const struct mount_opt links = { "linrdlnk", NULL };

	if (mount_below(root, "dev/fd", "fdescfs", &links, e) < 0 ||
	    mount_below(root, "proc", "linprocfs", &none, e) < 0 ||
	    mount_below(root, "sys", "linsysfs", &none, e) < 0)
		return -1;
	return link_shm(root, e);
}

static int
mount_all(int root, uint32_t ruleset, enum root_abi abi, struct err *e)
{
	static const struct mount_opt none = { NULL, NULL };

	if (mount_dev(root, ruleset, e) < 0)
		return -1;
	if (abi == ROOT_LINUX)
		return mount_linux(root, e);
	return mount_below(root, "dev/fd", "fdescfs", &none, e);
}

int
root_mount(
    const struct disk *d, const char *id, uint32_t ruleset, struct err *e)
{
	autoclose int root = disk_root_dir(d, id, e);
	enum root_abi abi = ROOT_FREEBSD;
	struct err ignored;

	/* What somebody who was killed had mounted would lie below ours. */
	if (root < 0 || roots_check(ruleset, e) < 0 ||
	    root_abi(d, id, &abi, e) < 0 || root_unmount(d, id, e) < 0)
		return -1;
	if (mount_all(root, ruleset, abi, e) == 0)
		return 0;
	(void)root_unmount(d, id, &ignored);
	return err_wrap(e, "root of %s", id);
}

int
root_unmount(const struct disk *d, const char *id, struct err *e)
{
	char path[DISK_PATH_MAX];

	if (disk_root(d, id, path, e) < 0)
		return -1;
	return unmount_below(path, false, e);
}
