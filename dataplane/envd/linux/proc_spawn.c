/*
 * Starting a program, fast: the child borrows our memory until it executes, as
 * vfork does, but on a stack of its own.  So it must not allocate, must not
 * return, and may touch nothing but its stack and *s.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
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
void
proc_spawn_oom(int fd)
{
	ssize_t n = fd >= 0 ? pread(fd, oom.ours, sizeof(oom.ours) - 1, 0) : -1;
	int score;

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

int
proc_spawn_guard(struct err *e)
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

/* --- in the child ---------------------------------------------------------*/

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
	set_score(oom.theirs);
	guard_arm(true);
	pid = clone(child, stack + sizeof(stack),
	    CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | SIGCHLD, s,
	    &guard.child);
	keep = errno;
	__atomic_store_n(&guard.child, 0, __ATOMIC_SEQ_CST);
	guard_arm(false);
	set_score(oom.ours);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid > 0 && s->err != 0) {
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	errno = keep;
	return pid;
}
