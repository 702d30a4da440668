/*
 * machine - a virtual machine's memory as a test sees it.
 *
 * Two of them answer to the same functions: the model (any system) and a
 * kernel's vmm (FreeBSD), so that one table of cases runs on both, and random
 * steps can be compared.  Functions that return int return 0 or an errno.
 */
#ifndef COP_KMOD_MACHINE_H
#define COP_KMOD_MACHINE_H

#include "kmod/uapi/vmm_memseg_fd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct machine;

struct machine_ops {
	const char *name;

	/* A machine without memory.  NAME is unique among those alive. */
	int (*create)(const char *name, struct machine **m);
	void (*destroy)(struct machine *m); /* NULL is nothing */

	/* VM_ALLOC_MEMSEG_FD as it stands, VM_ALLOC_MEMSEG, VM_GET_MEMSEG. */
	int (*alloc_fd)(struct machine *m, const struct vm_memseg_fd *seg);
	int (*alloc)(struct machine *m, int segid, size_t len);
	int (*seg_len)(struct machine *m, int segid, size_t *len);

	/* VM_MMAP_MEMSEG (read, write, execute), VM_MUNMAP_MEMSEG, VM_REINIT.
	 */
	int (*map)(struct machine *m, uint64_t gpa, int segid, uint64_t segoff,
	    size_t len, bool wired);
	int (*unmap)(struct machine *m, uint64_t gpa, size_t len);
	int (*reinit)(struct machine *m);

	/*
	 * Bytes at a guest physical address.  guest_* go by the page tables
	 * that the guest runs on; host_* by a mapping such as bhyve(8) has of
	 * the machine's memory, made at the first call and kept until
	 * host_close(). EFAULT where no memory is.
	 */
	int (*guest_read)(struct machine *m, uint64_t gpa, void *buf, size_t n);
	int (*guest_write)(
	    struct machine *m, uint64_t gpa, const void *buf, size_t n);
	int (*host_read)(struct machine *m, uint64_t gpa, void *buf, size_t n);
	int (*host_write)(
	    struct machine *m, uint64_t gpa, const void *buf, size_t n);
	void (*host_close)(struct machine *m);

	/* The world: files as others see them while machines hold them. */
	int (*file_open_write)(const char *path, int *fd);
	void (*file_close_write)(int fd);
	int (*file_truncate)(const char *path, uint64_t len);
};

extern const struct machine_ops machine_model;
extern const struct machine_ops machine_vmm; /* FreeBSD, as root */

#endif
