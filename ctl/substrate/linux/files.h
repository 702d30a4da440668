/* files.h - small files of the kernel's, read and written in one call. */
#ifndef SUBSTRATE_FILES_H
#define SUBSTRATE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* -1 and errno. */
int file_put(int dir, const char *path, const char *text);
/* Terminated; the length, or -1 and errno.  What does not fit is cut off. */
int file_get(int dir, const char *path, char *to, size_t room);
/* The first number in it; -1 and errno. */
int file_number(int dir, const char *path, uint64_t *out);
/* The number after `key ` at the start of a line. */
int file_keyed(int dir, const char *path, const char *key, uint64_t *out);

#endif
