/* base/buf.h - growing bytes with a ceiling, consumed from the front. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf {
	char *data; /* first byte not yet consumed */
	size_t len; /* bytes from there */
	char *base; /* the allocation */
	size_t cap; /* of the allocation */
	size_t max; /* len never exceeds it */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/*
 * Room for n more bytes behind data + len, or NULL: at the ceiling, or no
 * memory.  Write there, then buf_added(b, n).
 */
char *buf_room(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);

/* 0, or -1 at the ceiling or without memory; then nothing was added. */
int buf_add(struct buf *b, const void *p, size_t n);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

void buf_consume(struct buf *b, size_t n);
void buf_reset(struct buf *b); /* empties it, keeps the memory */

/* A terminated string of the content, valid until the next call; or NULL. */
const char *buf_str(struct buf *b);

#endif
