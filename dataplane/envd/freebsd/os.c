#include "envd/os.h"

#include <malloc_np.h>
#include <signal.h>
#include <stdio.h>
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

/* jemalloc unmaps by itself what is larger than its classes. */
void
os_memory_set_up(void)
{
}

void
os_memory_give_back(void)
{
	char name[48];

	(void)snprintf(
	    name, sizeof(name), "arena.%d.purge", MALLCTL_ARENAS_ALL);
	(void)mallctl(name, NULL, NULL, NULL, 0);
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
