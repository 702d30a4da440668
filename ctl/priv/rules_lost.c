#include "rules_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"

static int
open_file(const struct rules *r, int flags)
{
	char path[CONF_TEXT_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/rules-lost", r->cf->state_dir);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

void
rules_lost_init(struct rules *r)
{
	autoclose int fd = open_file(r, O_RDONLY);
	unsigned long long times;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return; /* it never was */
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%llu ", &times) == 1)
		r->nlost = times;
}

void
rules_lost(struct rules *r, const char *why)
{
	char line[256], stamp[32];
	autoclose int fd = -1;
	struct timespec now;
	struct tm tm;
	int n;

	r->nlost++;
	log_error("rules.lost because=\"%s\" times=%llu", why,
	    (unsigned long long)r->nlost);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	n = snprintf(line, sizeof(line), "%llu %s %.180s\n",
	    (unsigned long long)r->nlost, stamp, why);
	fd = open_file(r, O_WRONLY | O_CREAT | O_TRUNC);
	/* Nobody but a test runs without its state_dir. */
	if ((fd < 0 && errno != ENOENT) ||
	    (fd >= 0 && write(fd, line, (size_t)n) != n))
		log_warn(
		    "rules.lost file=rules-lost err=\"%s\"", strerror(errno));
}
