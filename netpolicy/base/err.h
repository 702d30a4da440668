/* base/err.h - what went wrong, for whom, and where in the input. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#ifndef PRINTF
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#endif

enum err_kind {
	ERR_NONE,
	ERR_INVALID,	 /* the caller's input is wrong             400 */
	ERR_AUTH,	 /* no key, or not a valid one              401 */
	ERR_FORBIDDEN,	 /* a feature that is off, or not theirs    403 */
	ERR_NOTFOUND,	 /*                                         404 */
	ERR_CONFLICT,	 /* a fine request in the wrong state       409 */
	ERR_TOOBIG,	 /* a body over its limit                   413 */
	ERR_LIMIT,	 /* a quota or a pool is used up            429 */
	ERR_SYS,	 /* the system said no; sys_errno has why   500 */
	ERR_BUG,	 /* we broke our own rule; always logged    500 */
	ERR_UNSUPPORTED, /* a known feature that we do not have     501 */
	ERR_BUSY,	 /* not now; may be tried again             503 */
};

/*
 * A plain value: setting one never allocates, and the same struct crosses a
 * socket between our own processes as it is.
 */
struct err {
	enum err_kind kind;
	int sys_errno;	/* 0 unless the system said no */
	char where[96]; /* JSON pointer or file:line of the input */
	char msg[256];	/* one line, no secrets */
};

/* Every setter returns -1, so that a failing line is one line. */
static inline int
err_minus_1(int rc)
{
	(void)rc;
	return -1;
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
    PRINTF(3, 4);
/* As err_set with ERR_SYS: keeps errno and appends its text. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Puts what we were doing in front of what went wrong. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Says where in the input it was; err_under goes one level up. */
int err_at(struct err *e, const char *fmt, ...) PRINTF(2, 3);
int err_under(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Seen where they are called, too: who looks at one file may rely on it. */
#define err_set(...)   err_minus_1(err_set(__VA_ARGS__))
#define err_sys(...)   err_minus_1(err_sys(__VA_ARGS__))
#define err_wrap(...)  err_minus_1(err_wrap(__VA_ARGS__))
#define err_at(...)    err_minus_1(err_at(__VA_ARGS__))
#define err_under(...) err_minus_1(err_under(__VA_ARGS__))

/* The HTTP status that kind stands for. */
int err_status(enum err_kind kind);

#endif
