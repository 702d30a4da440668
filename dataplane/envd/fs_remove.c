/*
 * filesystem.Filesystem/Remove: a tree of any depth and width, by directories
 * that are held open, so that no path gets too long and none can be exchanged
 * for a link on the way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/fs.h"
#include "envd/proc.h"

enum {
	OPEN_LEVELS = 64,   /* those above are opened again on the way back */
	REWINDS_MAX = 1000, /* of one directory that somebody goes on filling */
};

struct level {
	DIR *dir;   /* NULL: closed meanwhile */
	char *name; /* in the level above */
	dev_t dev;
	ino_t ino;
	unsigned rewinds;
	bool progress; /* since it was read from its start */
};

struct tree {
	struct level *v;
	size_t n, cap;
};

/* All below: 0 or an errno. */
static int
enter(struct tree *t, int at, const char *name)
{
	autoclose int fd = openat(at, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct level x = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno;
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 64 : t->cap * 2;
		void *more = realloc(t->v, cap * sizeof(*t->v));

		if (more == NULL)
			return ENOMEM;
		t->v = more;
		t->cap = cap;
	}
	x.dev = st.st_dev;
	x.ino = st.st_ino;
	x.name = strdup(name);
	x.dir = x.name != NULL ? fdopendir(fd) : NULL;
	if (x.dir == NULL) {
		free(x.name);
		return ENOMEM;
	}
	(void)take_fd(&fd);
	t->v[t->n++] = x;
	if (t->n > OPEN_LEVELS && t->v[t->n - 1 - OPEN_LEVELS].dir != NULL) {
		(void)closedir(t->v[t->n - 1 - OPEN_LEVELS].dir);
		t->v[t->n - 1 - OPEN_LEVELS].dir = NULL;
	}
	return 0;
}

/* The level above, if it still is that. */
static int
reopen(struct level *above, int below)
{
	autoclose int fd =
	    openat(below, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return errno;
	if (st.st_dev != above->dev || st.st_ino != above->ino)
		return EBUSY; /* somebody moves what we remove */
	above->dir = fdopendir(fd);
	if (above->dir == NULL)
		return errno;
	(void)take_fd(&fd);
	return 0;
}

static bool
not_empty(int err)
{
	return err == ENOTEMPTY || err == EEXIST;
}

/* The level that has been read to its end. */
static int
leave(struct tree *t)
{
	struct level *x = &t->v[t->n - 1], *above = x - 1;
	int at = AT_FDCWD, err;

	if (t->n > 1) {
		err = above->dir == NULL ? reopen(above, dirfd(x->dir)) : 0;
		if (err != 0)
			return err;
		at = dirfd(above->dir);
		above->progress = true;
	}
	if (unlinkat(at, x->name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		/* Some file systems skip names while others go. */
		if (!not_empty(errno) || !x->progress ||
		    x->rewinds++ > REWINDS_MAX)
			return errno;
		x->progress = false;
		rewinddir(x->dir);
		return 0;
	}
	(void)closedir(x->dir);
	free(x->name);
	t->n--;
	return 0;
}

static int
one_entry(struct tree *t, const struct dirent *de)
{
	struct level *x = &t->v[t->n - 1];
	int at = dirfd(x->dir), err = EISDIR;

	if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
		return 0;
	if (de->d_type != DT_DIR)
		err = unlinkat(at, de->d_name, 0) < 0 ? errno : 0;
	if (err == EISDIR || err == EPERM) {
		int rc = unlinkat(at, de->d_name, AT_REMOVEDIR);

		if (rc == 0 || errno != ENOTDIR)
			err = rc == 0 ? 0 : errno;
	}
	if (err == 0)
		x->progress = true;
	if (err == 0 || err == ENOENT)
		return 0;
	return not_empty(err) ? enter(t, at, de->d_name) : err;
}

/* In a copy of ourselves: a tree takes its time. */
static int
remove_tree(void *arg)
{
	struct tree t = { NULL, 0, 0 };
	int err = enter(&t, AT_FDCWD, arg);

	while (err == 0 && t.n > 0) {
		const struct dirent *de;

		errno = 0;
		de = readdir(t.v[t.n - 1].dir);
		if (de != NULL)
			err = one_entry(&t, de);
		else
			err = errno != 0 ? errno : leave(&t);
	}
	return err == ENOENT ? 0 : err < 256 ? err : EIO;
}

struct removal {
	struct rpc *c; /* NULL: the client has gone */
};

static void
removal_gone(struct rpc *c)
{
	struct removal *x = c->data;

	x->c = NULL;
}

static void
removed(void *ctx, int status)
{
	struct removal *x = ctx;
	struct rpc *c = x->c;

	free(x);
	if (c == NULL)
		return;
	c->on_gone = NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		rpc_reply(c, "{}", 2);
	else
		rpc_fail(c, RPC_INTERNAL,
		    "error removing file or directory: %s",
		    WIFEXITED(status) ? strerror(WEXITSTATUS(status))
				      : "stopped");
}

/* "x/.." would be what x is in. */
static bool
ends_in_dots(const char *path)
{
	const char *last = strrchr(path, '/');

	return last != NULL &&
	       (strcmp(last, "/.") == 0 || strcmp(last, "/..") == 0);
}

void
fs_remove(struct rpc *c, const json_t *in)
{
	char path[PATH_MAX];
	struct removal *x;
	struct user u;

	if (fs_path(c, in, "path", &u, path) < 0)
		return;
	/* A link goes, not what it leads to. */
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	if (ends_in_dots(path)) {
		rpc_fail(c, RPC_INTERNAL,
		    "error removing file or directory: %.900s: %s", path,
		    strerror(EINVAL));
		return;
	}
	/* A file, a link or an empty directory. */
	if (remove(path) == 0 || errno == ENOENT) {
		rpc_reply(c, "{}", 2);
		return;
	}
	if (!not_empty(errno)) {
		rpc_fail(c, RPC_INTERNAL,
		    "error removing file or directory: %s", strerror(errno));
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL ||
	    proc_helper(c->d->procs, remove_tree, path, removed, x) < 0) {
		free(x);
		rpc_fail(c, RPC_INTERNAL,
		    "error removing file or directory: %s", strerror(errno));
		return;
	}
	x->c = c;
	c->data = x;
	c->on_gone = removal_gone;
}
