/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory that a file backs: vmm_memseg_fd(4).
 */

#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/sysctl.h>

#include <dev/vmm/vmm_memseg_fd.h>

#include "vmmapi.h"

int
vm_memseg_fd_version(void)
{
	size_t len;
	int version;

	len = sizeof(version);
	if (sysctlbyname(VM_MEMSEG_FD_SYSCTL, &version, &len, NULL, 0) != 0)
		return (0);
	return (version);
}

int
vm_alloc_memseg_fd(struct vmctx *ctx, int segid, int fd, off_t off, size_t len)
{
	struct vm_memseg_fd msf = {
		.version = VM_MEMSEG_FD_VERSION,
		.segid = segid,
		.fd = fd,
		.off = off,
		.len = len,
	};

	return (ioctl(vm_get_device_fd(ctx), VM_ALLOC_MEMSEG_FD, &msf));
}
