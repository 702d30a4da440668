#include "../drop.h"

#include <stdbool.h>
#include <sys/procctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

static int
control(int what, int how, const char *name, struct err *e)
{
	if (procctl(P_PID, 0, what, &how) < 0)
		return err_sys(e, "%s", name);
	return 0;
}

static int
holds(int what, int want, const char *name, struct err *e)
{
	int have = -1;

	if (procctl(P_PID, 0, what, &have) < 0)
		return err_sys(e, "%s", name);
	if (have != want)
		return err_set(e, ERR_SYS, "%s: %d, not %d", name, have, want);
	return 0;
}

/*
 * Root's rights come in one piece here, and neither /dev/pf, jails nor mounts
 * can be had in capability mode.  What can go: nobody debugs, traces or dumps
 * this process, and no program that it starts is more than it is.
 */
int
priv_drop(const unsigned *keep, size_t n, struct err *e)
{
	const struct rlimit none = { 0, 0 };
	bool gain = n == 1 && keep[0] == PRIV_CHILDREN_GAIN;

	if (n > 1 || (n == 1 && !gain))
		return err_set(e, ERR_BUG, "right %u", keep[0]);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return err_sys(e, "limit of core files");
	if (control(PROC_TRACE_CTL, PROC_TRACE_CTL_DISABLE, "PROC_TRACE_CTL",
		e) < 0 ||
	    holds(PROC_TRACE_STATUS, -1, "PROC_TRACE_STATUS", e) < 0)
		return -1;
	if (gain)
		return 0;
	if (control(PROC_NO_NEW_PRIVS_CTL, PROC_NO_NEW_PRIVS_ENABLE,
		"PROC_NO_NEW_PRIVS_CTL", e) < 0)
		return -1;
	return holds(PROC_NO_NEW_PRIVS_STATUS, PROC_NO_NEW_PRIVS_ENABLE,
	    "PROC_NO_NEW_PRIVS_STATUS", e);
}
