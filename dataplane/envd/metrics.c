/*
 * GET /metrics.  The sandbox does not see its cgroup, so what is used is the
 * sum over its processes, and what there is comes from the boot record.
 */
#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

#include "envd/envd.h"
#include "envd/usage.h"

static double
used_pct(struct envd *d, uint64_t us, unsigned cpus)
{
	struct mono now = mono_now();
	uint64_t ms = mono_ms(d->metrics.at, now);
	uint64_t since = us > d->metrics.cpu_us ? us - d->metrics.cpu_us : 0;
	double pct = 0;

	if (ms > 0)
		pct = (double)since / 1000.0 / (double)ms * 100.0 / cpus;
	d->metrics = (struct metrics_last){ us, now };
	return pct > 100 ? 100 : pct;
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
	uint64_t total = d->boot.memory_mb << 20, disk_used, disk_total;
	struct usage use = { 0 };
	char body[768];
	int n;

	http_reply_header(r, "Cache-Control", "no-store");
	if (usage_read(&use) < 0) {
		http_reply(r, 500, NULL, NULL, 0);
		return;
	}
	if (total == 0)
		total = usage_memory_total();
	if (total > 0 && use.memory > total)
		use.memory = total;
	disk(d, &disk_used, &disk_total);
	n = snprintf(body, sizeof(body),
	    "{\"ts\":%lld,\"cpu_count\":%u,\"cpu_used_pct\":%.2f,"
	    "\"mem_total\":%llu,\"mem_used\":%llu,\"mem_cache\":0,"
	    "\"mem_total_mib\":%llu,\"mem_used_mib\":%llu,"
	    "\"disk_used\":%llu,\"disk_total\":%llu}\n",
	    (long long)time(NULL), cpus, used_pct(d, use.cpu_us, cpus),
	    (unsigned long long)total, (unsigned long long)use.memory,
	    (unsigned long long)(total >> 20),
	    (unsigned long long)(use.memory >> 20),
	    (unsigned long long)disk_used, (unsigned long long)disk_total);
	http_reply(r, 200, "application/json", body, (size_t)n);
}
