/* The disk driver on an image of its own: needs root, btrfs and a loop. */
#include "ctl/substrate/linux/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "tests/t.h"

enum { IMAGE_MB = 512, MB = 1 << 20 };

static char state[] = "/tmp/coptest-disk-XXXXXX";

static struct disk_meta
meta(const char *id, uint64_t limit)
{
	struct disk_meta m = { .ref = { 3, 4 }, .limit = limit };

	(void)snprintf(m.id, sizeof(m.id), "%s", id);
	(void)snprintf(m.template_id, sizeof(m.template_id), "base");
	(void)snprintf(m.boot_id, sizeof(m.boot_id), "boot");
	return m;
}

/* Megabytes that went in before the limit said no; errno says how. */
static int
write_until_refused(int dir, const char *path, int most)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static char block[MB];
	ssize_t n = 1;
	off_t at = 0;
	int why;

	errno = 0;
	while (fd >= 0 && at < (off_t)most * MB && n > 0)
		if ((n = write(fd, block, MB)) > 0)
			at += n;
	why = errno;
	own_close(&fd);
	errno = why;
	return (int)(at / MB);
}

static void
ids_become_names(void)
{
	static const char good[SPAWN_ID_MAX] = "i0123456789abcdefghij";
	static const char *const bad[] = { "", ".", "..", "a/b", "A", "a-b",
		"a b", "a.b" };
	char id[SPAWN_ID_MAX];

	CHECK(disk_id_ok(good));
	for (size_t i = 0; i < countof(bad); i++) {
		memset(id, 0, sizeof(id));
		(void)snprintf(id, sizeof(id), "%s", bad[i]);
		CHECK(!disk_id_ok(id));
	}
	memset(id, 'a', sizeof(id)); /* not terminated */
	CHECK(!disk_id_ok(id));
}

