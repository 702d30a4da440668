/* Starting a kernel: a session of its own, which does not outlive us. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "code/kernel_int.h"

/* A kernel goes before the server when memory is short. */
static void
go_first(void)
{
	autoclose int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	char text[16] = "";
	long now;
	int n;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	now = strtol(text, NULL, 10) + 100;
	n = snprintf(text, sizeof(text), "%ld", now < 1000 ? now : 1000);
	if (pwrite(fd, text, (size_t)n, 0) < 0)
		return; /* as it was, then */
}

static void
reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int
place_fds(const struct kernel_spawn *s)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
		return -1;
	if (s->fd3 >= 0 && s->fd3 != 3 && dup2(s->fd3, 3) < 0)
		return -1;
	if (s->fd3 == 3 && fcntl(3, F_SETFD, 0) < 0)
		return -1;
	if (null > 2)
		(void)fcntl(null, F_SETFD, FD_CLOEXEC);
	return close_range(s->fd3 >= 0 ? 4 : 3, ~0u, CLOSE_RANGE_CLOEXEC);
}

static _Noreturn void
child(const struct kernel_spawn *s, pid_t parent, int tell)
{
	int sys;

	(void)setsid();
	reset_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	go_first();
	(void)umask(022);
	if (chdir(s->cwd) == 0 && place_fds(s) == 0)
		(void)execvpe(s->argv[0], s->argv, s->envp);
	sys = errno;
	if (write(tell, &sys, sizeof(sys)) < 0)
		_exit(126);
	_exit(127);
}

pid_t
kernel_spawn(const struct kernel_spawn *s, struct err *e)
{
	autoclose int heard = -1, tell = -1;
	pid_t parent = getpid(), pid;
	int pipes[2], sys = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	heard = pipes[0];
	/* Clear of the place that the kernel's own descriptor takes. */
	tell = fcntl(pipes[1], F_DUPFD_CLOEXEC, 10);
	(void)close(pipes[1]);
	if (tell < 0)
		return err_sys(e, "pipe");
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		child(s, parent, tell);
	drop_fd(&tell);
	/* Closed without a word when the program runs. */
	if (read(heard, &sys, sizeof(sys)) == (ssize_t)sizeof(sys)) {
		errno = sys;
		return err_sys(e, "%s in %s", s->argv[0], s->cwd);
	}
	return pid;
}
