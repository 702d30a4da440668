/*
 * Starting a program, fast: the child borrows our memory until it executes, as
 * vfork does.  So it must not allocate, must not return, and may touch nothing
 * but its stack and *s.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/proc_int.h"

static void
say(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		return; /* nobody listens */
}

static void __attribute__((noreturn)) give_up(struct spawn *s, int err)
{
	/* No program could be run so: it is the request that is wrong. */
	if (err == E2BIG) {
		s->err = err;
		_exit(126);
	}
	say("exec: ");
	say(s->cmd);
	say(": ");
	if (err == ENOENT || err == ENOTDIR)
		say("not found");
	else if (err == EACCES)
		say("Permission denied");
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
	if (proc_fork_become(s) < 0)
		return -1;
	return chdir(s->cwd);
}

void
proc_child(struct spawn *s)
{
	static const int ours[] = { SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGHUP };
	sigset_t none;

	/* Our handlers must not run here: their memory is the parent's. */
	for (size_t i = 0; i < countof(ours); i++)
		proc_fork_default(ours[i]);
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
	sigset_t all, old;
	pid_t pid;
	int keep;

	s->err = 0;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = proc_fork(s);
	keep = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid > 0 && s->err != 0) {
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	errno = keep;
	return pid;
}
