/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Restoring without reading: the checkpoint is the guest's memory, and every
 * virtual machine restored from it shares the pages that it has not written.
 *
 * A checkpoint has low memory and high memory one after the other, and so has
 * the one segment of a virtual machine without NUMA domains: the file is the
 * segment, from its first byte to its last.  (Before 15.0 only as long as there
 * is no high memory.)
 *
 * Whoever asks for this counts on memory for many guests, so that nothing here
 * falls back to reading the file.  Whether a kernel can do it is to be asked
 * before: sysctl hw.vmm.memseg_fd.
 */

#include <sys/param.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if __FreeBSD_version >= 1500000
#include <dev/vmm/vmm_mem.h>
#endif
#include <dev/vmm/vmm_memseg_fd.h>
#include <vmmapi.h>

#include "config.h"
#include "snapshot.h"
#include "snapshot_cow.h"

/* The exit status of bhyve(8) for errors. */
#define	EXIT_ERROR	4

/* What stands in the way before the kernel is asked. */
static void
cow_check(struct vmctx *ctx, const char *file,
    const struct restore_state *rstate, size_t memsize, int ndomains)
{
	int version;

	if ((vm_get_memflags(ctx) & VM_MEM_F_WIRED) != 0)
		errx(EXIT_ERROR, "snapshot.cow: the memory of %s is to be wired"
		    " (-S, memory.wired), which would copy all of %s",
		    vm_get_name(ctx), file);
	if (ndomains != 1)
		errx(EXIT_ERROR, "snapshot.cow: %s is to have %d NUMA domains;"
		    " memory that a file backs has one", vm_get_name(ctx),
		    ndomains);
	if (rstate->vmmem_len != memsize)
		errx(EXIT_ERROR, "snapshot.cow: %s has %zu bytes, but the"
		    " memory of %s %zu", file, rstate->vmmem_len,
		    vm_get_name(ctx), memsize);
#if __FreeBSD_version < 1500000
	/* There the segment has a gap below 4 GB, which a file has not. */
	if (memsize > vm_get_lowmem_limit(ctx))
		errx(EXIT_ERROR, "snapshot.cow: %s is to have more than %u MB;"
		    " memory that a file backs has not, before FreeBSD 15.0",
		    vm_get_name(ctx), vm_get_lowmem_limit(ctx) >> 20);
#endif
	version = vm_memseg_fd_version();
	if (version < VM_MEMSEG_FD_VERSION)
		errx(EXIT_ERROR, "snapshot.cow: this kernel cannot back guest"
		    " memory by a file (%s is %d, needed is %d): restore"
		    " without snapshot.cow, or run one that has"
		    " vmm_memseg_fd(4)", VM_MEMSEG_FD_SYSCTL, version,
		    VM_MEMSEG_FD_VERSION);
}

static void
cow_refused(struct vmctx *ctx, const char *file)
{

	switch (errno) {
	case EEXIST:
		errx(EXIT_ERROR, "snapshot.cow: %s has memory already: destroy"
		    " it (bhyvectl --vm=%s --destroy), or restore without"
		    " snapshot.cow", vm_get_name(ctx), vm_get_name(ctx));
	case ETXTBSY:
		errx(EXIT_ERROR, "snapshot.cow: %s is open for writing"
		    " somewhere, and guest memory must not change", file);
	case ENODEV:
		errx(EXIT_ERROR, "snapshot.cow: %s is no regular file on a file"
		    " system that can map it", file);
	default:
		err(EXIT_ERROR, "snapshot.cow: %s as the memory of %s", file,
		    vm_get_name(ctx));
	}
}

void
snapshot_cow_init(struct vmctx *ctx, const char *file,
    struct restore_state *rstate, size_t memsize, int ndomains)
{

	if (!get_config_bool_default("snapshot.cow", false))
		return;
	cow_check(ctx, file, rstate, memsize, ndomains);
	if (vm_alloc_memseg_fd(ctx, VM_SYSMEM, rstate->vmmem_fd, 0,
	    memsize) != 0)
		cow_refused(ctx, file);
	rstate->vmmem_cow = true;
}

bool
snapshot_cow_busy(int fddir, const char *file)
{
	int fd;

	fd = openat(fddir, file, O_RDWR);
	if (fd < 0)
		return (errno == ETXTBSY);
	close(fd);
	return (false);
}
