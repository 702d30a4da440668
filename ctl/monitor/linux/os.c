#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int
os_subreaper(struct err *e)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, "PR_SET_CHILD_SUBREAPER");
	return 0;
}

int
os_drop_bounding(void)
{
	/* Up to the first number that this kernel does not know. */
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL && cap > 0 ? 0 : -1;
	return 0;
}

int
os_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

int
os_no_new_privs(void)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
os_exe_dir(char *to, size_t cap, struct err *e)
{
	ssize_t n = readlink("/proc/self/exe", to, cap);
	char *slash;

	if (n < 0)
		return err_sys(e, "/proc/self/exe");
	if ((size_t)n >= cap)
		return err_set(e, ERR_SYS, "the path of coppiced is too long");
	to[n] = '\0';
	slash = strrchr(to, '/');
	if (slash == NULL)
		return err_set(e, ERR_SYS, "\"%s\" is no path", to);
	*slash = '\0';
	return 0;
}
