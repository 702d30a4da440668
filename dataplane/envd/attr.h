/*
 * envd/attr.h - extended attributes that a file's owner may set, by names
 * without what says so: linux/attr.c, freebsd/attr.c.
 */
#ifndef ENVD_ATTR_H
#define ENVD_ATTR_H

#include <sys/types.h>

enum { ATTR_NAME_MAX = 250, ATTR_NAMES_MAX = 64 * 1024 };

/*
 * Of what path leads to, or, without a path, of fd: the names, each with its
 * terminator and an empty one behind the last; to be freed.  NULL: none, or
 * nothing that could be read.
 */
char *attr_names(const char *path, int fd);
/* Its length; -1 with errno. */
ssize_t attr_get(const char *path, const char *name, void *to, size_t cap);
/* -1 with errno; ENOTSUP: this file system keeps none. */
int attr_set(int fd, const char *name, const void *value, size_t n);
void attr_remove(int fd, const char *name);

#endif
