#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

/*
 * Who made the tree chose its depth: what lies deeper than this is moved to
 * the top, and removed from there.
 */
enum { DEEP = 64, PASSES_MAX = 1 << 20 };

struct removal {
	int top;
	dev_t dev;
	unsigned moved; /* names that were made up */
};

static int
unlink_one(int dir, const char *name, int how)
{
	if (unlinkat(dir, name, how) == 0 || errno == ENOENT)
		return 0;
	if (errno != EPERM)
		return -1;
	/* It, or what it is in, may not change: that can be changed. */
	(void)fchflags(dir, 0);
	(void)chflagsat(dir, name, 0, AT_SYMLINK_NOFOLLOW);
	return unlinkat(dir, name, how);
}

static int
move_up(struct removal *r, int dir, const char *name)
{
	char to[32];

	(void)fchflags(dir, 0);
	(void)chflagsat(dir, name, 0, AT_SYMLINK_NOFOLLOW);
	do {
		(void)snprintf(to, sizeof(to), "deep.%u", r->moved++);
		if (renameat(dir, name, r->top, to) == 0)
			return 0;
	} while (errno == ENOTEMPTY || errno == ENOTDIR);
	return -1;
}

static int empty(struct removal *r, int dir, size_t depth);

static int
remove_one(struct removal *r, int dir, const char *name, size_t depth)
{
	autoclose int below = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISDIR(st.st_mode))
		return unlink_one(dir, name, 0);
	if (st.st_dev != r->dev) {
		errno = EBUSY; /* still mounted: none of ours to remove */
		return -1;
	}
	if (depth >= DEEP)
		return move_up(r, dir, name);
	below =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 || empty(r, below, depth + 1) < 0)
		return -1;
	drop_fd(&below);
	return unlink_one(dir, name, AT_REMOVEDIR);
}

/* Once through a directory; how many names there were. */
static int
pass(struct removal *r, int dir, size_t depth)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int n = 0, rc = 0;

	if (list == NULL) {
		own_close(&fd);
		return -1;
	}
	while (rc == 0 && (de = readdir(list)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		n++;
		rc = remove_one(r, dir, de->d_name, depth);
	}
	(void)closedir(list);
	return rc < 0 ? -1 : n;
}

/* Removing while reading may skip names: until none is left. */
static int
empty(struct removal *r, int dir, size_t depth)
{
	for (int i = 0; i < PASSES_MAX; i++) {
		int n = pass(r, dir, depth);

		if (n <= 0)
			return n;
	}
	errno = EBUSY;
	return -1;
}

int
tree_remove(int dir, const char *name, struct err *e)
{
	struct removal r = { .top = openat(dir, name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
				     O_CLOEXEC) };
	struct stat st;
	int rc;

	if (r.top < 0 && errno == ENOENT)
		return 0;
	if (r.top < 0 || fstat(r.top, &st) < 0)
		return err_sys(e, "remove %s", name);
	r.dev = st.st_dev;
	rc = empty(&r, r.top, 0);
	drop_fd(&r.top);
	if (rc == 0)
		rc = unlink_one(dir, name, AT_REMOVEDIR);
	return rc == 0 ? 0 : err_sys(e, "remove %s", name);
}
