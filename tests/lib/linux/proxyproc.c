/* What /proc says of the daemon under test. */
#include "tests/lib/proxyfake.h"

#include <dirent.h>
#include <stdio.h>

unsigned
fake_fds(const struct fake *f)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)f->pid);
	d = opendir(path);
	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

long
fake_rss_kib(const struct fake *f)
{
	char path[64], line[256];
	long kib = 0;
	FILE *p;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)f->pid);
	p = fopen(path, "re");
	while (p != NULL && fgets(line, sizeof(line), p) != NULL)
		(void)sscanf(line, "VmRSS: %ld", &kib);
	if (p != NULL)
		(void)fclose(p);
	return kib;
}
