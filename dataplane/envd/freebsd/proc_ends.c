#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/proc_int.h"

/*
 * The other end has nothing but a name, below a /dev that is the sandbox's:
 * what is found there must not keep us waiting, and be a terminal.
 */
static int
open_other(int fd)
{
	char name[64];
	autoclose int other = -1;

	if (ptsname_r(fd, name, sizeof(name)) != 0)
		return -1;
	other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (other < 0 || !isatty(other) || fcntl(other, F_SETFL, 0) < 0)
		return -1;
	return take_fd(&other);
}

int
proc_tty(const struct user *u, int *ours, int *theirs)
{
	autoclose int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	autoclose int other = -1;

	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	other = open_other(fd);
	if (other < 0 || fchown(other, u->uid, (gid_t)-1) < 0)
		return -1;
	*ours = take_fd(&fd);
	*theirs = take_fd(&other);
	return 0;
}

/* /dev/stdout is the descriptor itself, whoever opens it. */
int
proc_pipe_give(int fd, const struct user *u)
{
	(void)fd;
	(void)u;
	return 0;
}
