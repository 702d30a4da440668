/*
 * inotify(2) of FreeBSD 15, by the numbers of its system calls: a program made
 * for 14 starts there and finds it where it is.  A kernel without it knows no
 * such descriptor, and says so before a number is used that it does not have.
 */
#include "envd/watch_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/param.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/own.h"

#if __has_include(<sys/inotify.h>)
#include <stddef.h>
#include <sys/inotify.h>
_Static_assert(SEEN_ALL == (IN_MODIFY | IN_ATTRIB | IN_MOVE | IN_CREATE |
			       IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF),
    "what is asked for");
_Static_assert(SEEN_OVERFLOW == IN_Q_OVERFLOW && SEEN_IGNORED == IN_IGNORED &&
		   SEEN_ISDIR == IN_ISDIR,
    "what comes");
_Static_assert(
    sizeof(struct seen) == sizeof(struct inotify_event) &&
	offsetof(struct seen, name) == offsetof(struct inotify_event, name),
    "its form");
#endif

enum {
	/* <sys/syscall.h> of 15 */
	CALL_SPECIALFD = 577,
	CALL_ADD_WATCH_AT = 593,
	CALL_RM_WATCH = 594,
	/* <sys/specialfd.h>: SPECIALFD_INOTIFY */
	KIND_INOTIFY = 2,
	/* <sys/inotify.h>: IN_ONLYDIR */
	ONLY_DIRECTORIES = 0x01000000,
};

int
watch_sys_open(void)
{
	int flags = O_CLOEXEC | O_NONBLOCK; /* as IN_CLOEXEC, IN_NONBLOCK */
	int fd =
	    (int)syscall(CALL_SPECIALFD, KIND_INOTIFY, &flags, sizeof(flags));

	if (fd < 0 && errno == EINVAL)
		errno = ENOSYS;
	return fd;
}

int
watch_sys_add(int fd, const char *path)
{
	return (int)syscall(
	    CALL_ADD_WATCH_AT, fd, AT_FDCWD, path, SEEN_ALL | ONLY_DIRECTORIES);
}

void
watch_sys_remove(int fd, int wd)
{
	(void)syscall(CALL_RM_WATCH, fd, wd);
}

bool
watch_sys_network(const char *path)
{
	static const char *const kinds[] = { "nfs", "smbfs", "fusefs", "p9fs" };
	struct statfs s;

	if (statfs(path, &s) < 0)
		return false;
	for (size_t i = 0; i < countof(kinds); i++)
		if (strncmp(s.f_fstypename, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}
