#include "io/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static struct {
	const char *process;
	enum log_level upto;
	char last[LINE_MAX_BYTES];
	unsigned repeats;
} lg = { .process = "coppice", .upto = LOG_L_INFO };

static const char *const names[] = {
	[LOG_L_ERROR] = "error",
	[LOG_L_WARN] = "warn",
	[LOG_L_INFO] = "info",
	[LOG_L_DEBUG] = "debug",
};

void
log_open(const char *process, enum log_level upto)
{
	lg.process = process;
	lg.upto = upto;
}

int
log_level_from(const char *name, enum log_level *out)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	return -1;
}

static void
put(enum log_level level, const char *text)
{
	char line[LINE_MAX_BYTES + 128], stamp[32];
	struct timespec now;
	struct tm tm;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, sizeof(line), "%s.%03ldZ %s %s[%ld] %s\n", stamp,
	    now.tv_nsec / 1000000, names[level], lg.process, (long)getpid(),
	    text);
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line);
		line[n - 1] = '\n';
	}
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody to tell */
}

/* A newline inside would let hostile text forge a line of its own. */
static void
flatten(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void PRINTF(2, 0) vlog(enum log_level level, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES], again[64];
	int keep = errno;

	if (level > lg.upto)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	flatten(text);
	if (strcmp(text, lg.last) == 0) {
		lg.repeats++;
		errno = keep;
		return;
	}
	if (lg.repeats > 0) {
		(void)snprintf(
		    again, sizeof(again), "log.repeated times=%u", lg.repeats);
		put(level, again);
		lg.repeats = 0;
	}
	memcpy(lg.last, text, sizeof(text));
	put(level, text);
	errno = keep;
}

#define LOG_AT(name, level)                                                    \
	void name(const char *fmt, ...)                                        \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, fmt);                                             \
		vlog(level, fmt, ap);                                          \
		va_end(ap);                                                    \
	}

LOG_AT(log_error, LOG_L_ERROR)
LOG_AT(log_warn, LOG_L_WARN)
LOG_AT(log_info, LOG_L_INFO)
LOG_AT(log_debug, LOG_L_DEBUG)
