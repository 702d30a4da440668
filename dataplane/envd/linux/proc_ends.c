#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/proc_int.h"

/* The other end by its descriptor: no name has to lead there. */
int
proc_tty(const struct user *u, int *ours, int *theirs)
{
	autoclose int fd =
	    open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	autoclose int other = -1;
	int zero = 0;

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &zero) < 0)
		return -1;
	other = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other < 0 || fchown(other, u->uid, (gid_t)-1) < 0)
		return -1;
	*ours = take_fd(&fd);
	*theirs = take_fd(&other);
	return 0;
}

/* /dev/stdout opens the pipe anew. */
int
proc_pipe_give(int fd, const struct user *u)
{
	return u->uid == 0 ? 0 : fchown(fd, u->uid, u->gid);
}
