#include "sub_int.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

/*
 * All that root of a sandbox may ever have, envd included: what su, sudo, apt
 * and git need, and nothing that reaches mounts, devices or other people.
 */
static const unsigned bound[] = {
	CAP_CHOWN,
	CAP_DAC_OVERRIDE,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETGID,
	CAP_SETUID,
	CAP_SETPCAP,
	CAP_NET_BIND_SERVICE,
	CAP_NET_RAW,
	CAP_SYS_CHROOT,
	CAP_AUDIT_WRITE,
	CAP_SETFCAP,
};

static bool
is_bound(unsigned cap)
{
	for (size_t i = 0; i < countof(bound); i++)
		if (bound[i] == cap)
			return true;
	return false;
}

int
caps_bound(struct err *e)
{
	for (unsigned cap = 0;; cap++) {
		if (is_bound(cap))
			continue;
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) < 0)
			return 0; /* the kernel knows no more */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_sys(e, "drop capability %u", cap);
	}
}

int
caps_raise(struct err *e)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return err_sys(e, "read capabilities");
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	if (syscall(SYS_capset, &h, d) < 0)
		return err_sys(e, "raise capabilities");
	return 0;
}
