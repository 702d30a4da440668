#include "envd/watch_sys.h"

#include <stddef.h>
#include <sys/inotify.h>
#include <sys/vfs.h>

#include "base/own.h"

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

int
watch_sys_open(void)
{
	return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

int
watch_sys_add(int fd, const char *path)
{
	return inotify_add_watch(fd, path, SEEN_ALL | IN_ONLYDIR);
}

void
watch_sys_remove(int fd, int wd)
{
	(void)inotify_rm_watch(fd, wd);
}

bool
watch_sys_network(const char *path)
{
	/* NFS, CIFS, SMB, SMB2, FUSE */
	static const uint32_t magic[] = { 0x6969, 0xff534d42, 0x517b,
		0xfe534d42, 0x65735546 };
	struct statfs s;

	if (statfs(path, &s) < 0)
		return false;
	for (size_t i = 0; i < countof(magic); i++)
		if ((uint32_t)s.f_type == magic[i])
			return true;
	return false;
}
