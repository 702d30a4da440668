/*
 * filesystem.Filesystem/ListDir: depth first, names in byte order.  A large
 * tree is walked a little at a time, so that others are served meanwhile.
 */
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

enum {
	SLICE_MS = 2,
	ENTRY_LEAST = 100, /* bytes of an entry, its name aside */
	/* Of all listings that are being made or wait for their readers. */
	LISTINGS_MAX = 64 * 1024 * 1024,
};

/* A directory on the way down: its names, and how far we are. */
struct level {
	char **v;
	size_t n, cap, at;
	size_t shown, real; /* lengths of its path */
};

struct walk {
	struct rpc *c; /* NULL: the client has gone */
	struct loop *loop;
	struct buf b;
	struct level *levels;
	size_t n, cap;
	uint64_t depth;
	size_t counted;	      /* of b, in being_made */
	size_t promised;      /* bytes, at least, of what was found so far */
	char shown[PATH_MAX]; /* below what was asked for */
	char real[PATH_MAX];  /* below where that leads */
	bool any;
	struct err e;
};

static size_t being_made; /* bytes, of all */

static void
level_free(struct level *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static void
walk_free(struct walk *w)
{
	being_made -= w->counted;
	while (w->n > 0)
		level_free(&w->levels[--w->n]);
	free(w->levels);
	buf_fini(&w->b);
	free(w);
}

static void
count(struct walk *w)
{
	being_made += w->b.len - w->counted;
	w->counted = w->b.len;
}

static int
too_long(struct walk *w)
{
	return err_set(&w->e, ERR_TOOBIG, "the listing is too long");
}

/* --- one directory --------------------------------------------------------*/

static int
name_add(struct walk *w, struct level *l, const char *name)
{
	w->promised += ENTRY_LEAST + 2 * strlen(name);
	if (w->promised > ENVD_LISTING_MAX)
		return too_long(w);
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 32 : l->cap * 2;
		void *more = realloc(l->v, cap * sizeof(*l->v));

		if (more == NULL)
			return err_sys(&w->e, "error reading directory");
		l->v = more;
		l->cap = cap;
	}
	l->v[l->n] = strdup(name);
	if (l->v[l->n] == NULL)
		return err_sys(&w->e, "error reading directory");
	l->n++;
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
read_names(struct walk *w, struct level *l)
{
	DIR *dir = opendir(w->real);
	const struct dirent *de;
	int rc = 0;

	if (dir == NULL)
		return err_sys(&w->e, "error reading directory '%s'", w->real);
	for (errno = 0; rc == 0 && (de = readdir(dir)) != NULL; errno = 0)
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0)
			rc = name_add(w, l, de->d_name);
	if (rc == 0 && errno != 0)
		rc = err_sys(&w->e, "error reading directory '%s'", w->real);
	(void)closedir(dir);
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_bytes);
	return rc;
}

/* Goes down into what w->real is. */
static int
descend(struct walk *w)
{
	struct level *l;

	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 8 : w->cap * 2;
		void *more = realloc(w->levels, cap * sizeof(*w->levels));

		if (more == NULL)
			return err_sys(&w->e, "error reading directory");
		w->levels = more;
		w->cap = cap;
	}
	l = &w->levels[w->n++];
	*l = (struct level){ .shown = strlen(w->shown),
		.real = strlen(w->real) };
	return read_names(w, l);
}

static int
push(char path[PATH_MAX], const char *name)
{
	size_t len = strlen(path), n = strlen(name);
	size_t slash = len > 0 && path[len - 1] != '/';

	if (len + slash + n >= PATH_MAX)
		return -1;
	if (slash)
		path[len] = '/';
	memcpy(path + len + slash, name, n + 1);
	return 0;
}

static int
one(struct walk *w, const char *name)
{
	size_t before = w->b.len;
	struct stat st;
	bool gone = false;

	if (push(w->shown, name) < 0 || push(w->real, name) < 0)
		return err_set(
		    &w->e, ERR_SYS, "path below '%.200s' too long", w->shown);
	if (w->any && buf_puts(&w->b, ",") < 0)
		return too_long(w);
	if (entry_put(&w->b, w->shown, w->real, &gone, &w->e) < 0) {
		w->b.len = before;
		if (!gone)
			return -1;
		w->e = (struct err){ 0 }; /* went away meanwhile */
		return 0;
	}
	w->any = true;
	count(w);
	if (w->n < w->depth && lstat(w->real, &st) == 0 && S_ISDIR(st.st_mode))
		return descend(w);
	return 0;
}

/* --- all of it ------------------------------------------------------------*/

static void
reply(struct walk *w)
{
	struct rpc *c = w->c;

	c->on_gone = NULL;
	if (w->e.kind == ERR_TOOBIG || w->e.kind == ERR_LIMIT)
		rpc_fail_err(c, &w->e);
	else if (w->e.kind != ERR_NONE)
		rpc_fail(c, RPC_INTERNAL, "%s", w->e.msg);
	else if (!w->any)
		rpc_reply(c, "{}", 2);
	else if (buf_puts(&w->b, "]}") == 0)
		rpc_reply(c, w->b.data, w->b.len);
	else
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "the listing is too long");
	walk_free(w);
}

static int
room_for_more(struct walk *w)
{
	if (being_made + http_server_queued(w->c->d->http) <= LISTINGS_MAX)
		return 0;
	return err_set(&w->e, ERR_LIMIT,
	    "more than %d bytes of answers wait for their readers",
	    LISTINGS_MAX);
}

static void
on_more(void *arg)
{
	struct walk *w = arg;
	struct mono began = mono_now();
	int rc;

	if (w->c == NULL) {
		walk_free(w);
		return;
	}
	rc = room_for_more(w);
	while (rc == 0 && w->n > 0) {
		struct level *l = &w->levels[w->n - 1];

		w->shown[l->shown] = '\0';
		w->real[l->real] = '\0';
		if (l->at < l->n)
			rc = one(w, l->v[l->at++]);
		else
			level_free(&w->levels[--w->n]);
		if (rc == 0 && mono_ms(began, mono_now()) >= SLICE_MS) {
			loop_defer(w->loop, on_more, w);
			return;
		}
	}
	reply(w);
}

static void
on_gone(struct rpc *c)
{
	struct walk *w = c->data;

	w->c = NULL;
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
begin(struct walk *w)
{
	struct rpc *c = w->c;

	c->data = w;
	c->on_gone = on_gone;
	if (buf_puts(&w->b, "{\"entries\":[") < 0 || descend(w) < 0)
		reply(w);
	else
		on_more(w);
}

void
fs_list_dir(struct rpc *c, const json_t *in)
{
	struct walk *w = calloc(1, sizeof(*w));
	uint64_t depth = 0;
	struct user u;
	struct err e;

	if (w == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	buf_init(&w->b, ENVD_LISTING_MAX);
	if (field_uint(in, "depth", NULL, UINT32_MAX, &depth, &e) < 0)
		rpc_fail_err(c, &e);
	else if (fs_path(c, in, "path", &u, w->shown) == 0 &&
		 really(c, w->shown, w->real) == 0) {
		path_clean(w->shown);
		w->c = c;
		w->loop = c->d->loop;
		w->depth = depth == 0 ? 1 : depth;
		begin(w);
		return;
	}
	free(w);
}
