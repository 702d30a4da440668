/* POST /files/compose: several files into one; the sources go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/files.h"
#include "envd/journal.h"
#include "envd/proc.h"
#include "envd/text.h"

enum { COMPOSE_MAX = 1024 * 1024, SOURCES_MAX = 10000 };

struct compose {
	struct http_req *r; /* NULL: the client has gone */
	struct user u;
	char to[PATH_MAX];
	char **from;
	size_t n;
};

static void
compose_free(struct compose *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->from[i]);
	free(x->from);
	free(x);
}

/* --- in a copy of ourselves -----------------------------------------------*/

static int
append(int to, const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || files_refused(fd, &st) < 0)
		return -1;
	return files_append(to, fd);
}

/* The exit status: an errno, or 0. */
static int
run(void *arg)
{
	const struct compose *x = arg;
	autofree char *part = NULL;
	int fd, rc = 0;

	if (asprintf(&part, "%s.compose-%d", x->to, (int)getpid()) < 0)
		return ENOMEM;
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return errno;
	if (fchown(fd, x->u.uid, x->u.gid) < 0)
		rc = errno;
	for (size_t i = 0; i < x->n && rc == 0; i++)
		rc = append(fd, x->from[i]) < 0 ? errno : 0;
	if (close(fd) < 0 && rc == 0)
		rc = errno;
	if (rc == 0 && rename(part, x->to) < 0)
		rc = errno;
	if (rc != 0) {
		(void)unlink(part);
		return rc < 256 ? rc : EIO;
	}
	for (size_t i = 0; i < x->n; i++)
		(void)unlink(x->from[i]);
	return 0;
}

/* --- here -----------------------------------------------------------------*/

static void
gone(struct http_req *r)
{
	struct compose *x = http_req_data(r);

	x->r = NULL;
}

static void
reply(struct http_req *r, const struct compose *x)
{
	char base[NAME_MAX + 1];
	struct buf b;

	buf_init(&b, 64 * 1024);
	(void)buf_puts(&b, "{\"name\":");
	(void)json_put(&b, path_base(x->to, base));
	(void)buf_puts(&b, ",\"path\":");
	(void)json_put(&b, x->to);
	(void)buf_puts(&b, ",\"type\":\"file\"}");
	http_reply(r, 200, "application/json", b.data, b.len);
	buf_fini(&b);
}

static void
composed(void *ctx, int status)
{
	struct compose *x = ctx;
	struct http_req *r = x->r;
	int sys = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;

	if (r != NULL)
		http_req_on_gone(r, NULL);
	if (r == NULL)
		; /* nobody asks any more */
	else if (sys == 0) {
		journal_file(
		    r, http_req_server_ctx(r), x->to, x->u.name, 0, NULL);
		reply(r, x);
	} else if (sys == ENOSPC || sys == EDQUOT)
		rest_fail(r, 507, "not enough disk space available");
	else
		rest_fail(
		    r, 500, "error composing '%s': %s", x->to, strerror(sys));
	compose_free(x);
}

/* A status and e, or 0. */
static int
add_source(
    struct compose *x, const struct envd *d, const json_t *v, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (!json_is_string(v)) {
		err_set(e, ERR_INVALID, "source_paths holds more than strings");
		return 400;
	}
	if (path_resolve(json_string_value(v), x->u.home, d->default_workdir,
		path, e) < 0)
		return 400;
	if (strcmp(path, x->to) == 0) {
		err_set(
		    e, ERR_INVALID, "source '%.200s' is the destination", path);
		return 400;
	}
	if (stat(path, &st) < 0) {
		err_set(
		    e, ERR_NOTFOUND, "source '%.200s' does not exist", path);
		return errno == ENOENT ? 404 : 500;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INVALID, "source '%.200s' is not a regular file",
		    path);
		return 400;
	}
	x->from[x->n] = strdup(path);
	return x->from[x->n] != NULL ? (x->n++, 0) : 500;
}

static int
fill(struct compose *x, const struct envd *d, const json_t *o, struct err *e)
{
	const json_t *from = field(o, "source_paths", "sourcePaths");
	const char *to = "", *user = NULL;
	int rc;

	if (field_text(o, "destination", NULL, &to, e) < 0 ||
	    field_text(o, "username", NULL, &user, e) < 0)
		return 400;
	if (!json_is_array(from) || json_array_size(from) == 0 ||
	    json_array_size(from) > SOURCES_MAX || *to == '\0') {
		err_set(e, ERR_INVALID,
		    "source_paths and destination must not be empty");
		return 400;
	}
	rc = user != NULL ? user_find(user, &x->u, e)
			  : default_user(d, &x->u, e);
	if (rc < 0)
		return 401;
	if (path_resolve(to, x->u.home, d->default_workdir, x->to, e) < 0)
		return 400;
	x->from = calloc(json_array_size(from), sizeof(*x->from));
	rc = x->from == NULL ? 500 : 0;
	for (size_t i = 0; i < json_array_size(from) && rc == 0; i++)
		rc = add_source(x, d, json_array_get(from, i), e);
	if (rc == 0 && path_make_parents(x->to, &x->u, false, e) < 0)
		rc = 500;
	return rc;
}

static void
on_body(struct http_req *r, const char *body, size_t n)
{
	struct envd *d = http_req_server_ctx(r);
	struct compose *x = calloc(1, sizeof(*x));
	struct err e = { .msg = "no memory" };
	json_t *o = body != NULL ? json_loadb(body, n, 0, NULL) : NULL;
	int status = 500;

	if (x != NULL && json_is_object(o))
		status = fill(x, d, o, &e);
	else if (x != NULL) {
		err_set(&e, ERR_INVALID, "the body is not a JSON object");
		status = 400;
	}
	json_decref(o);
	if (status == 0 && proc_helper(d->procs, run, x, composed, x) == 0) {
		x->r = r;
		http_req_set_data(r, x);
		http_req_on_gone(r, gone);
		return;
	}
	rest_fail(r, status == 0 ? 500 : status, "%s", e.msg);
	if (x != NULL)
		compose_free(x);
}

void
files_compose(struct http_req *r, struct envd *d)
{
	(void)d;
	http_req_collect(r, COMPOSE_MAX, on_body);
}
