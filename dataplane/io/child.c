#include "io/child.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

int
child_fd(const char *name)
{
	const char *p = getenv("COPPICE_FDS");
	size_t n = strlen(name);

	while (p != NULL && *p != '\0') {
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			char *end;
			long fd = strtol(p + n + 1, &end, 10);

			if (end == p + n + 1 || fd < 0 || fd > 65535 ||
			    fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
				return -1;
			return (int)fd;
		}
		p = strchr(p, ',');
		if (p != NULL)
			p++;
	}
	return -1;
}
