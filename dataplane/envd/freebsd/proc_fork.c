#include <signal.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "envd/proc_int.h"

/*
 * Nobody can stop a child that has not executed yet, and us with it: the
 * kernel holds such signals back.  Nor has the kernel a score by which it
 * picks its victims; who starts us may have protected us (protect(1)).
 */
int
proc_fork_set_up(int oom_fd, struct err *e)
{
	(void)oom_fd;
	(void)e;
	return 0;
}

/* The threads library would note it in its table, which is the parent's. */
void
proc_fork_default(int sig)
{
	struct sigaction none = { .sa_handler = SIG_DFL };

	(void)syscall(SYS_sigaction, sig, &none, NULL);
}

/*
 * Without a pid 1 that no signal reaches, one to "all of my group" would be
 * one to us: each has a group of its own.
 */
int
proc_fork_become(const struct spawn *s)
{
	const struct user *u = s->u;

	if (s->tty ? setlogin(u->name) < 0 : setpgid(0, 0) < 0)
		return -1;
	if (setgroups((int)u->ngroups, u->groups) < 0)
		return -1;
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return -1;
	return setresuid(u->uid, u->uid, u->uid);
}

pid_t
proc_fork(struct spawn *s)
{
	pid_t pid = vfork();

	if (pid == 0)
		proc_child(s);
	return pid;
}
