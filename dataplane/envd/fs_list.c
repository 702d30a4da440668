/* filesystem.Filesystem/ListDir: depth first, names in byte order. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/fs.h"
#include "envd/text.h"

struct walk {
	struct buf b;
	char shown[PATH_MAX]; /* below what was asked for */
	char real[PATH_MAX];  /* below where that leads */
	bool any;
	struct err e;
};

struct names {
	char **v;
	size_t n, cap;
};

static void
names_free(struct names *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->v[i]);
	free(x->v);
}

static int
names_add(struct names *x, const char *name)
{
	if (x->n == x->cap) {
		size_t cap = x->cap == 0 ? 32 : x->cap * 2;
		void *more = realloc(x->v, cap * sizeof(*x->v));

		if (more == NULL)
			return -1;
		x->v = more;
		x->cap = cap;
	}
	x->v[x->n] = strdup(name);
	return x->v[x->n] != NULL ? (x->n++, 0) : -1;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
read_names(const char *path, struct names *x, struct err *e)
{
	DIR *dir = opendir(path);
	const struct dirent *de;
	int rc = 0;

	if (dir == NULL)
		return err_sys(e, "error reading directory '%s'", path);
	errno = 0;
	while (rc == 0 && (de = readdir(dir)) != NULL)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			rc = names_add(x, de->d_name);
	if (rc < 0 || errno != 0)
		rc = err_sys(e, "error reading directory '%s'", path);
	(void)closedir(dir);
	if (x->n > 1)
		qsort(x->v, x->n, sizeof(*x->v), by_bytes);
	return rc;
}

/* The length before, so that it can be cut again; 0 if there is no room. */
static size_t
push(char path[PATH_MAX], const char *name)
{
	size_t len = strlen(path), n = strlen(name);
	size_t slash = len > 0 && path[len - 1] != '/';

	if (len + slash + n >= PATH_MAX)
		return 0;
	if (slash)
		path[len] = '/';
	memcpy(path + len + slash, name, n + 1);
	return len;
}

static int walk(struct walk *w, uint64_t depth);

static int
one(struct walk *w, const char *name, uint64_t depth)
{
	size_t shown = push(w->shown, name), real = push(w->real, name);
	size_t before = w->b.len;
	struct stat st;
	bool gone = false;
	int rc = 0;

	if (shown == 0 || real == 0)
		return err_set(
		    &w->e, ERR_SYS, "path below '%.200s' too long", w->shown);
	if (w->any)
		rc = buf_puts(&w->b, ",");
	if (rc == 0)
		rc = entry_put(&w->b, w->shown, w->real, &gone, &w->e);
	else
		rc = err_set(&w->e, ERR_TOOBIG, "the listing is too long");
	if (rc == 0) {
		w->any = true;
		if (depth > 1 && lstat(w->real, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			rc = walk(w, depth - 1);
	} else if (w->e.kind == ERR_SYS && gone) {
		w->b.len = before; /* went away meanwhile */
		rc = 0;
	}
	w->shown[shown] = '\0';
	w->real[real] = '\0';
	return rc;
}

static int
walk(struct walk *w, uint64_t depth)
{
	struct names x = { NULL, 0, 0 };
	int rc = read_names(w->real, &x, &w->e);

	for (size_t i = 0; i < x.n && rc == 0; i++)
		rc = one(w, x.v[i], depth);
	names_free(&x);
	return rc;
}

/* Where the directory really is.  -1: the rpc has failed. */
static int
really(struct rpc *c, const char *path, char real[PATH_MAX])
{
	struct stat st;

	if (realpath(path, real) == NULL || stat(real, &st) < 0) {
		if (errno == ENOENT)
			rpc_fail(c, RPC_NOT_FOUND,
			    "directory not found: %.900s", path);
		else if (errno == ELOOP)
			rpc_fail(c, RPC_FAILED_PRECONDITION,
			    "too many links: %.900s", path);
		else if (errno == ENOTDIR)
			rpc_fail(c, RPC_INVALID_ARGUMENT,
			    "path is not a directory: %.900s", path);
		else
			rpc_fail(c, RPC_INTERNAL, "error reading '%.800s': %s",
			    path, strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	rpc_fail(
	    c, RPC_INVALID_ARGUMENT, "path is not a directory: %.900s", path);
	return -1;
}

static void
list(struct rpc *c, struct walk *w, uint64_t depth)
{
	struct buf *b = &w->b;

	buf_init(b, ENVD_LISTING_MAX);
	if (buf_puts(b, "{\"entries\":[") == 0 &&
	    walk(w, depth == 0 ? 1 : depth) == 0) {
		if (w->any && buf_puts(b, "]}") == 0)
			rpc_reply(c, b->data, b->len);
		else if (!w->any)
			rpc_reply(c, "{}", 2);
		else
			rpc_fail(c, RPC_RESOURCE_EXHAUSTED,
			    "the listing is too long");
	} else if (w->e.kind == ERR_TOOBIG)
		rpc_fail_err(c, &w->e);
	else
		rpc_fail(c, RPC_INTERNAL, "%s", w->e.msg);
	buf_fini(b);
}

void
fs_list_dir(struct rpc *c, const json_t *in)
{
	autofree struct walk *w = calloc(1, sizeof(*w));
	uint64_t depth = 0;
	struct user u;
	struct err e;

	if (w == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	if (field_uint(in, "depth", NULL, UINT32_MAX, &depth, &e) < 0) {
		rpc_fail_err(c, &e);
		return;
	}
	if (fs_path(c, in, "path", &u, w->shown) == 0 &&
	    really(c, w->shown, w->real) == 0)
		list(c, w, depth);
}
