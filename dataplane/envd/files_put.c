/*
 * POST /files: files are written in place, in as few steps as can be: whoever
 * watches the directory sees a new small file created, owned and written.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/files.h"
#include "envd/journal.h"
#include "envd/multipart.h"
#include "envd/text.h"

enum {
	WRITE_BYTES = 64 * 1024, /* gathered before they are written */
	GZIP_HEAD = 10,
	REPLY_MAX = 16 * 1024 * 1024,
};

struct upload {
	struct http_req *r;
	struct envd *d;
	struct user u;
	struct meta meta;
	char *query; /* the `path` parameter; NULL: not given */
	bool multipart;
	struct multipart mp;
	bool packed;
	unsigned members; /* of the packed body: whole ones */
	bool inside;	  /* another one has begun */
	z_stream z;
	/* the file being written; fd -1: none, or a part to be ignored */
	int fd;
	char path[PATH_MAX];
	struct buf gathered;
	void *done;	   /* paths: a tree of tsearch() */
	const char *first; /* of them */
	struct buf reply;
	int status; /* of what went wrong; 0: nothing yet */
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
upload_free(struct upload *u)
{
	drop_fd(&u->fd);
	if (u->packed)
		(void)inflateEnd(&u->z);
	if (u->multipart)
		multipart_fini(&u->mp);
	meta_free(&u->meta);
	while (u->done != NULL) {
		char *path = *(char **)u->done;

		(void)tdelete(path, &u->done, by_text);
		free(path);
	}
	free(u->query);
	buf_fini(&u->gathered);
	buf_fini(&u->reply);
	free(u);
}

static void
upload_gone(struct http_req *r)
{
	upload_free(http_req_data(r));
}

static int
fail(struct upload *u, int status, struct err *e)
{
	u->status = status;
	e->kind = ERR_SYS;
	return -1;
}

/* --- one file -------------------------------------------------------------*/

static int
no_space(struct upload *u, struct err *e)
{
	int64_t n = http_req_length(u->r);

	if (n > 0)
		err_set(e, ERR_SYS,
		    "attempted to write %lld bytes: not enough disk space "
		    "available",
		    (long long)n);
	else
		err_set(e, ERR_SYS, "not enough disk space available");
	return fail(u, 507, e);
}

static bool
is_no_space(int sys)
{
	return sys == ENOSPC || sys == EDQUOT;
}

static int
write_failed(struct upload *u, const char *what, struct err *e)
{
	if (is_no_space(errno))
		return no_space(u, e);
	err_sys(e, "error %s '%.150s'", what, u->path);
	return fail(u, 500, e);
}

static int
write_gathered(struct upload *u, struct err *e)
{
	while (u->gathered.len > 0) {
		ssize_t n = write(u->fd, u->gathered.data, u->gathered.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed(u, "writing", e);
		buf_consume(&u->gathered, (size_t)n);
	}
	return 0;
}

static int
write_piece(struct upload *u, const char *p, size_t n, struct err *e)
{
	if (u->fd < 0)
		return 0;
	while (n > 0) {
		size_t room = WRITE_BYTES - u->gathered.len;
		size_t some = n < room ? n : room;

		if (buf_add(&u->gathered, p, some) < 0) {
			err_set(e, ERR_LIMIT, "no memory");
			return fail(u, 500, e);
		}
		p += some;
		n -= some;
		if (u->gathered.len == WRITE_BYTES && write_gathered(u, e) < 0)
			return -1;
	}
	return 0;
}

/* Known to be in vain: leave what is there alone. */
static bool
fits(const struct upload *u)
{
	struct statvfs v;
	int64_t n = http_req_length(u->r);

	return n <= 0 || u->packed || fstatvfs(u->fd, &v) < 0 ||
	       (uint64_t)n <= (uint64_t)v.f_bavail * v.f_frsize;
}

static int
open_target(struct upload *u, bool existed, struct err *e)
{
	struct stat st;

	u->fd = open(u->path,
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	if (u->fd < 0 && errno == EISDIR) {
		err_set(e, ERR_SYS, "path '%.200s' is a directory", u->path);
		return fail(u, 400, e);
	}
	if (u->fd < 0 || fstat(u->fd, &st) < 0 || files_own(u->fd, &st) < 0)
		return write_failed(u, "opening", e);
	if (fchown(u->fd, u->u.uid, u->u.gid) < 0)
		return write_failed(u, "changing the owner of", e);
	if (!fits(u))
		return no_space(u, e);
	/* An empty one too: whoever watches it sees it written. */
	if (existed && S_ISREG(st.st_mode) && ftruncate(u->fd, 0) < 0)
		return write_failed(u, "truncating", e);
	return 0;
}

static int
note_path(struct upload *u, struct err *e)
{
	char *path = strdup(u->path);
	void *node = path != NULL ? tsearch(path, &u->done, by_text) : NULL;

	if (node == NULL) {
		free(path);
		err_set(e, ERR_LIMIT, "no memory");
		return fail(u, 500, e);
	}
	if (*(char **)node == path) {
		u->first = u->first != NULL ? u->first : path;
		return 0;
	}
	free(path);
	err_set(e, ERR_SYS,
	    "you cannot upload multiple files to the same path '%.150s' in "
	    "one upload request",
	    u->path);
	return fail(u, 400, e);
}

static int
begin_file(struct upload *u, const char *name, struct err *e)
{
	struct stat st;
	bool existed;

	if (path_resolve(name, u->u.home, u->d->default_workdir, u->path, e) <
	    0)
		return fail(u, 400, e);
	if (note_path(u, e) < 0)
		return -1;
	existed = stat(u->path, &st) == 0;
	if (existed && S_ISDIR(st.st_mode)) {
		err_set(e, ERR_SYS, "path '%.200s' is a directory", u->path);
		return fail(u, 400, e);
	}
	if (path_make_parents(u->path, &u->u, false, e) == 0)
		return open_target(u, existed, e);
	return is_no_space(e->sys_errno) ? no_space(u, e) : fail(u, 500, e);
}

static int
put_written(struct upload *u)
{
	struct buf *b = &u->reply;
	char base[NAME_MAX + 1];

	if (buf_puts(b, b->len == 0 ? "[{\"name\":" : ",{\"name\":") < 0 ||
	    json_put(b, path_base(u->path, base)) < 0 ||
	    buf_puts(b, ",\"path\":") < 0 || json_put(b, u->path) < 0 ||
	    buf_puts(b, ",\"type\":\"file\"") < 0 ||
	    meta_put(b, ",", u->path) < 0)
		return -1;
	return buf_puts(b, "}");
}

static int
end_file(struct upload *u, struct err *e)
{
	if (u->fd < 0)
		return 0;
	if (write_gathered(u, e) < 0)
		return -1;
	if (meta_apply(&u->meta, u->fd, e) < 0)
		return is_no_space(e->sys_errno) ? no_space(u, e)
						 : fail(u, 500, e);
	if (close(take_fd(&u->fd)) < 0)
		return write_failed(u, "writing", e);
	if (put_written(u) == 0)
		return 0;
	err_set(e, ERR_LIMIT, "too many files in one request");
	return fail(u, 500, e);
}

/* --- parts ----------------------------------------------------------------*/

static struct upload *
of(struct multipart *m)
{
	return container_of(m, struct upload, mp);
}

static int
on_part(
    struct multipart *m, const char *name, const char *filename, struct err *e)
{
	struct upload *u = of(m);

	if (name == NULL || strcmp(name, "file") != 0)
		return 0;
	if (u->query != NULL)
		return begin_file(u, u->query, e);
	/* With its directories: the base name alone would lose them. */
	if (filename != NULL && *filename != '\0')
		return begin_file(u, filename, e);
	err_set(e, ERR_SYS,
	    "the part has no filename, and there is no path parameter");
	return fail(u, 400, e);
}

static int
on_part_data(struct multipart *m, const char *p, size_t n, struct err *e)
{
	return write_piece(of(m), p, n, e);
}

static int
on_part_end(struct multipart *m, struct err *e)
{
	return end_file(of(m), e);
}

/* --- the body -------------------------------------------------------------*/

static int
plain(struct upload *u, const char *p, size_t n, struct err *e)
{
	if (!u->multipart)
		return write_piece(u, p, n, e);
	if (multipart_feed(&u->mp, p, n, e) == 0)
		return 0;
	return u->status != 0 ? -1 : fail(u, 500, e);
}

/* No gzip at all is the client's mistake, and touches no file. */
static int
bad_gzip(struct upload *u, const char *why, struct err *e)
{
	err_set(e, ERR_SYS, "gzip body: %s", why);
	return fail(
	    u, u->members == 0 && u->z.total_in < GZIP_HEAD ? 400 : 500, e);
}

/* One after another, as many as come. */
static int
unpack(struct upload *u, const char *p, size_t n, struct err *e)
{
	static unsigned char out[WRITE_BYTES];

	u->z.next_in = unconst(p);
	u->z.avail_in = (uInt)n;
	u->z.avail_out = 1;
	while (u->z.avail_in > 0 || u->z.avail_out == 0) {
		int rc;

		u->z.next_out = out;
		u->z.avail_out = sizeof(out);
		rc = inflate(&u->z, Z_NO_FLUSH);
		if (rc == Z_BUF_ERROR)
			return 0; /* all that came is used */
		if (rc != Z_OK && rc != Z_STREAM_END)
			return bad_gzip(u, "malformed", e);
		if (!u->multipart && u->first == NULL &&
		    u->z.total_in >= GZIP_HEAD &&
		    begin_file(u, u->query, e) < 0)
			return -1;
		u->inside = rc != Z_STREAM_END;
		if (plain(u, (const char *)out, sizeof(out) - u->z.avail_out,
			e) < 0)
			return -1;
		if (rc == Z_STREAM_END) {
			u->members++;
			(void)inflateReset(&u->z);
			u->z.avail_out = 1;
		}
	}
	return 0;
}

static int
body_end(struct upload *u, struct err *e)
{
	if (u->packed && (u->inside || u->members == 0))
		return bad_gzip(u, "unexpected end", e);
	if (!u->multipart)
		return end_file(u, e);
	return multipart_end(&u->mp, e) < 0 ? fail(u, 500, e) : 0;
}

static void
finish(struct upload *u)
{
	struct buf *b = &u->reply;

	if (buf_puts(b, b->len == 0 ? "[]" : "]") < 0) {
		rest_fail(u->r, 500, "too many files in one request");
	} else {
		journal_file(u->r, u->d, u->first, u->u.name, 0, NULL);
		http_reply(u->r, 200, "application/json", b->data, b->len);
	}
}

static void
on_data(struct http_req *r, const char *p, size_t n)
{
	struct upload *u = http_req_data(r);
	struct err e = { 0 };
	int rc;

	if (n == 0)
		rc = body_end(u, &e);
	else
		rc = u->packed ? unpack(u, p, n, &e) : plain(u, p, n, &e);
	if (rc < 0) {
		struct err ignored;
		int status = u->status;

		/* What came of it is there. */
		if (u->fd >= 0)
			(void)write_gathered(u, &ignored);
		rest_fail(r, status, "%s", e.msg);
	} else if (n == 0)
		finish(u);
}

/* --- the request ----------------------------------------------------------*/

/* False: refused. */
static bool
look_at_coding(struct upload *u)
{
	const char *coding = http_req_header(u->r, "Content-Encoding");

	if (coding == NULL || *coding == '\0' ||
	    strcasecmp(coding, "identity") == 0)
		return true;
	if (strcasecmp(coding, "gzip") != 0) {
		rest_fail(
		    u->r, 400, "unsupported Content-Encoding: %.64s", coding);
		return false;
	}
	u->packed = inflateInit2(&u->z, 16 + MAX_WBITS) == Z_OK;
	if (!u->packed)
		rest_fail(u->r, 500, "no memory");
	return u->packed;
}

static bool
look_at_type(struct upload *u)
{
	const char *type = http_req_header(u->r, "Content-Type");

	if (type != NULL && strncasecmp(type, "multipart/", 10) == 0) {
		if (multipart_init(&u->mp, type) < 0) {
			rest_fail(
			    u->r, 500, "the multipart body has no boundary");
			return false;
		}
		u->multipart = true;
		u->mp.on_part = on_part;
		u->mp.on_data = on_part_data;
		u->mp.on_part_end = on_part_end;
		return true;
	}
	if (type == NULL ||
	    strncasecmp(type, "application/octet-stream", 24) != 0 ||
	    (type[24] != '\0' && type[24] != ';' && type[24] != ' ')) {
		rest_fail(u->r, 400,
		    "unsupported Content-Type: multipart/form-data and "
		    "application/octet-stream are supported");
		return false;
	}
	if (u->query != NULL)
		return true;
	rest_fail(u->r, 400,
	    "the path parameter is required for application/octet-stream");
	return false;
}

static bool
look_at_rest(struct upload *u)
{
	struct err e = { 0 };
	bool bad;

	u->query = http_req_param(u->r, "path", &bad);
	if (bad) {
		rest_fail(u->r, 400, "query parameter path is malformed");
		return false;
	}
	if (!files_user(u->r, u->d, &u->u))
		return false;
	if (meta_from_headers(u->r, &u->meta, &e) < 0) {
		rest_fail(u->r, 400, "%s", e.msg);
		return false;
	}
	if (!look_at_type(u) || !look_at_coding(u))
		return false;
	if (u->multipart || u->packed || begin_file(u, u->query, &e) == 0)
		return true;
	rest_fail(u->r, u->status, "%s", e.msg);
	return false;
}

void
files_put(struct http_req *r, struct envd *d)
{
	struct upload *u;

	if (!files_allowed(r, d, "write"))
		return;
	u = calloc(1, sizeof(*u));
	if (u == NULL) {
		rest_fail(r, 500, "no memory");
		return;
	}
	u->r = r;
	u->d = d;
	u->fd = -1;
	buf_init(&u->gathered, WRITE_BYTES);
	buf_init(&u->reply, REPLY_MAX);
	http_req_set_data(r, u);
	http_req_on_gone(r, upload_gone);
	if (look_at_rest(u))
		http_req_stream(r, on_data);
}
