/* Metadata of files: extended attributes user.e2b.KEY. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/text.h"

#define PREFIX	   "user.e2b."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define HEADER	   "X-Metadata-"
#define HEADER_LEN (sizeof(HEADER) - 1)

enum { NAMES_MAX = 64 * 1024, VALUE_MAX = 64 * 1024 };

static int
put_one(struct buf *b, const char *path, const char *name, bool *any,
    const char *before)
{
	autofree char *value = malloc(VALUE_MAX);
	const char *key = name + PREFIX_LEN;
	ssize_t n = value != NULL ? getxattr(path, name, value, VALUE_MAX) : -1;
	int rc = 0;

	if (n < 0 || !utf8_valid(value, (size_t)n) ||
	    !utf8_valid(key, strlen(key)))
		return 0;
	if (*any)
		rc = buf_puts(b, ",");
	else
		rc = buf_printf(b, "%s\"metadata\":{", before);
	*any = true;
	if (rc == 0)
		rc = json_put(b, key);
	if (rc == 0)
		rc = buf_puts(b, ":");
	return rc == 0 ? json_put_n(b, value, (size_t)n) : rc;
}

int
meta_put(struct buf *b, const char *before, const char *path)
{
	autofree char *names = NULL;
	ssize_t n = listxattr(path, NULL, 0);
	bool any = false;

	if (n <= 0 || n > NAMES_MAX)
		return 0;
	names = malloc((size_t)n);
	if (names == NULL)
		return 0;
	n = listxattr(path, names, (size_t)n);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (strncmp(names + i, PREFIX, PREFIX_LEN) == 0 &&
		    put_one(b, path, names + i, &any, before) < 0)
			return -1;
	return any ? buf_puts(b, "}") : 0;
}

/* --- setting --------------------------------------------------------------*/

static bool
printable(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

static bool
have_key(const struct meta *m, const char *key)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].key, key) == 0)
			return true;
	return false;
}

static int
add(struct meta *m, const char *name, const char *value, size_t *total,
    struct err *e)
{
	char key[META_KEY_MAX + 1] = "";
	size_t len = strlen(name);
	void *more;

	if (len == 0)
		return 0;
	if (len > META_KEY_MAX)
		return err_set(e, ERR_INVALID,
		    "metadata key '%.64s...' is longer than %d bytes", name,
		    META_KEY_MAX);
	for (size_t i = 0; i <= len; i++)
		key[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32)
							  : name[i];
	if (!printable(key) || !printable(value))
		return err_set(e, ERR_INVALID,
		    "metadata '%.64s' is not printable ASCII", key);
	if (have_key(m, key))
		return 0; /* the first one holds */
	*total += PREFIX_LEN + len + strlen(value);
	if (*total > META_ALL_MAX)
		return err_set(e, ERR_INVALID,
		    "metadata is longer than %d bytes in total", META_ALL_MAX);
	more = realloc(m->v, (m->n + 1) * sizeof(*m->v));
	if (more == NULL)
		return err_sys(e, "metadata");
	m->v = more;
	memcpy(m->v[m->n].key, key, len + 1);
	m->v[m->n++].value = value;
	return 0;
}

int
meta_from_headers(const struct http_req *r, struct meta *out, struct err *e)
{
	const char *name, *value;
	size_t total = 0;

	*out = (struct meta){ NULL, 0 };
	for (size_t i = 0; http_req_header_at(r, i, &name, &value); i++)
		if (strncasecmp(name, HEADER, HEADER_LEN) == 0 &&
		    add(out, name + HEADER_LEN, value, &total, e) < 0) {
			meta_free(out);
			return -1;
		}
	return 0;
}

void
meta_free(struct meta *m)
{
	free(m->v);
	*m = (struct meta){ NULL, 0 };
}

static void
clear(const struct meta *m, int fd)
{
	autofree char *names = NULL;
	ssize_t n = flistxattr(fd, NULL, 0);

	if (n <= 0 || n > NAMES_MAX)
		return;
	names = malloc((size_t)n);
	if (names == NULL)
		return;
	n = flistxattr(fd, names, (size_t)n);
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (strncmp(names + i, PREFIX, PREFIX_LEN) == 0 &&
		    !have_key(m, names + i + PREFIX_LEN))
			(void)fremovexattr(fd, names + i);
}

int
meta_apply(const struct meta *m, int fd, struct err *e)
{
	char name[PREFIX_LEN + META_KEY_MAX + 1];

	clear(m, fd);
	for (size_t i = 0; i < m->n; i++) {
		(void)snprintf(name, sizeof(name), PREFIX "%s", m->v[i].key);
		if (fsetxattr(
			fd, name, m->v[i].value, strlen(m->v[i].value), 0) == 0)
			continue;
		if (errno == ENOTSUP)
			return 0; /* this file system keeps none */
		return err_sys(e, "error setting metadata");
	}
	return 0;
}
