/* ids.h - identifiers and tokens, from the system's random source. */
#ifndef SANDBOX_IDS_H
#define SANDBOX_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { ID_SANDBOX_LEN = 21, ID_TOKEN_LEN = 64 };

/* "i" and 20 of [a-z0-9], terminated. */
int id_sandbox(char out[ID_SANDBOX_LEN + 1], struct err *e);
/* 64 hex digits, terminated. */
int id_token(char out[ID_TOKEN_LEN + 1], struct err *e);
int id_bytes(void *out, size_t n, struct err *e);

/* 2n lower-case digits and a terminator. */
void hex_text(const uint8_t *from, size_t n, char *to);
/* -1 unless s is exactly 2n hex digits. */
int hex_bytes(const char *s, uint8_t *to, size_t n);

#endif
