/* base/utf8.h - UTF-8 (RFC 3629): no overlong forms, no surrogates. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the character at s, of which n bytes are there; 0: none. */
size_t utf8_char(const char *s, size_t n, uint32_t *out);
bool utf8_valid(const char *s, size_t n);

#endif
