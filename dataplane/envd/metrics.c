/*
 * GET /metrics.  The sandbox does not see its cgroup, so what is used is the
 * sum over its processes, and what there is comes from the boot record.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/envd.h"

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

static bool
add_all(struct sums *s)
{
	DIR *dir = opendir("/proc");
	const struct dirent *de;

	if (dir == NULL)
		return false;
	while ((de = readdir(dir)) != NULL)
		if (isdigit((unsigned char)de->d_name[0]))
			add_process(s, de->d_name);
	(void)closedir(dir);
	return true;
}

static double
used_pct(struct envd *d, uint64_t ticks, unsigned cpus)
{
	struct mono now = mono_now();
	uint64_t ms = mono_ms(d->metrics.at, now);
	uint64_t since =
	    ticks > d->metrics.cpu_ticks ? ticks - d->metrics.cpu_ticks : 0;
	double pct = 0;

	if (ms > 0)
		pct = (double)since * 1000.0 / (double)sysconf(_SC_CLK_TCK) /
		      (double)ms * 100.0 / cpus;
	d->metrics = (struct metrics_last){ ticks, now };
	return pct > 100 ? 100 : pct;
}

static uint64_t
memory_total(const struct envd *d)
{
	static const char total[] = "MemTotal:";
	char text[256];

	if (d->boot.memory_mb > 0)
		return d->boot.memory_mb << 20;
	if (read_small("/proc/meminfo", text, sizeof(text)) &&
	    strncmp(text, total, sizeof(total) - 1) == 0)
		return strtoull(text + sizeof(total) - 1, NULL, 10) << 10;
	return 0;
}

/* A quota is not to be seen from in here: then only the total is known. */
static void
disk(const struct envd *d, uint64_t *used, uint64_t *total)
{
	struct statvfs v;

	*used = 0;
	*total = d->boot.disk_mb << 20;
	if (statvfs("/", &v) < 0)
		return;
	if (*total == 0 || *total >= (uint64_t)v.f_blocks * v.f_frsize) {
		*total = (uint64_t)v.f_blocks * v.f_frsize;
		*used = *total - (uint64_t)v.f_bavail * v.f_frsize;
	}
}

void
rest_metrics(struct http_req *r, struct envd *d)
{
	unsigned cpus = d->boot.cpu > 0 ? d->boot.cpu : 1;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t total = memory_total(d), used, disk_used, disk_total;
	struct sums s = { 0 };
	char body[768];
	int n;

	http_reply_header(r, "Cache-Control", "no-store");
	if (!add_all(&s)) {
		http_reply(r, 500, NULL, NULL, 0);
		return;
	}
	used = (s.private + s.shared) * page;
	if (total > 0 && used > total)
		used = total;
	disk(d, &disk_used, &disk_total);
	n = snprintf(body, sizeof(body),
	    "{\"ts\":%lld,\"cpu_count\":%u,\"cpu_used_pct\":%.2f,"
	    "\"mem_total\":%llu,\"mem_used\":%llu,\"mem_cache\":0,"
	    "\"mem_total_mib\":%llu,\"mem_used_mib\":%llu,"
	    "\"disk_used\":%llu,\"disk_total\":%llu}\n",
	    (long long)time(NULL), cpus, used_pct(d, s.ticks, cpus),
	    (unsigned long long)total, (unsigned long long)used,
	    (unsigned long long)(total >> 20), (unsigned long long)(used >> 20),
	    (unsigned long long)disk_used, (unsigned long long)disk_total);
	http_reply(r, 200, "application/json", body, (size_t)n);
}
