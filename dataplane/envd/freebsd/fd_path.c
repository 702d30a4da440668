#include "envd/freebsd/fd_path.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/user.h>

int
fd_path(int fd, char *to, size_t cap)
{
	struct kinfo_file kif = { .kf_structsize = sizeof(kif) };

	if (fcntl(fd, F_KINFO, &kif) < 0)
		return -1;
	(void)snprintf(to, cap, "%s", kif.kf_path);
	return 0;
}
