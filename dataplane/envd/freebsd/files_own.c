/* Files that envd could open, being who it is, and must not for others. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/mount.h>
#include <unistd.h>

#include "envd/files.h"
#include "envd/freebsd/fd_path.h"

static bool
on_proc(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 &&
	       (strcmp(s.f_fstypename, "linprocfs") == 0 ||
		   strcmp(s.f_fstypename, "procfs") == 0);
}

/* Wherever it is mounted, a file about us is below our number there. */
int
files_own(int fd, const struct stat *st)
{
	char path[PATH_MAX], own[32];

	(void)st;
	if (!on_proc(fd))
		return 0;
	if (fd_path(fd, path, sizeof(path)) < 0)
		return -1;
	(void)snprintf(own, sizeof(own), "/%d/", (int)getpid());
	if (path[0] != '\0' && strstr(path, own) == NULL)
		return 0;
	errno = EACCES;
	return -1;
}
