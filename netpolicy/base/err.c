#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int PRINTF(4, 0) vset(
    struct err *e, enum err_kind kind, int sys, const char *fmt, va_list ap)
{
	int n;

	e->kind = kind;
	e->sys_errno = sys;
	e->where[0] = '\0';
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (sys != 0 && n >= 0 && (size_t)n < sizeof(e->msg))
		(void)snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s",
		    strerror(sys));
	return -1;
}

int(err_set)(struct err *e, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(e, kind, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int(err_sys)(struct err *e, const char *fmt, ...)
{
	int sys = errno; /* before anything can change it */
	va_list ap;

	va_start(ap, fmt);
	vset(e, ERR_SYS, sys, fmt, ap);
	va_end(ap);
	return -1;
}

int(err_wrap)(struct err *e, const char *fmt, ...)
{
	char ctx[128], old[sizeof(e->msg)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ctx, sizeof(ctx), fmt, ap);
	va_end(ap);
	memcpy(old, e->msg, sizeof(old));
	(void)snprintf(e->msg, sizeof(e->msg), "%s: %.*s", ctx,
	    (int)(sizeof(old) - sizeof(ctx) - 2), old);
	return -1;
}

int(err_at)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(e->where, sizeof(e->where), fmt, ap);
	va_end(ap);
	return -1;
}

int(err_under)(struct err *e, const char *fmt, ...)
{
	char up[64], old[sizeof(e->where)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(up, sizeof(up), fmt, ap);
	va_end(ap);
	memcpy(old, e->where, sizeof(old));
	(void)snprintf(e->where, sizeof(e->where), "%s%.*s", up,
	    (int)(sizeof(old) - sizeof(up) - 1), old);
	return -1;
}

int
err_status(enum err_kind kind)
{
	static const int status[] = {
		[ERR_NONE] = 200,
		[ERR_INVALID] = 400,
		[ERR_AUTH] = 401,
		[ERR_FORBIDDEN] = 403,
		[ERR_NOTFOUND] = 404,
		[ERR_CONFLICT] = 409,
		[ERR_TOOBIG] = 413,
		[ERR_LIMIT] = 429,
		[ERR_SYS] = 500,
		[ERR_BUG] = 500,
		[ERR_UNSUPPORTED] = 501,
		[ERR_BUSY] = 503,
	};

	return status[kind];
}
