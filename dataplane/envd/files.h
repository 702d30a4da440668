/* envd/files.h - what GET, POST and compose of /files share. */
#ifndef ENVD_FILES_H
#define ENVD_FILES_H

#include <sys/stat.h>

#include "envd/envd.h"

/*
 * Signature or token, as reference C.6 orders them.  False: refused, and the
 * request is over.
 */
bool files_allowed(struct http_req *r, const struct envd *d, const char *op);
/* v1_ and the hash; text of at most 48 bytes. */
void files_sign(const char *path, const char *op, const char *user,
    const char *token, const char *expiration, char to[64]);
/*
 * What has been opened, whatever it was a moment before: -1 with errno if it
 * is a device or a pipe where a file was, or a file about envd itself, which
 * nobody else in the sandbox could open either.
 */
int files_refused(int fd, const struct stat *st);
/* The second of these alone: linux/files_own.c, freebsd/files_own.c. */
int files_own(int fd, const struct stat *st);
/* All that is left of one behind another; -1 with errno.  linux/append.c,
 * freebsd/append.c. */
int files_append(int to, int from);
/* The user of the `username` parameter, else the default.  False: refused. */
bool files_user(struct http_req *r, const struct envd *d, struct user *u);

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_NONE };
/* The reply's coding, of an Accept-Encoding header (or NULL). */
enum coding files_coding(const char *accept, bool identity_only);

/* files_type.c.  By extension, else by the first bytes; valid until either is
 * called again. */
const char *files_type(const char *name, const char *head, size_t n);
const char *files_type_by_name(const char *name); /* or NULL */
/* The sandbox's list of types: /etc/mime.types. */
extern const char *files_type_list;

struct file_range {
	int64_t at, n;
};
enum { RANGES_MAX = 32, RANGES_NONE = -1, RANGES_BAD = -2 };
/*
 * Of a Range header and a size: how many, 0 if all is to be sent; RANGES_NONE
 * if nothing of it is there, RANGES_BAD if it says nothing (both are a 416).
 */
int files_ranges(
    const char *range, int64_t size, struct file_range out[RANGES_MAX]);
/* inline; filename=... */
void files_disposition(const char *name, char *to, size_t cap);

#endif
