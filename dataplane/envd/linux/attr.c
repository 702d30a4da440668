#include "envd/attr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/own.h"

#define SPACE	  "user."
#define SPACE_LEN (sizeof(SPACE) - 1)

enum { FULL_MAX = SPACE_LEN + ATTR_NAME_MAX + 1 };

static const char *
full(const char *name, char to[FULL_MAX])
{
	(void)snprintf(to, FULL_MAX, SPACE "%s", name);
	return to;
}

static ssize_t
list(const char *path, int fd, char *to, size_t cap)
{
	return path != NULL ? listxattr(path, to, cap)
			    : flistxattr(fd, to, cap);
}

char *
attr_names(const char *path, int fd)
{
	autofree char *all = NULL;
	ssize_t n = list(path, fd, NULL, 0);
	size_t len = 0;

	if (n <= 0 || n > ATTR_NAMES_MAX)
		return NULL;
	all = malloc((size_t)n + 1);
	if (all == NULL)
		return NULL;
	n = list(path, fd, all, (size_t)n);
	for (ssize_t i = 0, size; i < n; i += size) {
		size = (ssize_t)strlen(all + i) + 1;
		if (strncmp(all + i, SPACE, SPACE_LEN) != 0)
			continue;
		memmove(
		    all + len, all + i + SPACE_LEN, (size_t)size - SPACE_LEN);
		len += (size_t)size - SPACE_LEN;
	}
	all[len] = '\0';
	return take(&all);
}

ssize_t
attr_get(const char *path, const char *name, void *to, size_t cap)
{
	char whole[FULL_MAX];

	return getxattr(path, full(name, whole), to, cap);
}

int
attr_set(int fd, const char *name, const void *value, size_t n)
{
	char whole[FULL_MAX];

	return fsetxattr(fd, full(name, whole), value, n, 0);
}

void
attr_remove(int fd, const char *name)
{
	char whole[FULL_MAX];

	(void)fremovexattr(fd, full(name, whole));
}
