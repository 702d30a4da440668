/* base/own.h - who owns what, said by the code. */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void
own_free(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p)); /* any pointer type; no aliasing tricks */
	free(p);
}

static inline void
own_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Freed when the name leaves its scope, unless take() moved it out. */
#define autofree  __attribute__((cleanup(own_free)))
#define autoclose __attribute__((cleanup(own_close)))

#define take(pp)                                                               \
	({                                                                     \
		__typeof__(*(pp)) taken_ = *(pp);                              \
		*(pp) = NULL;                                                  \
		taken_;                                                        \
	})

static inline int
take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Closes what *fd names, if anything, and makes it nobody's. */
static inline void
drop_fd(int *fd)
{
	own_close(fd);
	*fd = -1;
}

/*
 * For an interface of others that takes what it only reads without const, as
 * those of iovecs, zlib and jansson do.
 */
static inline void *
unconst(const void *p)
{
	void *q;

	memcpy(&q, &p, sizeof(q));
	return q;
}

#define countof(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member)                                          \
	((type *)(void *)((char *)(p)-offsetof(type, member)))

#endif
