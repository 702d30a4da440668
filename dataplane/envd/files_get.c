/* GET /files: a file, or parts of it, as it is or packed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/own.h"
#include "envd/files.h"
#include "envd/journal.h"

enum {
	PIECE = 64 * 1024,
	UNSIZED_MAX = 4 * 1024 * 1024, /* of a file that claims to be empty */
	QUEUE_LOW = 128 * 1024,
};

struct download {
	int fd;
	struct stat st;
	char name[NAME_MAX + 1];
	const char *type;
};

/* What is sent in pieces that we make ourselves. */
struct sending {
	struct http_req *r;
	int fd;
	/* several ranges */
	struct file_range range[RANGES_MAX];
	int nranges, at;
	int64_t size, off;
	char type[128], boundary[40];
	/* packed */
	z_stream z;
	bool packing;
};

static void
sending_gone(struct http_req *r)
{
	struct sending *s = http_req_data(r);

	if (s->packing)
		(void)deflateEnd(&s->z);
	(void)close(s->fd);
	free(s);
}

static struct sending *
sending_new(struct http_req *r, struct download *x)
{
	struct sending *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		rest_fail(r, 500, "no memory");
		return NULL;
	}
	s->r = r;
	s->fd = take_fd(&x->fd);
	s->size = x->st.st_size;
	(void)snprintf(s->type, sizeof(s->type), "%s", x->type);
	http_req_set_data(r, s);
	http_req_on_gone(r, sending_gone);
	return s;
}

/* --- packed ---------------------------------------------------------------*/

static void
pack_more(struct http_req *r)
{
	static unsigned char in[PIECE], out[PIECE];
	struct sending *s = http_req_data(r);
	ssize_t n = read(s->fd, in, sizeof(in));

	if (n < 0) {
		http_reply_abort(r);
		return;
	}
	s->z.next_in = in;
	s->z.avail_in = (uInt)n;
	do {
		s->z.next_out = out;
		s->z.avail_out = sizeof(out);
		(void)deflate(&s->z, n == 0 ? Z_FINISH : Z_NO_FLUSH);
		(void)http_reply_write(r, out, sizeof(out) - s->z.avail_out);
	} while (s->z.avail_out == 0);
	if (n == 0)
		http_reply_end(r);
	else
		http_reply_on_drain(r, QUEUE_LOW, pack_more);
}

static void
send_packed(struct http_req *r, struct download *x)
{
	struct sending *s = sending_new(r, x);
	const char *type = files_type_by_name(x->name);

	if (s == NULL)
		return;
	if (deflateInit2(&s->z, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8,
		Z_DEFAULT_STRATEGY) != Z_OK) {
		rest_fail(r, 500, "no memory");
		return;
	}
	s->packing = true;
	http_reply_header(r, "Content-Encoding", "gzip");
	http_reply_begin(
	    r, 200, type != NULL ? type : "application/octet-stream", -1);
	http_reply_on_drain(r, QUEUE_LOW, pack_more);
}

/* --- ranges ---------------------------------------------------------------*/

static int
part_head(const struct sending *s, int i, char *to, size_t cap)
{
	const struct file_range *x = &s->range[i];

	return snprintf(to, cap,
	    "%s--%s\r\nContent-Range: bytes %lld-%lld/%lld\r\n"
	    "Content-Type: %s\r\n\r\n",
	    i > 0 ? "\r\n" : "", s->boundary, (long long)x->at,
	    (long long)(x->at + x->n - 1), (long long)s->size, s->type);
}

static int64_t
parts_length(const struct sending *s)
{
	int64_t total = (int64_t)strlen(s->boundary) + 8;
	char head[512];

	for (int i = 0; i < s->nranges; i++)
		total += part_head(s, i, head, sizeof(head)) + s->range[i].n;
	return total;
}

static void
parts_end(struct sending *s)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "\r\n--%s--\r\n", s->boundary);

	(void)http_reply_write(s->r, text, (size_t)n);
	http_reply_end(s->r);
}

