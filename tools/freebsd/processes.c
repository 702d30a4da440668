#include "tools/coppice_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/types.h>
#include <sys/user.h>
#include <unistd.h>

/* The two privds differ in their first argument. */
static void
print_argument(pid_t pid)
{
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_ARGS, (int)pid };
	char args[256];
	size_t n = sizeof(args) - 1, first;

	if (sysctl(mib, 4, args, &n, NULL, 0) < 0)
		return;
	args[n] = '\0';
	first = strlen(args) + 1;
	if (first < n)
		printf(" %s", args + first);
}

static void
print_process(const struct kinfo_proc *p)
{
	const long kib = getpagesize() / 1024;

	/* What runs inside of sandboxes has a jail. */
	if (p->ki_jid != 0 || (strncmp(p->ki_comm, "coppice-", 8) != 0 &&
				  strcmp(p->ki_comm, "coppiced") != 0))
		return;
	printf("%8ld  uid %-6lu %7ld KiB  %s", (long)p->ki_pid,
	    (unsigned long)p->ki_uid, (long)p->ki_rssize * kib, p->ki_comm);
	if (strcmp(p->ki_comm, "coppice-privd") == 0)
		print_argument(p->ki_pid);
	putchar('\n');
}

void
print_processes(void)
{
	int mib[3] = { CTL_KERN, KERN_PROC, KERN_PROC_PROC };
	struct kinfo_proc *all;
	size_t n = 0;

	if (sysctl(mib, 3, NULL, &n, NULL, 0) < 0)
		return;
	n += n / 4; /* for those that come in between */
	all = malloc(n);
	if (all != NULL && sysctl(mib, 3, all, &n, NULL, 0) == 0)
		for (size_t i = 0; i < n / sizeof(all[0]); i++)
			print_process(&all[i]);
	free(all);
}
