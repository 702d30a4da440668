#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

int
file_put(int dir, const char *path, const char *text)
{
	autoclose int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	const size_t len = strlen(text);

	if (fd < 0)
		return -1;
	if (write(fd, text, len) != (ssize_t)len)
		return -1;
	return 0;
}

int
file_get(int dir, const char *path, char *to, size_t room)
{
	autoclose int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t have = 0;

	if (fd < 0)
		return -1;
	while (have < room - 1) {
		ssize_t n = read(fd, to + have, room - 1 - have);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	to[have] = '\0';
	return (int)have;
}

int
file_number(int dir, const char *path, uint64_t *out)
{
	char text[64], *end;

	if (file_get(dir, path, text, sizeof(text)) < 0)
		return -1;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (end == text)
		errno = EINVAL;
	return errno == 0 ? 0 : -1;
}

int
file_keyed(int dir, const char *path, const char *key, uint64_t *out)
{
	const size_t n = strlen(key);
	char text[8192];

	if (file_get(dir, path, text, sizeof(text)) < 0)
		return -1;
	for (const char *p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, n) == 0 && p[n] == ' ') {
			*out = strtoull(p + n, NULL, 10);
			return 0;
		}
	}
	errno = ENOENT;
	return -1;
}
