/* ctl.c - pfctl(8), where the kernel takes no rules by netlink. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/types.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "pf/freebsd/dev.h"

#define PFCTL "/sbin/pfctl"

static int
start(const char *const argv[], int in, int complain, pid_t *pid)
{
	static char *const env[] = { NULL };
	posix_spawn_file_actions_t acts;
	int rc = posix_spawn_file_actions_init(&acts);

	if (rc != 0)
		return rc;
	rc = posix_spawn_file_actions_adddup2(&acts, in, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    &acts, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&acts, complain, 2);
	if (rc == 0)
		rc = posix_spawn(pid, PFCTL, &acts, NULL, unconst(argv), env);
	(void)posix_spawn_file_actions_destroy(&acts);
	return rc;
}

/* The last line is the reason; before it there may be hundreds of warnings. */
static void
read_complaint(int fd, char *to, size_t max)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > (off_t)max - 1 ? end - (off_t)max + 1 : 0;
	ssize_t n = pread(fd, to, max - 1, from);
	char *line;

	to[n > 0 ? n : 0] = '\0';
	while (n > 0 && to[n - 1] == '\n')
		to[--n] = '\0';
	line = strrchr(to, '\n');
	if (line != NULL)
		memmove(to, line + 1, strlen(line));
}

static int
memory_file(const char *text, size_t len)
{
	int fd = memfd_create("pfctl", MFD_CLOEXEC);

	if (fd >= 0 && len > 0 && pwrite(fd, text, len, 0) != (ssize_t)len)
		drop_fd(&fd);
	return fd;
}

int
pf_ctl(const char *const argv[], const char *text, size_t len, struct err *e)
{
	autoclose int in = memory_file(text == NULL ? "" : text, len);
	autoclose int complain = memory_file("", 0);
	char why[2048];
	int rc, status;
	pid_t pid;

	if (in < 0 || complain < 0)
		return err_sys(e, "pfctl");
	rc = start(argv, in, complain, &pid);
	if (rc != 0) {
		errno = rc;
		return err_sys(e, PFCTL);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, PFCTL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_complaint(complain, why, sizeof(why));
	return err_set(e, ERR_SYS, "pfctl: %.200s", why);
}
