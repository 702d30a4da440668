#include "envd/usage.h"

#include <stdlib.h>
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <unistd.h>

#include "base/own.h"

enum { TRIES = 4 }; /* while there are more each time we look */

/* A table of the jail's processes, *n of them; NULL: not to be had. */
static struct kinfo_proc *
processes(size_t *n)
{
	int mib[3] = { CTL_KERN, KERN_PROC, KERN_PROC_PROC };
	size_t size;

	for (int i = 0; i < TRIES; i++) {
		autofree struct kinfo_proc *all = NULL;

		if (sysctl(mib, 3, NULL, &size, NULL, 0) < 0)
			return NULL;
		all = malloc(size);
		if (all == NULL)
			return NULL;
		if (sysctl(mib, 3, all, &size, NULL, 0) == 0) {
			*n = size / sizeof(*all);
			return take(&all);
		}
	}
	return NULL;
}

/*
 * Nobody counts a jail's pages unless racct is on, and then not for who is
 * inside.  Of each process its resident pages, but for the program's own, of
 * which the largest stands for all: what libraries share counts many times.
 */
int
usage_read(struct usage *u)
{
	size_t n = 0;
	autofree struct kinfo_proc *all = processes(&n);
	uint64_t pages = 0, shared = 0;

	if (all == NULL)
		return -1;
	u->cpu_us = 0;
	for (size_t i = 0; i < n; i++) {
		const struct kinfo_proc *p = &all[i];
		uint64_t rss = (uint64_t)p->ki_rssize;
		uint64_t text = (uint64_t)p->ki_tsize;

		u->cpu_us += p->ki_runtime +
			     (uint64_t)p->ki_childtime.tv_sec * 1000000 +
			     (uint64_t)p->ki_childtime.tv_usec;
		pages += rss > text ? rss - text : 0;
		if (text > shared)
			shared = text;
	}
	u->memory = (pages + shared) * (uint64_t)getpagesize();
	return 0;
}

uint64_t
usage_memory_total(void)
{
	unsigned long bytes = 0;
	size_t size = sizeof(bytes);

	if (sysctlbyname("hw.physmem", &bytes, &size, NULL, 0) < 0)
		return 0;
	return bytes;
}
