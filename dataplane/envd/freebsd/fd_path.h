/* envd/freebsd/fd_path.h - apart from envd.h: <sys/user.h> has a user too. */
#ifndef ENVD_FD_PATH_H
#define ENVD_FD_PATH_H

#include <stddef.h>

/* Where fd leads to, "" if the system cannot tell; -1 with errno. */
int fd_path(int fd, char *to, size_t cap);

#endif
