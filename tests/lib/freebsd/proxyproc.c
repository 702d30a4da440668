/* What the kernel says of the daemon under test. */
#include <sys/param.h>

#include "tests/lib/proxyfake.h"

#include <sys/sysctl.h>
#include <sys/user.h>
#include <unistd.h>

unsigned
fake_fds(const struct fake *f)
{
	const int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_NFDS, (int)f->pid };
	int n = 0;
	size_t len = sizeof(n);

	if (sysctl(mib, 4, &n, &len, NULL, 0) < 0)
		return 0;
	return (unsigned)n;
}

long
fake_rss_kib(const struct fake *f)
{
	const int mib[] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, (int)f->pid };
	struct kinfo_proc p;
	size_t len = sizeof(p);

	if (sysctl(mib, 4, &p, &len, NULL, 0) < 0)
		return 0;
	return (long)p.ki_rssize * (getpagesize() / 1024);
}
