#include "sub_int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

static int
by_value(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Another slot's network must not live for as long as a helper does. */
static void
close_others(int *keep, size_t n)
{
	int from = 3;

	qsort(keep, n, sizeof(*keep), by_value);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			(void)syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	(void)syscall(SYS_close_range, from, ~0u, 0);
}

static void
plain_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t
helper_fork(int *keep, size_t n, struct err *e)
{
	const pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid > 0)
		return pid;
	plain_signals();
	/* The next privd finds and finishes what we leave. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	close_others(keep, n);
	return 0;
}