static void
makes_what_an_overlay_needs(struct disk *d)
{
	struct disk_meta m = meta("one", 32 * MB), back;
	struct stat st;
	struct err e;
	int dir;

	CHECK(disk_make(d, &m, &e) == 0);
	CHECK(disk_make(d, &m, &e) < 0 && e.kind == ERR_CONFLICT);
	dir = disk_dir(d, "one", &e);
	CHECK(dir >= 0);
	if (dir < 0)
		return;
	CHECK(
	    fstatat(dir, "upper", &st, 0) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(fstatat(dir, "work", &st, 0) == 0 && S_ISDIR(st.st_mode));
	CHECK(fstatat(dir, "upper/dev/shm", &st, 0) == 0 &&
	      (st.st_mode & 07777) == 01777);
	CHECK(disk_meta_read(d, "one", &back, &e) == 0);
	CHECK(back.ref.slot == 3 && back.ref.incarnation == 4 &&
	      back.limit == 32 * MB && !back.keep &&
	      strcmp(back.template_id, "base") == 0 &&
	      strcmp(back.boot_id, "boot") == 0);
	drop_fd(&dir);
}

static void
limits_hold(struct disk *d)
{
	struct disk_meta m = meta("two", 16 * MB);
	uint64_t used, total;
	struct err e;
	int dir, n;

	CHECK(disk_make(d, &m, &e) == 0);
	dir = disk_dir(d, "two", &e);
	n = write_until_refused(dir, "upper/big", 64);
	CHECK(n >= 12 && n <= 16 && errno == EDQUOT);
	CHECK(disk_usage(d, "two", &used, &total, &e) == 0);
	CHECK(total == 16 * MB);
	CHECK(used >= 10 * MB && used <= 16 * MB);
	CHECK(unlinkat(dir, "upper/big", 0) == 0);
	CHECK(syncfs(dir) == 0);
	CHECK(disk_usage(d, "two", &used, &total, &e) == 0 && used < 4 * MB);
	CHECK(write_until_refused(dir, "upper/again", 8) == 8);
	drop_fd(&dir);
}

static void
a_copy_is_its_own(struct disk *d)
{
	struct disk_meta m = meta("three", 64 * MB);
	struct stat st;
	struct err e;
	int from = disk_dir(d, "two", &e), to;

	CHECK(syncfs(from) == 0);
	CHECK(disk_clone(d, "two", &m, &e) == 0);
	to = disk_dir(d, "three", &e);
	CHECK(fstatat(to, "upper/again", &st, 0) == 0 && st.st_size == 8 * MB);
	CHECK(unlinkat(to, "upper/again", 0) == 0);
	CHECK(fstatat(from, "upper/again", &st, 0) == 0);
	CHECK(disk_clone(d, "nosuch", &m, &e) < 0 && e.kind == ERR_NOTFOUND);
	drop_fd(&from);
	drop_fd(&to);
}

static void
count(void *arg, const struct disk_meta *m)
{
	int *n = arg;

	CHECK(m->ref.slot == 3);
	(*n)++;
}

static void
removes_all(struct disk *d)
{
	struct err e;
	int n = 0;

	CHECK(disk_each(d, count, &n, &e) == 0 && n == 3);
	CHECK(disk_remove(d, "one", &e) == 0);
	CHECK(disk_remove(d, "two", &e) == 0);
	CHECK(disk_remove(d, "three", &e) == 0);
	CHECK(disk_remove(d, "three", &e) == 0); /* absent is removed */
	CHECK(disk_dir(d, "one", &e) < 0 && e.kind == ERR_NOTFOUND);
	n = 0;
	CHECK(disk_each(d, count, &n, &e) == 0 && n == 0);
	disk_forget(d);
}

static void
an_image_is_used_again(const struct conf *cf)
{
	struct disk_meta m = meta("stays", 8 * MB);
	struct disk d;
	struct err e;

	CHECK(disk_open(&d, cf, &e) == 0);
	CHECK(disk_make(&d, &m, &e) == 0);
	disk_close(&d);
	CHECK(disk_open(&d, cf, &e) == 0);
	CHECK(disk_meta_read(&d, "stays", &m, &e) == 0);
	CHECK(disk_remove(&d, "stays", &e) == 0);
	disk_close(&d);
}

static void
says_what_does_not_work(struct conf *cf)
{
	struct disk d;
	struct err e;

	(void)snprintf(cf->disk_backend, sizeof(cf->disk_backend), "btrfs");
	CHECK(disk_open(&d, cf, &e) < 0 &&
	      strstr(e.msg, "is not on btrfs") != NULL);
	(void)snprintf(cf->disk_backend, sizeof(cf->disk_backend), "image");
	cf->disk_image_mb = 64;
	CHECK(disk_open(&d, cf, &e) < 0 &&
	      strstr(e.msg, "disk_image_mb") != NULL);
	cf->disk_image_mb = UINT32_MAX;
	CHECK(disk_open(&d, cf, &e) < 0 &&
	      strstr(e.msg, "disk_image_mb") != NULL);
	(void)snprintf(
	    cf->state_dir, sizeof(cf->state_dir), "%s/nosuch", state);
	CHECK(disk_open(&d, cf, &e) < 0);
}

int
main(void)
{
	static struct conf cf;
	char path[64];
	struct disk d;
	struct err e;

	ids_become_names();
	if (geteuid() != 0 || access("/dev/loop-control", F_OK) != 0) {
		printf("no root or no loop devices: the rest is not run\n");
		return t_end();
	}
	if (mkdtemp(state) == NULL)
		return 1;
	conf_defaults(&cf);
	cf.disk_image_mb = IMAGE_MB;
	(void)snprintf(cf.state_dir, sizeof(cf.state_dir), "%s", state);
	if (disk_open(&d, &cf, &e) < 0) {
		printf("# %s\n", e.msg);
		CHECK(!"disk_open");
	} else {
		makes_what_an_overlay_needs(&d);
		limits_hold(&d);
		a_copy_is_its_own(&d);
		removes_all(&d);
		disk_close(&d);
		an_image_is_used_again(&cf);
	}
	(void)snprintf(path, sizeof(path), "%s/disk.btrfs", state);
	(void)unlink(path);
	says_what_does_not_work(&cf);
	(void)rmdir(state);
	return t_end();
}
