#include <errno.h>

#include "envd/files.h"

int
files_refused(int fd, const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return files_own(fd, st);
	errno = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
	return -1;
}
