#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "envd/proc_int.h"
#include "io/log.h"

enum {
	STACK_BYTES = 48 * 1024,
	GUARD_STACK = 64 * 1024,
	/* Of what a child does before it executes, some tenths of one. */
	GUARD_MS = 50,
	GUARD_AGAIN_MS = 2,
	GUARD_TIMES = 1500,
};

/* --- who dies first when memory is short ---------------------------------*/

enum { OOM_MORE = 100, OOM_MOST = 1000 };

static struct {
	int fd;
	char ours[16], theirs[16];
} oom = { .fd = -1 };

/*
 * Our own score, as init opened it: to us, whom nobody may look at, the file
 * is the host's.
 */
static void
open_score(int fd)
{
	ssize_t n;
	int score;

	if (fd < 0)
		fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	n = fd >= 0 ? pread(fd, oom.ours, sizeof(oom.ours) - 1, 0) : -1;

	if (n <= 0)
		return;
	score = atoi(oom.ours);
	(void)snprintf(oom.ours, sizeof(oom.ours), "%d", score);
	(void)snprintf(oom.theirs, sizeof(oom.theirs), "%d",
	    score < OOM_MOST - OOM_MORE ? score + OOM_MORE : OOM_MOST);
	oom.fd = fd;
}

/*
 * Killed before us: a child is born with the score that we have at the time,
 * and so are its own, however early it forks.
 */
static void
set_score(const char *score)
{
	if (oom.fd >= 0 && pwrite(oom.fd, score, strlen(score), 0) < 0)
		log_debug("proc.oom_score errno=%d", errno);
}

/* --- who sees to it that we get on ----------------------------------------*/

/*
 * We wait for a child until it executes, and whoever may stop it, which no
 * mask prevents, would stop us with it.  A thread of ours cannot be stopped
 * from inside: it wakes the child again, and ends it if that does not help.
 */
static struct {
	int timer;
	pid_t child; /* 0 once it has executed */
} guard = { .timer = -1 };

static void *
keep_awake(void *arg)
{
	unsigned times = 0;
	uint64_t fired;

	(void)arg;
	while (read(guard.timer, &fired, sizeof(fired)) == sizeof(fired)) {
		pid_t pid = __atomic_load_n(&guard.child, __ATOMIC_SEQ_CST);

		times = pid > 0 ? times + 1 : 0;
		if (pid > 0)
			(void)kill(
			    pid, times < GUARD_TIMES ? SIGCONT : SIGKILL);
	}
	return NULL;
}

static void
guard_arm(bool on)
{
	struct itimerspec at = { .it_value = { 0, GUARD_MS * 1000000 },
		.it_interval = { 0, GUARD_AGAIN_MS * 1000000 } };

	if (!on)
		at = (struct itimerspec){ 0 };
	if (guard.timer >= 0)
		(void)timerfd_settime(guard.timer, 0, &at, NULL);
}

static int
start_guard(struct err *e)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t t;
	int rc;

	guard.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (guard.timer < 0)
		return err_sys(e, "timerfd");
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, GUARD_STACK);
	rc = pthread_create(&t, &attr, keep_awake, NULL);
	(void)pthread_attr_destroy(&attr);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		return 0;
	errno = rc;
	return err_sys(e, "thread");
}

int
proc_fork_set_up(int oom_fd, struct err *e)
{
	if (start_guard(e) < 0)
		return -1;
	open_score(oom_fd);
	return 0;
}

/* --- the child ------------------------------------------------------------*/

void
proc_fork_default(int sig)
{
	(void)signal(sig, SIG_DFL);
}

/* The libc's own would want to tell other threads; there are none. */
int
proc_fork_become(const struct spawn *s)
{
	const struct user *u = s->u;

	if (syscall(SYS_setgroups, u->ngroups, u->groups) < 0)
		return -1;
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return -1;
	return (int)syscall(SYS_setresuid, u->uid, u->uid, u->uid);
}

static int
child(void *arg)
{
	proc_child(arg);
}

/* On a stack of its own. */
pid_t
proc_fork(struct spawn *s)
{
	static char stack[STACK_BYTES] __attribute__((aligned(16)));
	pid_t pid;
	int keep;

	set_score(oom.theirs);
	guard_arm(true);
	pid = clone(child, stack + sizeof(stack),
	    CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, s,
	    &guard.child);
	keep = errno;
	__atomic_store_n(&guard.child, 0, __ATOMIC_SEQ_CST);
	guard_arm(false);
	set_score(oom.ours);
	errno = keep;
	return pid;
}
