/*
 * Starting a program, fast: the child borrows our memory until it executes, as
 * vfork does, but on a stack of its own.  So it must not allocate, must not
 * return, and may touch nothing but its stack and *s.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/proc_int.h"
#include "io/log.h"

enum { STACK_BYTES = 48 * 1024 };

static void
say(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		return; /* nobody listens */
}

static void __attribute__((noreturn)) give_up(const struct spawn *s, int err)
{
	say("exec: ");
	say(s->cmd);
	say(": ");
	if (err == ENOENT || err == ENOTDIR)
		say("not found");
	else if (err == EACCES)
		say("Permission denied");
	else if (err == E2BIG)
		say("Argument list too long");
	else
		say("cannot execute");
	say("\n");
	_exit(err == ENOENT || err == ENOTDIR ? 127 : 126);
}

/* A script without a first line that names its interpreter is sh's. */
static void
try_exec(const struct spawn *s, char *path)
{
	char *keep = s->argv[0];

	(void)execve(path, s->argv, s->envp);
	if (errno != ENOEXEC)
		return;
	s->argv[-1] = unconst("/bin/sh");
	s->argv[0] = path;
	(void)execve("/bin/sh", s->argv - 1, s->envp);
	s->argv[0] = keep;
}

static int
search(const struct spawn *s)
{
	char path[PATH_MAX];
	size_t len = strlen(s->cmd);
	const char *at = s->path;
	int err = ENOENT;

	if (len == 0 || len >= sizeof(path))
		return ENOENT;
	if (strchr(s->cmd, '/') != NULL) {
		memcpy(path, s->cmd, len + 1);
		try_exec(s, path);
		return errno;
	}
	for (;;) {
		size_t n = strcspn(at, ":");

		if (n + 1 + len < sizeof(path)) {
			memcpy(path, at, n);
			path[n] = '/';
			memcpy(path + n + (n > 0), s->cmd, len + 1);
			try_exec(s, path);
			if (errno == EACCES)
				err = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR)
				return errno;
		}
		if (at[n] == '\0')
			return err;
		at += n + 1;
	}
}

/*
 * Killed before us when memory is short.  The child cannot say so itself: for
 * as long as it has our memory, which nobody may look at, its files in /proc
 * are the host's.
 */
static void
raise_oom_score(pid_t pid)
{
	char path[48];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* it has ended, or is a program that nobody may read */
	if (write(fd, "100", 3) < 0)
		log_debug("proc.oom_score pid=%d errno=%d", (int)pid, errno);
	(void)close(fd);
}

/* The libc's own would want to tell other threads; there are none. */
static int
become(const struct user *u)
{
	if (syscall(SYS_setgroups, u->ngroups, u->groups) < 0)
		return -1;
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, u->uid, u->uid, u->uid);
}

static int
set_up(const struct spawn *s)
{
	if (s->tty && setsid() < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(s->fd[i], i) < 0)
			return -1;
	if (s->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		return -1;
	if (setrlimit(RLIMIT_NOFILE, s->nofile) < 0)
		return -1;
	if (become(s->u) < 0)
		return -1;
	return chdir(s->cwd);
}

static int
child(void *arg)
{
	static const int ours[] = { SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP };
	struct spawn *s = arg;
	sigset_t none;

	/* Our handlers must not run here: their memory is the parent's. */
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		(void)signal(ours[i], SIG_DFL);
	if (set_up(s) < 0) {
		s->err = errno;
		_exit(127);
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	give_up(s, search(s));
}

pid_t
proc_spawn(struct spawn *s)
{
	static char stack[STACK_BYTES] __attribute__((aligned(16)));
	sigset_t all, old;
	pid_t pid;
	int keep;

	s->err = 0;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = clone(
	    child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, s);
	keep = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid > 0 && s->err != 0) {
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	if (pid > 0)
		raise_oom_score(pid);
	errno = keep;
	return pid;
}
