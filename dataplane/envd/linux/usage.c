#include "envd/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

/* Of /proc/PID/stat, behind name and state: proc_pid_stat(5). */
enum { STAT_BEFORE_TIMES = 10, STAT_TIMES = 4 };

struct sums {
	uint64_t ticks; /* of the living, and of whom they waited for */
	uint64_t private, shared; /* pages; shared is the largest */
};

static bool
read_small(const char *path, char *to, size_t cap)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, to, cap - 1) : -1;

	if (n <= 0)
		return false;
	to[n] = '\0';
	return true;
}

static void
add_process(struct sums *s, const char *pid)
{
	char path[64], text[1024];
	unsigned long long rss, shared;
	char *p;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	if (!read_small(path, text, sizeof(text)))
		return;
	/* The name, which may hold anything, ends at the last bracket. */
	p = strrchr(text, ')');
	if (p != NULL && strlen(p) > 4) {
		p += 3; /* ") S" */
		for (int i = 0; i < STAT_BEFORE_TIMES; i++)
			(void)strtoll(p, &p, 10);
		for (int i = 0; i < STAT_TIMES; i++)
			s->ticks += strtoull(p, &p, 10);
	}
	(void)snprintf(path, sizeof(path), "/proc/%.20s/statm", pid);
	if (!read_small(path, text, sizeof(text)))
		return;
	(void)strtoull(text, &p, 10);
	rss = strtoull(p, &p, 10);
	shared = strtoull(p, &p, 10);
	s->private += rss > shared ? rss - shared : 0;
	if (shared > s->shared)
		s->shared = shared;
}

int
usage_read(struct usage *u)
{
	DIR *dir = opendir("/proc");
	const struct dirent *de;
	struct sums s = { 0 };

	if (dir == NULL)
		return -1;
	while ((de = readdir(dir)) != NULL)
		if (isdigit((unsigned char)de->d_name[0]))
			add_process(&s, de->d_name);
	(void)closedir(dir);
	u->cpu_us = s.ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	u->memory = (s.private + s.shared) * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

uint64_t
usage_memory_total(void)
{
	static const char total[] = "MemTotal:";
	char text[256];

	if (read_small("/proc/meminfo", text, sizeof(text)) &&
	    strncmp(text, total, sizeof(total) - 1) == 0)
		return strtoull(text + sizeof(total) - 1, NULL, 10) << 10;
	return 0;
}
