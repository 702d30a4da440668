#include "visit.h"

#include <errno.h>
#include <sys/param.h>
#include <sys/jail.h>
#include <sys/wait.h>
#include <unistd.h>

struct visit {
	int jid, keep;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	volatile int rc;
};

static void
close_others(int keep)
{
	if (keep > 3)
		(void)close_range(3, (unsigned)keep - 1, 0);
	closefrom(keep < 3 ? 3 : keep + 1);
}

static _Noreturn void
child(struct visit *v)
{
	close_others(v->keep);
	if (jail_attach(v->jid) < 0)
		v->rc = err_sys(v->e, "enter jail %d", v->jid);
	else
		v->rc = v->fn(v->arg, v->e);
	_exit(0);
}

int
visit_jail(int jid, int keep, int (*fn)(void *arg, struct err *e), void *arg,
    struct err *e)
{
	struct visit v = { jid, keep, fn, arg, e, 0 };
	int status;
	pid_t pid;

	/* What stands if the child does not come to say anything. */
	v.rc = err_set(e, ERR_SYS, "jail %d: the visitor was killed", jid);
	pid = vfork();
	if (pid == 0)
		child(&v);
	if (pid < 0)
		return err_sys(e, "vfork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return v.rc;
}
