/*
 * io/memfile.h - what is too large for a message, in a memory file whose
 * descriptor rides on it: sealed, so that its sender cannot change it while
 * the other side looks.
 */
#ifndef IO_MEMFILE_H
#define IO_MEMFILE_H

#include <stddef.h>

#include "base/err.h"

/* A sealed memory file of these bytes, or -1. */
int memfile_make(const char *name, const void *p, size_t n, struct err *e);
/*
 * Maps one for reading, of exactly n bytes, or NULL: ERR_BUG if it is not
 * sealed or of another size.  fd stays the caller's.
 */
void *memfile_map(int fd, size_t n, struct err *e);
void memfile_unmap(void *p, size_t n);

#endif
