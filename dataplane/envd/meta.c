/* Metadata of files: extended attributes e2b.KEY, on Linux user.e2b.KEY. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "envd/attr.h"
#include "envd/entry.h"
#include "envd/text.h"

#define PREFIX	   "e2b."
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define HEADER	   "X-Metadata-"
#define HEADER_LEN (sizeof(HEADER) - 1)

enum { VALUE_MAX = 64 * 1024, COUNTED = 5 /* "user.", wherever we are */ };

_Static_assert(PREFIX_LEN + META_KEY_MAX <= ATTR_NAME_MAX, "names fit");

static int
put_one(struct buf *b, const char *path, const char *name, bool *any,
    const char *before)
{
	autofree char *value = malloc(VALUE_MAX);
	const char *key = name + PREFIX_LEN;
	ssize_t n = value != NULL ? attr_get(path, name, value, VALUE_MAX) : -1;
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

/* Of a list of names, the first, and those behind it: metadata, or NULL. */
static const char *
first(const char *names)
{
	while (*names != '\0' && strncmp(names, PREFIX, PREFIX_LEN) != 0)
		names += strlen(names) + 1;
	return *names != '\0' ? names : NULL;
}

static const char *
next(const char *name)
{
	return first(name + strlen(name) + 1);
}

int
meta_put(struct buf *b, const char *before, const char *path)
{
	autofree char *names = attr_names(path, -1);
	bool any = false;

	if (names == NULL)
		return 0;
	for (const char *n = first(names); n != NULL; n = next(n))
		if (put_one(b, path, n, &any, before) < 0)
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
	*total += COUNTED + PREFIX_LEN + len + strlen(value);
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
	autofree char *names = attr_names(NULL, fd);

	if (names == NULL)
		return;
	for (const char *n = first(names); n != NULL; n = next(n))
		if (!have_key(m, n + PREFIX_LEN))
			attr_remove(fd, n);
}

int
meta_apply(const struct meta *m, int fd, struct err *e)
{
	char name[PREFIX_LEN + META_KEY_MAX + 1];

	clear(m, fd);
	for (size_t i = 0; i < m->n; i++) {
		(void)snprintf(name, sizeof(name), PREFIX "%s", m->v[i].key);
		if (attr_set(fd, name, m->v[i].value, strlen(m->v[i].value)) ==
		    0)
			continue;
		if (errno == ENOTSUP)
			return 0; /* this file system keeps none */
		return err_sys(e, "error setting metadata");
	}
	return 0;
}
