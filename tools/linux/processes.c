#include "tools/coppice_int.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of /proc/PID/status, without its name and unit. */
static long long
status_field(const char *pid, const char *field)
{
	char path[300], line[256];
	size_t n = strlen(field);
	long long v = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, n) == 0)
			v = strtoll(line + n, NULL, 10);
	(void)fclose(f);
	return v;
}

/* What runs inside of sandboxes has a user of their range. */
enum { HOST_UID_MAX = 65535 };

static void
print_process(const char *pid)
{
	char path[300], name[256];
	long long uid = status_field(pid, "Uid:");
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	n = fread(name, 1, sizeof(name) - 1, f);
	(void)fclose(f);
	name[n] = '\0';
	if (uid > HOST_UID_MAX)
		return;
	if (strncmp(name, "coppice-", 8) != 0 &&
	    strstr(name, "coppiced") == NULL)
		return;
	/* The two privds differ in their first argument. */
	if (strcmp(name, "coppice-privd") == 0 && strlen(name) + 1 < n)
		name[strlen(name)] = ' ';
	printf("%8s  uid %-6lld %7lld KiB  %s\n", pid, uid,
	    status_field(pid, "VmRSS:"), name);
}

void
print_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]))
			print_process(e->d_name);
	(void)closedir(d);
}
