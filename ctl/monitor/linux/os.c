#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

const uint64_t os_reap_ms = 0;

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

/* Every key means something. */
void
os_conf_notes(const struct conf *c)
{
	(void)c;
}

/* Redirected packets keep the address of the slot's own end. */
int
os_resolver(const struct conf *c, struct os_resolver *r, struct err *e)
{
	(void)c;
	(void)e;
	*r = (struct os_resolver){ "0.0.0.0", "::" };
	return 0;
}

void
os_resolver_end(const struct conf *c)
{
	(void)c;
}
