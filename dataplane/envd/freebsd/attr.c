#include "envd/attr.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/extattr.h>

#include "base/own.h"

static ssize_t
list(const char *path, int fd, void *to, size_t cap)
{
	return path != NULL
		   ? extattr_list_file(path, EXTATTR_NAMESPACE_USER, to, cap)
		   : extattr_list_fd(fd, EXTATTR_NAMESPACE_USER, to, cap);
}

/* Each comes with its length in front, which takes the room of an end. */
char *
attr_names(const char *path, int fd)
{
	autofree unsigned char *all = NULL;
	ssize_t n = list(path, fd, NULL, 0), i = 0;
	char *names;

	if (n <= 0 || n > ATTR_NAMES_MAX)
		return NULL;
	all = malloc((size_t)n);
	names = malloc((size_t)n + 1);
	if (all != NULL && names != NULL)
		n = list(path, fd, all, (size_t)n);
	else
		n = -1;
	while (i < n && i + 1 + all[i] <= n) {
		memcpy(names + i, all + i + 1, all[i]);
		names[i + all[i]] = '\0';
		i += 1 + all[i];
	}
	if (i <= 0) {
		free(names);
		return NULL;
	}
	names[i] = '\0';
	return names;
}

ssize_t
attr_get(const char *path, const char *name, void *to, size_t cap)
{
	return extattr_get_file(path, EXTATTR_NAMESPACE_USER, name, to, cap);
}

int
attr_set(int fd, const char *name, const void *value, size_t n)
{
	ssize_t rc = extattr_set_fd(fd, EXTATTR_NAMESPACE_USER, name, value, n);

	return rc < 0 ? -1 : 0;
}

void
attr_remove(int fd, const char *name)
{
	(void)extattr_delete_fd(fd, EXTATTR_NAMESPACE_USER, name);
}
