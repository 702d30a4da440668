/*-
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _SNAPSHOT_SPARSE_H_
#define	_SNAPSHOT_SPARSE_H_

#include <sys/types.h>

/*
 * write(2) of len bytes, all of them, at the end of an empty or growing file:
 * what is zero becomes a hole.  Returns len, or -1 with errno set.
 */
ssize_t	snapshot_write_sparse(int fd, const void *buf, size_t len);

#endif /* !_SNAPSHOT_SPARSE_H_ */
