#include "ctl/monitor/monitor.h"

#include <signal.h>
#include <string.h>
#include <sys/procctl.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#include <unistd.h>

int
os_subreaper(struct err *e)
{
	if (procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL) < 0)
		return err_sys(e, "PROC_REAP_ACQUIRE");
	return 0;
}

/* No capabilities to drop: what setresuid() leaves is an ordinary user. */
int
os_drop_bounding(void)
{
	return 0;
}

int
os_die_with_parent(void)
{
	int sig = SIGKILL;

	return procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &sig);
}

int
os_no_new_privs(void)
{
	int how = PROC_NO_NEW_PRIVS_ENABLE;

	return procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &how);
}

int
os_exe_dir(char *to, size_t cap, struct err *e)
{
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1 };
	char *slash;

	if (sysctl(mib, 4, to, &cap, NULL, 0) < 0)
		return err_sys(e, "the path of coppiced");
	slash = strrchr(to, '/');
	if (slash == NULL)
		return err_set(e, ERR_SYS, "\"%s\" is no path", to);
	*slash = '\0';
	return 0;
}
