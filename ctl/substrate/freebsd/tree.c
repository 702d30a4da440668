#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/files_text.h"

enum { COPY_STEP = 1 << 30 };

/* --- the names of a directory --------------------------------------------- */

struct names {
	char **v;
	size_t n, cap;
};

static void
names_fini(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct names){ .v = NULL };
}

static int
names_add(struct names *l, const char *name)
{
	if (l->n == l->cap) {
		const size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		char **more = realloc(l->v, cap * sizeof(*more));

		if (more == NULL)
			return -1;
		l->v = more;
		l->cap = cap;
	}
	l->v[l->n] = strdup(name);
	return l->v[l->n] == NULL ? -1 : (l->n++, 0);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
names_have(const struct names *sorted, size_t n, const char *name)
{
	return n > 0 && bsearch(&name, sorted->v, n, sizeof(*sorted->v),
			    by_name) != NULL;
}

/* All of them, sorted: nothing is changed while it is being read. */
static int
names_read(struct names *l, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	int rc = 0;

	if (list == NULL) {
		own_close(&fd);
		return -1;
	}
	while (rc == 0 && (de = readdir(list)) != NULL)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			rc = names_add(l, de->d_name);
	(void)closedir(list);
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	return rc;
}

/* --- hard links ------------------------------------------------------------
 */

struct link {
	dev_t dev;
	ino_t ino;
	char *path; /* below the copy's root */
	unsigned long flags;
};

struct copy {
	int top;	    /* the copy's root */
	struct link *links; /* open addressing; NULL path: free */
	size_t nlinks, cap;
	char path[TREE_PATH_MAX]; /* where we are, below it */
	size_t len;
	size_t depth;
};

static size_t
slot_of(const struct copy *c, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino * 2654435761u) ^ dev) % c->cap;

	while (c->links[i].path != NULL &&
	       (c->links[i].dev != dev || c->links[i].ino != ino))
		i = (i + 1) % c->cap;
	return i;
}

static int
links_grow(struct copy *c)
{
	const struct link *old = c->links;
	const size_t n = c->cap;

	if (c->nlinks >= TREE_LINKS) {
		errno = EMLINK;
		return -1;
	}
	c->links = calloc(n == 0 ? 256 : n * 2, sizeof(*c->links));
	if (c->links == NULL) {
		c->links = unconst(old);
		return -1;
	}
	c->cap = n == 0 ? 256 : n * 2;
	for (size_t i = 0; i < n; i++)
		if (old[i].path != NULL)
			c->links[slot_of(c, old[i].dev, old[i].ino)] = old[i];
	free(unconst(old));
	return 0;
}

/* 1 if the file was there under another name and has this one now, too. */
static int
link_again(struct copy *c, int to, const char *name, const struct stat *st)
{
	size_t i;

	if (st->st_nlink < 2)
		return 0;
	if (c->nlinks * 2 >= c->cap && links_grow(c) < 0)
		return -1;
	i = slot_of(c, st->st_dev, st->st_ino);
	if (c->links[i].path != NULL)
		return linkat(c->top, c->links[i].path, to, name, 0) < 0 ? -1
									 : 1;
	c->links[i] = (struct link){ st->st_dev, st->st_ino, strdup(c->path),
		st->st_flags };
	if (c->links[i].path == NULL)
		return -1;
	c->nlinks++;
	return 0;
}

static int
links_lock(const struct copy *c)
{
	for (size_t i = 0; i < c->cap; i++)
		if (c->links[i].path != NULL &&
		    tree_flags(c->top, c->links[i].path, c->links[i].flags) < 0)
			return -1;
	return 0;
}

static void
links_fini(struct copy *c)
{
	for (size_t i = 0; i < c->cap; i++)
		free(c->links[i].path);
	free(c->links);
	c->links = NULL;
}

/* --- one file ---------------------------------------------------------------
 */

/* In the kernel: holes stay, and blocks are shared where they can be. */
static int
copy_bytes(int from, int to, off_t size)
{
	off_t done = 0;

	while (done < size) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, COPY_STEP, 0);

		if (n <= 0)
			return n < 0 ? -1 : ftruncate(to, size);
		done += n;
	}
	return 0;
}

static int
copy_file(int from, int to, const char *name, const struct stat *st)
{
	autoclose int in =
	    openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autoclose int out = -1;

	if (in < 0)
		return -1;
	out = openat(to, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0 || copy_bytes(in, out, st->st_size) < 0)
		return -1;
	/* One that may not change takes no second name: see links_lock(). */
	return tree_attr_fd(in, out, st, st->st_nlink < 2);
}

static int
copy_symlink(int from, int to, const char *name, const struct stat *st)
{
	char target[TREE_PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -1;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0)
		return -1;
	return tree_attr_link(to, name, st);
}

static int
copy_leaf(
    struct copy *c, int from, int to, const char *name, const struct stat *st)
{
	int rc = link_again(c, to, name, st);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (S_ISREG(st->st_mode))
		return copy_file(from, to, name, st);
	if (S_ISLNK(st->st_mode))
		return copy_symlink(from, to, name, st);
	if (mkfifoat(to, name, st->st_mode & 07777) < 0)
		return -1;
	return tree_attr_link(to, name, st);
}

/* --- layers over each other -------------------------------------------------
 */

/* The directories of one name in all layers that still count. */
struct level {
	int fd[LAYERS_MAX];
	size_t n;
};

