#include "envd/os.h"

#include <malloc_np.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/procctl.h>
#include <unistd.h>

/*
 * Neither ptrace(2) nor a core dump, nor what sysctl(3) tells of memory and
 * environment; a child has it too, until it executes.
 */
void
os_hide(void)
{
	int how = PROC_TRACE_CTL_DISABLE;

	(void)procctl(P_PID, getpid(), PROC_TRACE_CTL, &how);
}

void
os_ignore_nothing(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
}

/*
 * jemalloc would keep for its own next time what was freed, and say so to the
 * kernel only when that runs short.  It reads this before main().
 */
extern const char *malloc_conf;
const char *malloc_conf = "retain:false,dirty_decay_ms:0,muzzy_decay_ms:0";

void
os_memory_set_up(void)
{
}

void
os_memory_give_back(void)
{
	(void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
}

/*
 * A jail has no pid 1.  They are told apart from our own by their pids, as
 * there; a descendant that becomes a reaper itself keeps its own.
 */
int
os_adopt_orphans(struct err *e)
{
	if (procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL) < 0)
		return err_sys(e, "PROC_REAP_ACQUIRE");
	return 0;
}
