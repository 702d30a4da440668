/* base/json_put.h - strings as JSON (RFC 8259), whatever they hold. */
#ifndef BASE_JSON_PUT_H
#define BASE_JSON_PUT_H

#include <stddef.h>

#include "buf.h"

/* With its quotes; bytes that are not UTF-8 become U+FFFD. */
int json_put(struct buf *b, const char *s);
int json_put_n(struct buf *b, const char *s, size_t n);
/* One of ASCII that may not stand there as it is, in its shortest form. */
int json_put_escaped(struct buf *b, unsigned char c);

#endif
