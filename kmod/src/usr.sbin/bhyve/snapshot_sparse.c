/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory is mostly zero when a guest has just started.  A hole in the
 * checkpoint takes neither disk nor the time to write it, and reads as zero.
 */

#include <sys/param.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "snapshot_sparse.h"

/*
 * What becomes a hole or does not.  UFS allocates 32 KB at a time: smaller
 * holes would save nothing there, and cost system calls everywhere.
 */
#define	SPARSE_BLOCK	(32 * 1024UL)

static bool
is_zero(const char *p, size_t len)
{

	return (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* The length of what begins at p and is either all zero or to be written. */
static size_t
run_length(const char *p, size_t len, bool *zero)
{
	size_t n;

	*zero = is_zero(p, MIN(len, SPARSE_BLOCK));
	for (n = SPARSE_BLOCK; n < len; n += SPARSE_BLOCK) {
		if (is_zero(p + n, MIN(len - n, SPARSE_BLOCK)) != *zero)
			return (n);
	}
	return (len);
}

static int
write_all(int fd, const char *p, size_t len)
{
	ssize_t n;

	for (; len > 0; p += n, len -= n) {
		n = write(fd, p, len);
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return (-1);
	}
	return (0);
}

ssize_t
snapshot_write_sparse(int fd, const void *buf, size_t len)
{
	const char *p;
	size_t rem, run;
	off_t end;
	bool zero;

	zero = false;
	end = 0;
	for (p = buf, rem = len; rem > 0; p += run, rem -= run) {
		run = run_length(p, rem, &zero);
		if (!zero && write_all(fd, p, run) != 0)
			return (-1);
		if (zero && (end = lseek(fd, run, SEEK_CUR)) < 0)
			return (-1);
	}
	/* Moving the offset alone does not make the file longer. */
	if (zero && ftruncate(fd, end) != 0)
		return (-1);
	return (len);
}