static void
parts_more(struct http_req *r)
{
	static char piece[PIECE];
	struct sending *s = http_req_data(r);
	struct file_range *x = &s->range[s->at];
	int64_t left;
	ssize_t n;

	if (s->off == 0) {
		int len = part_head(s, s->at, piece, sizeof(piece));

		(void)http_reply_write(r, piece, (size_t)len);
	}
	left = x->n - s->off;
	n = pread(s->fd, piece, left < PIECE ? (size_t)left : PIECE,
	    (off_t)(x->at + s->off));
	if (n <= 0) {
		http_reply_abort(r);
		return;
	}
	(void)http_reply_write(r, piece, (size_t)n);
	s->off += n;
	if (s->off == x->n) {
		s->off = 0;
		s->at++;
	}
	if (s->at == s->nranges)
		parts_end(s);
	else
		http_reply_on_drain(r, QUEUE_LOW, parts_more);
}

static void
send_parts(struct http_req *r, struct download *x,
    const struct file_range *range, int n)
{
	struct sending *s = sending_new(r, x);
	char type[128];

	if (s == NULL)
		return;
	memcpy(s->range, range, sizeof(*range) * (size_t)n);
	s->nranges = n;
	(void)snprintf(s->boundary, sizeof(s->boundary), "%016llx%016llx",
	    (unsigned long long)mono_now().ns,
	    (unsigned long long)x->st.st_ino * 2654435761u);
	(void)snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s",
	    s->boundary);
	http_reply_begin(r, 206, type, parts_length(s));
	http_reply_on_drain(r, QUEUE_LOW, parts_more);
}

static void
send_plain(
    struct http_req *r, struct download *x, struct file_range part, bool whole)
{
	if (!whole)
		http_reply_header(r, "Content-Range", "bytes %lld-%lld/%lld",
		    (long long)part.at, (long long)(part.at + part.n - 1),
		    (long long)x->st.st_size);
	http_reply_begin(r, whole ? 200 : 206, x->type, part.n);
	http_reply_file(r, take_fd(&x->fd), part.at, part.n);
}

/* --- conditions -----------------------------------------------------------*/

/* In any of the three forms that HTTP has had. */
static bool
date_of(const struct http_req *r, const char *name, time_t *out)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };
	const char *v = http_req_header(r, name);

	for (size_t i = 0; v != NULL && i < countof(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(v, forms[i], &tm);

		if (end != NULL && *end == '\0') {
			*out = timegm(&tm);
			return true;
		}
	}
	return false;
}

/* NULL also if it is empty. */
static const char *
condition(const struct http_req *r, const char *name)
{
	const char *v = http_req_header(r, name);

	return v != NULL && *v != '\0' ? v : NULL;
}

/* A status that ends it, or 0.  Files have no tag that could match. */
static int
conditions(const struct http_req *r, const struct stat *st)
{
	const char *match = condition(r, "If-Match");
	const char *none = condition(r, "If-None-Match");
	time_t t;

	if (match != NULL && strcmp(match, "*") != 0)
		return 412;
	if (match == NULL && date_of(r, "If-Unmodified-Since", &t) &&
	    st->st_mtime > t)
		return 412;
	if (none != NULL)
		return strcmp(none, "*") == 0 ? 304 : 0;
	if (date_of(r, "If-Modified-Since", &t) && st->st_mtime <= t)
		return 304;
	return 0;
}

static const char *
usable_range(const struct http_req *r, const struct stat *st)
{
	const char *range = condition(r, "Range");
	time_t t;

	if (range == NULL || condition(r, "If-Range") == NULL)
		return range;
	return date_of(r, "If-Range", &t) && t == st->st_mtime ? range : NULL;
}

/* --- the request ----------------------------------------------------------*/

static void
describe(struct http_req *r, const struct download *x)
{
	char text[1024];

	http_reply_header(r, "Vary", "Accept-Encoding");
	files_disposition(x->name, text, sizeof(text));
	http_reply_header(r, "Content-Disposition", "%s", text);
}

