/* Files that envd could open, being who it is, and must not for others. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/files.h"

static bool
on_proc(const struct stat *st)
{
	struct stat root;

	return stat("/proc/self", &root) == 0 && root.st_dev == st->st_dev;
}

/* Where it is, by any link: /proc/self, a thread of ours, /proc/1. */
int
files_own(int fd, const struct stat *st)
{
	char link[40], at[64] = "", own[32];
	int n;

	if (!on_proc(st))
		return 0;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, at, sizeof(at) - 1) < 0)
		return -1;
	n = snprintf(own, sizeof(own), "/proc/%d/", (int)getpid());
	if (strncmp(at, own, (size_t)n) != 0)
		return 0;
	errno = EACCES;
	return -1;
}
