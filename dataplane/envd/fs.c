#include "envd/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/text.h"

int
fs_path(struct rpc *c, const json_t *in, const char *name, struct user *u,
    char out[PATH_MAX])
{
	const char *path = "";
	struct err e;

	if (request_user(c->d, c->r, u, &e) < 0 ||
	    field_text(in, name, NULL, &path, &e) < 0 ||
	    path_resolve(path, u->home, c->d->default_workdir, out, &e) < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	return 0;
}

static void
reply_entry(struct rpc *c, const char *path)
{
	struct buf b;
	struct err e;
	bool gone;

	buf_init(&b, ENVD_LISTING_MAX);
	(void)buf_puts(&b, "{\"entry\":");
	if (entry_put(&b, path, path, &gone, &e) == 0 && buf_puts(&b, "}") == 0)
		rpc_reply(c, b.data, b.len);
	else if (gone)
		rpc_fail(c, RPC_NOT_FOUND, "file not found: %.900s", path);
	else
		rpc_fail(c, RPC_INTERNAL, "%s", e.msg);
	buf_fini(&b);
}

void
fs_stat(struct rpc *c, const json_t *in)
{
	char path[PATH_MAX];
	struct user u;

	if (fs_path(c, in, "path", &u, path) == 0)
		reply_entry(c, path);
}

void
fs_make_dir(struct rpc *c, const json_t *in)
{
	char path[PATH_MAX];
	struct stat st;
	struct user u;
	struct err e;

	if (fs_path(c, in, "path", &u, path) < 0)
		return;
	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			rpc_fail(c, RPC_ALREADY_EXISTS,
			    "directory already exists: %.900s", path);
		else
			rpc_fail(c, RPC_INVALID_ARGUMENT,
			    "path already exists but it is not a directory: "
			    "%.900s",
			    path);
		return;
	}
	if (errno != ENOENT) {
		rpc_fail(c, RPC_INTERNAL, "error getting file info: %s",
		    strerror(errno));
		return;
	}
	if (path_make_parents(path, &u, true, &e) < 0)
		rpc_fail(c, RPC_INTERNAL, "%s", e.msg);
	else
		reply_entry(c, path);
}

/* What is a directory is never replaced, though the kernel would. */
static int
move(const char *from, const char *to)
{
	struct stat st;

	if (lstat(to, &st) < 0 || !S_ISDIR(st.st_mode))
		return rename(from, to);
	if (lstat(from, &st) == 0)
		errno = EEXIST;
	return -1;
}

void
fs_move(struct rpc *c, const json_t *in)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct user u;
	struct err e;

	if (fs_path(c, in, "source", &u, from) < 0 ||
	    fs_path(c, in, "destination", &u, to) < 0)
		return;
	if (path_make_parents(to, &u, false, &e) < 0)
		rpc_fail(c, RPC_INTERNAL, "%s", e.msg);
	else if (move(from, to) == 0)
		reply_entry(c, to);
	else if (errno == ENOENT)
		rpc_fail(
		    c, RPC_NOT_FOUND, "source file not found: %.900s", from);
	else
		rpc_fail(
		    c, RPC_INTERNAL, "error renaming: %s", strerror(errno));
}
