/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory of a virtual machine that is backed by a file: reads come from
 * the file's pages, which all machines share; what is written is private to
 * one machine; the file never changes.
 *
 * One ioctl(2) on /dev/vmm/NAME, beside VM_ALLOC_MEMSEG, allocates a segment
 * of system memory from a descriptor.  VM_GET_MEMSEG, VM_MMAP_MEMSEG, mmap(2)
 * and the rest then work on it as on any other segment, but that it cannot be
 * wired.  A kernel without it answers ENOTTY, and has no sysctl(3) below.
 */

#ifndef _DEV_VMM_MEMSEG_FD_H_
#define	_DEV_VMM_MEMSEG_FD_H_

#ifdef _KERNEL
#include <sys/types.h>
#include <sys/ioccom.h>
#else
#include <stdint.h>
#include <sys/ioctl.h>
#endif

/*
 * The version of what follows.  The sysctl is an int, readable by everybody,
 * of the newest version that the kernel knows; it takes all older ones, too.
 */
#define	VM_MEMSEG_FD_VERSION	1
#define	VM_MEMSEG_FD_SYSCTL	"hw.vmm.memseg_fd"

/*
 * The machine keeps a reference of its own: the descriptor may be closed, and
 * the file unlinked, once the call returned.  Until the machine is destroyed
 * the file is busy text: no one can open it for writing or truncate it.
 *
 * Errors, in the order they are looked for:
 *   EINVAL      version, flags or spare are not known; segid is not one of
 *               system memory; len is 0; off or len is no multiple of the page
 *               size; off + len is no file offset
 *   EEXIST      the segment is allocated already
 *   EBADF       fd is not open
 *   ENOTCAPABLE fd lacks CAP_MMAP_R
 *   EACCES      fd is not open for reading
 *   ENODEV      not a regular file, or its file system cannot map it
 *   ETXTBSY     somebody has it open, or mapped, for writing
 *   EINVAL      the file ends before off + len
 *   what the file system or a MAC policy answers, and ENOMEM
 *
 * VM_MMAP_MEMSEG with VM_MEMMAP_F_WIRED of such a segment is EOPNOTSUPP: to
 * wire it would copy every page, which undoes the sharing.
 */
struct vm_memseg_fd {
	uint32_t	version;	/* VM_MEMSEG_FD_VERSION */
	int32_t		segid;		/* a segment of system memory */
	int32_t		fd;		/* regular file, open for reading */
	uint32_t	flags;		/* none is defined: 0 */
	uint64_t	off;		/* bytes; where in the file it begins */
	uint64_t	len;		/* bytes */
	uint64_t	spare[4];	/* 0 */
};

#define	VM_ALLOC_MEMSEG_FD	_IOW('v', 120, struct vm_memseg_fd)

_Static_assert(sizeof(struct vm_memseg_fd) == 64, "its size is the interface");

#ifdef _KERNEL
struct thread;
struct vm;
struct vm_object;
struct vnode;

/* Segments exclusively locked and all vCPUs frozen. */
int	vm_alloc_memseg_fd(struct vm *vm, const struct vm_memseg_fd *msf,
	    struct thread *td);

/* What that is made of, whatever a release's segments look like. */
int	vm_memseg_fd_check(const struct vm_memseg_fd *msf);
int	vm_memseg_fd_object(struct thread *td, const struct vm_memseg_fd *msf,
	    struct vnode **vpp, struct vm_object **objp);
void	vm_memseg_fd_shared(struct vm_object *obj);
void	vm_memseg_fd_release(struct vnode *vp);
#endif /* _KERNEL */

#endif /* !_DEV_VMM_MEMSEG_FD_H_ */
