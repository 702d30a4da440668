#include "sub_int.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procctl.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"

static int
by_value(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
close_others(int *keep, size_t n)
{
	int from = 3;

	qsort(keep, n, sizeof(*keep), by_value);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < from)
			continue;
		if (keep[i] > from)
			(void)close_range(
			    (unsigned)from, (unsigned)keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	closefrom(from);
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

static int
end_with_parent(int sig, struct err *e)
{
	if (procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &sig) < 0)
		return err_sys(e, "PROC_PDEATHSIG_CTL");
	return 0;
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
	if (end_with_parent(SIGKILL, e) < 0 || getppid() != parent)
		_exit(1);
	close_others(keep, n);
	return 0;
}

pid_t
helper_fork_disk(
    const struct substrate *s, const int *keep, size_t n, struct err *e)
{
	int all[DISK_FDS + 8];

	if (n > countof(all) - DISK_FDS)
		return err_set(e, ERR_BUG, "a helper with %zu descriptors", n);
	disk_fds(s->disk, all);
	memcpy(all + DISK_FDS, keep, n * sizeof(*keep));
	return helper_fork(all, DISK_FDS + n, e);
}

int
helper_release(struct err *e)
{
	return end_with_parent(0, e);
}

void
helper_pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}
