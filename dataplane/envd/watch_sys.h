/*
 * envd/watch_sys.h - inotify as watch.c uses it: linux/watch_sys.c,
 * freebsd/watch_sys.c.
 *
 * FreeBSD 15 has it, numbers and all; older ones have neither it nor its
 * header.
 */
#ifndef ENVD_WATCH_SYS_H
#define ENVD_WATCH_SYS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SEEN_MODIFY = 0x2,
	SEEN_ATTRIB = 0x4,
	SEEN_MOVED_FROM = 0x40,
	SEEN_MOVED_TO = 0x80,
	SEEN_CREATE = 0x100,
	SEEN_DELETE = 0x200,
	SEEN_DELETE_SELF = 0x400,
	SEEN_MOVE_SELF = 0x800,
	/* What comes unasked. */
	SEEN_OVERFLOW = 0x4000,
	SEEN_IGNORED = 0x8000,
	SEEN_ISDIR = 0x40000000,
};

#define SEEN_ALL                                                               \
	(SEEN_MODIFY | SEEN_ATTRIB | SEEN_MOVED_FROM | SEEN_MOVED_TO |         \
	    SEEN_CREATE | SEEN_DELETE | SEEN_DELETE_SELF | SEEN_MOVE_SELF)

struct seen {
	int wd;
	uint32_t mask;
	uint32_t cookie;
	uint32_t len;
	char name[];
};

/* All -1 with errno.  ENOSYS: this kernel has none. */
int watch_sys_open(void);
/* Of a directory, for SEEN_ALL: its number. */
int watch_sys_add(int fd, const char *path);
void watch_sys_remove(int fd, int wd);

/* Where others change files unseen by this kernel. */
bool watch_sys_network(const char *path);

#endif
