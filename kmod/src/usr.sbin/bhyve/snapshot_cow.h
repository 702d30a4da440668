/*-
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _SNAPSHOT_COW_H_
#define	_SNAPSHOT_COW_H_

#include <stdbool.h>
#include <stddef.h>

struct restore_state;
struct vmctx;

/*
 * With snapshot.cow=true the checkpoint itself becomes guest memory, copied on
 * write, and rstate says so.  To be called before memory is set up, which then
 * finds that it is there.  Exits when it cannot be done.
 */
void	snapshot_cow_init(struct vmctx *ctx, const char *file,
	    struct restore_state *rstate, size_t memsize, int ndomains);

/* Is the file of that name the memory of a running virtual machine? */
bool	snapshot_cow_busy(int fddir, const char *file);

#endif /* !_SNAPSHOT_COW_H_ */