static void
put_date(struct http_req *r, const struct download *x)
{
	char text[64];
	struct tm tm;

	/* 1970 is no date, but the lack of one. */
	if (x->st.st_mtime != 0 && gmtime_r(&x->st.st_mtime, &tm) != NULL &&
	    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		http_reply_header(r, "Last-Modified", "%s", text);
}

/* Files of /proc and /sys say 0 and have content. */
static bool
sent_unsized(struct http_req *r, const struct download *x)
{
	struct buf b;
	ssize_t n = 0;
	bool any;
	char *to;

	if (x->st.st_size != 0)
		return false;
	buf_init(&b, UNSIZED_MAX);
	while ((to = buf_room(&b, PIECE)) != NULL &&
	       (n = pread(x->fd, to, PIECE, (off_t)b.len)) > 0)
		buf_added(&b, (size_t)n);
	any = b.len > 0;
	if (any)
		http_reply(r, 200, x->type, b.data, b.len);
	buf_fini(&b);
	return any;
}

static void
serve(struct http_req *r, struct download *x)
{
	struct file_range range[RANGES_MAX];
	int status = conditions(r, &x->st);
	int n;

	if (status != 0) {
		put_date(r, x);
		http_reply(r, status, NULL, NULL, 0);
		return;
	}
	n = files_ranges(usable_range(r, &x->st), x->st.st_size, range);
	if (n < 0) {
		if (n == RANGES_NONE)
			http_reply_header(r, "Content-Range", "bytes */%lld",
			    (long long)x->st.st_size);
		rest_fail(r, 416, "invalid range%s",
		    n == RANGES_NONE ? ": failed to overlap" : "");
		return;
	}
	http_reply_header(r, "Accept-Ranges", "bytes");
	put_date(r, x);
	if (n > 1)
		send_parts(r, x, range, n);
	else if (n == 1)
		send_plain(r, x, range[0], false);
	else if (x->st.st_size > 0 || !sent_unsized(r, x))
		send_plain(r, x, (struct file_range){ 0, x->st.st_size }, true);
}

/* False: refused. */
static bool
open_file(struct http_req *r, const char *path, struct download *x)
{
	char head[512];
	ssize_t n;

	if (stat(path, &x->st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			rest_fail(r, 404, "path '%s' does not exist", path);
		else
			rest_fail(r, 500, "error accessing '%s': %s", path,
			    strerror(errno));
		return false;
	}
	if (S_ISDIR(x->st.st_mode)) {
		rest_fail(r, 400, "path '%s' is a directory", path);
		return false;
	}
	if (!S_ISREG(x->st.st_mode)) {
		rest_fail(r, 400, "path '%s' is not a regular file", path);
		return false;
	}
	x->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (x->fd < 0 || fstat(x->fd, &x->st) < 0 ||
	    files_refused(x->fd, &x->st) < 0) {
		rest_fail(
		    r, 500, "error opening '%s': %s", path, strerror(errno));
		return false;
	}
	(void)path_base(path, x->name);
	n = pread(x->fd, head, sizeof(head), 0);
	x->type = files_type(x->name, head, n > 0 ? (size_t)n : 0);
	return true;
}

void
files_get(struct http_req *r, struct envd *d)
{
	bool identity_only = http_req_header(r, "Range") != NULL ||
			     http_req_header(r, "If-Range") != NULL ||
			     http_req_header(r, "If-None-Match") != NULL ||
			     http_req_header(r, "If-Modified-Since") != NULL;
	struct download x = { .fd = -1 };
	autofree char *query = NULL;
	char path[PATH_MAX];
	enum coding coding;
	struct user u;
	struct err e;
	bool bad;

	if (!files_allowed(r, d, "read") || !files_user(r, d, &u))
		return;
	query = http_req_param(r, "path", &bad);
	if (bad || path_resolve(query != NULL ? query : "", u.home,
		       d->default_workdir, path, &e) < 0) {
		rest_fail(r, 400, "%s",
		    bad ? "query parameter path is malformed" : e.msg);
		return;
	}
	if (!open_file(r, path, &x)) {
		drop_fd(&x.fd);
		return;
	}
	coding =
	    files_coding(http_req_header(r, "Accept-Encoding"), identity_only);
	if (coding == CODING_NONE) {
		http_reply_header(r, "Vary", "Accept-Encoding");
		rest_fail(r, 406, "no acceptable encoding found");
	} else {
		describe(r, &x);
		journal_file(r, d, path, u.name, 0, NULL);
		if (coding == CODING_GZIP)
			send_packed(r, &x);
		else
			serve(r, &x);
	}
	drop_fd(&x.fd);
}
