#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 512

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_fini(struct buf *b)
{
	free(b->base);
	buf_init(b, b->max);
}

static void
slide(struct buf *b)
{
	if (b->base != NULL && b->data != b->base && b->len > 0)
		memmove(b->base, b->data, b->len);
	b->data = b->base;
}

/* One byte more than asked for is kept, for the terminator of buf_str(). */
static int
grow(struct buf *b, size_t need)
{
	size_t cap = b->cap == 0 ? BUF_FIRST : b->cap;
	char *p;

	while (cap < need + 1)
		cap *= 2;
	if (cap == b->cap) {
		slide(b);
		return 0;
	}
	slide(b);
	p = realloc(b->base, cap);
	if (p == NULL)
		return -1;
	b->base = b->data = p;
	b->cap = cap;
	return 0;
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t used = (size_t)(b->data - b->base) + b->len;

	if (n > b->max || b->len > b->max - n)
		return NULL;
	if (b->base == NULL || used + n + 1 > b->cap)
		if (grow(b, b->len + n) < 0)
			return NULL;
	return b->data + b->len;
}

void
buf_added(struct buf *b, size_t n)
{
	b->len += n;
}

int
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);

	if (to == NULL)
		return -1;
	if (n > 0)
		memcpy(to, p, n);
	b->len += n;
	return 0;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	to = buf_room(b, (size_t)n);
	if (to == NULL)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->data += n;
	b->len -= n;
	if (b->len == 0)
		b->data = b->base;
}

void
buf_reset(struct buf *b)
{
	b->data = b->base;
	b->len = 0;
}

const char *
buf_str(struct buf *b)
{
	char *end = buf_room(b, 0);

	if (end == NULL)
		return NULL;
	*end = '\0';
	return b->data;
}