static void
level_close(struct level *l)
{
	for (size_t i = 0; i < l->n; i++)
		drop_fd(&l->fd[i]);
	l->n = 0;
}

/* Those of `name` from layer `at` down, until something hides the rest. */
static int
gather(struct level *to, const struct level *from, size_t at, const char *name)
{
	to->n = 0;
	for (size_t i = at; i < from->n; i++) {
		struct stat st;
		int fd;

		if (fstatat(from->fd[i], name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue;
			return -1;
		}
		if (!S_ISDIR(st.st_mode))
			return 0;
		fd = openat(from->fd[i], name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -1;
		to->fd[to->n++] = fd;
		if (tree_opaque(fd))
			return 0;
	}
	return 0;
}

static int merge(struct copy *c, const struct level *from, int to);

static int
merge_dir(struct copy *c, const struct level *from, size_t at, int to,
    const char *name)
{
	struct level below = { .n = 0 };
	autoclose int dir = -1;
	int rc = -1;

	if (mkdirat(to, name, 0700) == 0)
		dir = openat(
		    to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && gather(&below, from, at, name) == 0)
		rc = merge(c, &below, dir);
	level_close(&below);
	return rc;
}

static int
merge_name(struct copy *c, const struct level *from, size_t at, int to,
    const char *name)
{
	const size_t len = c->len;
	const int n = snprintf(c->path + len, sizeof(c->path) - len, "%s%s",
	    len > 0 ? "/" : "", name);
	struct stat st;
	int rc;

	if (n < 0 || (size_t)n >= sizeof(c->path) - len) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (fstatat(from->fd[at], name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	c->len += (size_t)n;
	if (S_ISDIR(st.st_mode))
		rc = merge_dir(c, from, at, to, name);
	else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) ||
		 S_ISFIFO(st.st_mode))
		rc = copy_leaf(c, from->fd[at], to, name, &st);
	else
		rc = 0; /* whiteouts; sockets; devices are devfs's */
	if (rc < 0)
		return -1; /* with the path of what it was */
	c->len = len;
	c->path[len] = '\0';
	return 0;
}

/* The names of layer `at` that no layer above it has. */
static int
merge_layer(struct copy *c, const struct level *from, size_t at, int to,
    const struct names *above)
{
	struct names here = { .v = NULL };
	int rc = names_read(&here, from->fd[at]);

	for (size_t i = 0; rc == 0 && i < here.n; i++) {
		bool seen = false;

		for (size_t k = 0; k < at && !seen; k++)
			seen = names_have(&above[k], above[k].n, here.v[i]);
		if (!seen)
			rc = merge_name(c, from, at, to, here.v[i]);
	}
	names_fini(&here);
	return rc;
}

static int
merge_all(struct copy *c, const struct level *from, int to)
{
	struct names above[LAYERS_MAX] = { { .v = NULL } };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->n; i++) {
		rc = merge_layer(c, from, i, to, above);
		if (rc == 0 && i + 1 < from->n)
			rc = names_read(&above[i], from->fd[i]);
	}
	for (size_t i = 0; i < countof(above); i++)
		names_fini(&above[i]);
	return rc;
}

/* A directory looks as the topmost of its name does, once it is filled. */
static int
merge(struct copy *c, const struct level *from, int to)
{
	struct stat st;
	int rc;

	if (++c->depth > TREE_DEPTH) {
		errno = ELOOP;
		return -1;
	}
	rc = merge_all(c, from, to);
	c->depth--;
	if (rc < 0 || fstat(from->fd[0], &st) < 0)
		return -1;
	return tree_attr_fd(from->fd[0], to, &st, true);
}

int
tree_merge(const int *layers, size_t n, int to, struct err *e)
{
	autofree struct copy *c = calloc(1, sizeof(*c));
	struct level all = { .n = n };
	int rc;

	if (c == NULL || n == 0 || n > LAYERS_MAX)
		return err_set(e, ERR_BUG, "copy of %zu layers", n);
	memcpy(all.fd, layers, n * sizeof(*layers));
	c->top = to;
	rc = merge(c, &all, to);
	/* A template's root is closed to the host's users. */
	if (rc == 0 && (links_lock(c) < 0 || fchmod(to, 0755) < 0))
		rc = -1;
	if (rc < 0)
		err_sys(e, "copy of %s", c->len > 0 ? c->path : ".");
	links_fini(c);
	return rc;
}

/* --- sync --------------------------------------------------------------------
 */

static int sync_below(int dir, dev_t dev, size_t depth);

static int
sync_name(int dir, const char *name, dev_t dev, size_t depth)
{
	autoclose int fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	/* Links, sockets, other mounts; and what went away meanwhile. */
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != dev)
		return 0;
	if (S_ISREG(st.st_mode))
		return fsync(fd);
	return S_ISDIR(st.st_mode) ? sync_below(fd, dev, depth + 1) : 0;
}

static int
sync_below(int dir, dev_t dev, size_t depth)
{
	struct names l = { .v = NULL };
	int rc = depth < TREE_DEPTH ? names_read(&l, dir) : 0;

	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = sync_name(dir, l.v[i], dev, depth);
	names_fini(&l);
	return rc < 0 ? -1 : fsync(dir);
}

int
tree_sync(int dir, struct err *e)
{
	struct stat st;

	if (fstat(dir, &st) < 0 || sync_below(dir, st.st_dev, 0) < 0)
		return err_sys(e, "sync of files");
	return 0;
}
