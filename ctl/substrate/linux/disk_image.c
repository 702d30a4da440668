#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"

enum {
	LOOPS_MAX = 4096,
	LOOP_TRIES = 64,
	IMAGE_LEAST_MB = 256,
	HOST_LEAST_MB = 1024, /* left to the host beside the image */
};

static int
mkfs(const char *path, struct err *e)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "fork for mkfs.btrfs");
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, 1); /* it explains its defaults */
		(void)execlp("mkfs.btrfs", "mkfs.btrfs", "-q", "-f", "-K", "-m",
		    "single", path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "mkfs.btrfs");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(
		    e, ERR_SYS, "mkfs.btrfs is not installed: btrfs-progs");
	if (status != 0)
		return err_set(
		    e, ERR_SYS, "mkfs.btrfs %s: status %d", path, status);
	return 0;
}

static int
allocate(int fd, const char *state_dir, uint32_t mb, struct err *e)
{
	struct statvfs v;
	uint64_t free_mb;

	if (mb < IMAGE_LEAST_MB)
		return err_set(e, ERR_INVALID,
		    "disk_image_mb = %u: less than %d", mb, IMAGE_LEAST_MB);
	if (fstatvfs(fd, &v) < 0)
		return err_sys(e, "room in %s", state_dir);
	free_mb = ((uint64_t)v.f_bavail * v.f_frsize) >> 20;
	if (free_mb < (uint64_t)mb + HOST_LEAST_MB)
		return err_set(e, ERR_SYS,
		    "disk_image_mb = %u: %s has %llu MB, and %d are left to"
		    " the host",
		    mb, state_dir, (unsigned long long)free_mb, HOST_LEAST_MB);
	/* Allocated for good: a host that fills up later is no I/O error. */
	if (fallocate(fd, 0, 0, (off_t)mb << 20) < 0)
		return err_sys(e, "allocate %u MB in %s", mb, state_dir);
	return 0;
}

/* Half-made images have another name. */
static int
make_image(const char *state_dir, const char *path, uint32_t mb, struct err *e)
{
	char fresh[CONF_TEXT_MAX + 32];
	int fd, rc;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(
	    fresh, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s", fresh);
	rc = allocate(fd, state_dir, mb, e);
	drop_fd(&fd);
	if (rc == 0)
		rc = mkfs(fresh, e);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = err_sys(e, "%s", path);
	if (rc < 0)
		(void)unlink(fresh);
	return rc;
}

/* --- loop devices --------------------------------------------------------- */

static void
loop_path(char to[32], int n)
{
	(void)snprintf(to, 32, "/dev/loop%d", n);
}

/* udev makes the node where there is one; we do where there is none. */
static int
loop_node(int n, struct err *e)
{
	char path[32];
	int fd;

	loop_path(path, n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT &&
	    mknod(path, S_IFBLK | 0600, makedev(7, (unsigned)n)) == 0)
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "%s", path);
	return fd;
}

/*
 * The device that holds this very file already: its sandboxes outlived the
 * process that attached it.  The number, or -1.
 */
static int
loop_of(const struct stat *st)
{
	for (int n = 0; n < LOOPS_MAX; n++) {
		struct loop_info64 li;
		char path[48];
		struct err e;
		autoclose int fd = -1;

		(void)snprintf(path, sizeof(path), "/sys/block/loop%d/loop", n);
		if (access(path, F_OK) < 0)
			continue;
		fd = loop_node(n, &e);
		if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &li) == 0 &&
		    li.lo_inode == st->st_ino && li.lo_device == st->st_dev)
			return n;
	}
	return -1;
}

static int
configure(int dev, int image, bool direct)
{
	struct loop_config c = {
		.fd = (unsigned)image,
		.block_size = 4096,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR |
				      (direct ? LO_FLAGS_DIRECT_IO : 0) },
	};

	return ioctl(dev, LOOP_CONFIGURE, &c);
}

/* Another process may take the free device first: then the next one. */
static int
attach(int image, int *number, struct err *e)
{
	autoclose int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (ctl < 0)
		return err_sys(e, "/dev/loop-control");
	for (int i = 0; i < LOOP_TRIES; i++) {
		int n = ioctl(ctl, LOOP_CTL_GET_FREE), dev;

		if (n < 0)
			return err_sys(e, "free loop device");
		dev = loop_node(n, e);
		if (dev < 0)
			return -1;
		/* Direct, or the host caches every block a second time. */
		if (configure(dev, image, true) == 0 ||
		    (errno == EINVAL && configure(dev, image, false) == 0)) {
			*number = n;
			return dev;
		}
		drop_fd(&dev);
		if (errno != EBUSY)
			return err_sys(e, "attach disk image");
	}
	return err_set(e, ERR_SYS, "no loop device stays free");
}

/* A mount that hangs nowhere yet. */
static int
mount_loop(int number, struct err *e)
{
	autoclose int fs = fsopen("btrfs", FSOPEN_CLOEXEC);
	char path[32];
	int fd;

	loop_path(path, number);
	if (fs < 0)
		return err_sys(e, "btrfs is not in this kernel");
	/* Background discard would punch the allocation out again. */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", path, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, "nodiscard", NULL, 0) < 0 ||
	    /* How old the figures of disk usage may be, in seconds. */
	    fsconfig(fs, FSCONFIG_SET_STRING, "commit", "10", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "mount disk image");
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	if (fd < 0)
		return err_sys(e, "mount disk image");
	return fd;
}

int
disk_image(const char *state_dir, uint32_t mb, struct err *e)
{
	autoclose int image = -1, dev = -1;
	char path[CONF_TEXT_MAX + 16];
	struct stat st;
	int number;

	(void)snprintf(path, sizeof(path), "%s/disk.btrfs", state_dir);
	if (access(path, F_OK) < 0 && make_image(state_dir, path, mb, e) < 0)
		return err_wrap(e, "disk image");
	image = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (image < 0 || fstat(image, &st) < 0)
		return err_sys(e, "%s", path);
	number = loop_of(&st);
	/* Autoclear: held by dev until the mount holds it. */
	dev = number >= 0 ? loop_node(number, e) : attach(image, &number, e);
	if (dev < 0)
		return -1;
	return mount_loop(number, e);
}
