#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"

/*
 * A file without content, one byte of which stands for each thing.  To close
 * it is to unlock all.
 */

enum { FILES_FROM = 1 << 20 }; /* above all slots */

static int fd = -1;

static int
lock_byte(const struct substrate *s, off_t at, struct err *e)
{
	struct flock l = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1 };
	char path[CONF_TEXT_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/locks", s->cf.state_dir);
	if (fd < 0)
		fd =
		    open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "%s", path);
	while (fcntl(fd, F_SETLKW, &l) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock %s", path);
	return 0;
}

int
lock_slot(const struct substrate *s, uint32_t slot, struct err *e)
{
	return lock_byte(s, (off_t)slot, e);
}

/* Two ids may share a byte: they wait for each other then. */
int
lock_files(const struct substrate *s, const char *id, struct err *e)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = id; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return lock_byte(s, (off_t)FILES_FROM + h, e);
}

void
lock_release(void)
{
	drop_fd(&fd);
}
