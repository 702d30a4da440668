/*
 * memseg - memory of a machine that a file backs, in user space.
 *
 * What kmod/uapi/vmm_memseg_fd.h promises, one by one, and what of it a
 * private file mapping (mmap(2) with MAP_PRIVATE) keeps:
 *
 *  1. Reads are shared.  A page that the machine has not written is the page
 *     cache's own, for any number of machines.
 *  2. A write is seen by this machine alone.  The first write to a page copies
 *     it; there is no way back to the file's bytes but a new segment.
 *  3. Both views of a machine, the guest's and the host's, see that write at
 *     once.  Two private mappings would not: here both views are one mapping.
 *  4. The file never changes.  A private mapping is never written back, and
 *     its descriptor need not be open for writing.
 *  5. The file may be unlinked, renamed over, and its descriptor closed: the
 *     mapping holds the file.
 *  6. The file is busy text while a machine holds it.  mmap(2) leaves open
 *     what a private mapping shows when others write the file, and a file cut
 *     short is SIGBUS; so text.h keeps writers out, those that ask it.
 *  7. Errors are the header's, in its order.  ENOTCAPABLE is a kernel's alone.
 *     An attach that failed holds nothing.
 *
 * Limits.  Who writes the file without asking text.h breaks 1 and 4.  fork(2)
 * breaks 3: the child's memory is a copy.  Private pages may be charged in
 * advance, for the segment's whole length; a kernel's segment is not charged.
 * Private pages go to swap space, the others back to the file.
 */
#ifndef COP_KMOD_MEMSEG_H
#define COP_KMOD_MEMSEG_H

#include "kmod/uapi/vmm_memseg_fd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/* A machine's segments by number: of system memory first, then devices'. */
#define MEMSEG_SYSTEM 8
#define MEMSEG_MAX    11

/* All zero is one that is not allocated. */
struct memseg {
	unsigned char *base; /* reads and writes; NULL: not allocated */
	size_t len;
	struct text *file; /* NULL: plain memory */
};

size_t memseg_page(void);

/* 0 or an errno, as VM_ALLOC_MEMSEG_FD. The descriptor stays the caller's. */
int memseg_alloc_fd(struct memseg segs[MEMSEG_MAX],
    const struct vm_memseg_fd *want, struct texts *t);

/* Zeroes at first; as VM_ALLOC_MEMSEG without a name. */
int memseg_alloc(struct memseg segs[MEMSEG_MAX], int segid, size_t len);

void memseg_free(struct memseg *seg, struct texts *t);

#endif
