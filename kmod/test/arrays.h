/*
 * arrays - what memory of a machine must be, said with plain arrays.
 *
 * Written from the header alone, to be compared with a machine_ops: a file is
 * an array of bytes; a page of a segment is the file's, or an array of its
 * own from the first write on.  Nothing is mapped, nothing is shared.
 */
#ifndef COP_KMOD_ARRAYS_H
#define COP_KMOD_ARRAYS_H

#include "kmod/uapi/vmm_memseg_fd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define A_PAGE_MAX 16384 /* the largest page of a system that runs this */
#define A_SEGS	   3
#define A_MAPS	   22
#define A_PAGES	   16 /* of a file or a segment */

struct a_file {
	unsigned refs; /* of its name, and of segments */
	unsigned machines, writers;
	size_t len;
	unsigned char bytes[A_PAGES * A_PAGE_MAX];
};

struct a_page {
	bool own;
	unsigned char bytes[A_PAGE_MAX];
};

struct a_seg {
	size_t len; /* 0: not allocated */
	struct a_file *file;
	uint64_t off;
	struct a_page pages[A_PAGES];
};

struct a_map {
	uint64_t gpa;
	size_t len, segoff;
	int segid;
};

struct a_machine {
	struct a_seg segs[A_SEGS];
	struct a_map guest[A_MAPS], host[A_MAPS];
	unsigned nguest, nhost;
	bool host_open;
};

struct a_file *a_file_new(size_t len);
void a_file_drop(struct a_file *f);

/* FILE is what the descriptor is of; NULL: it is not open. */
int a_alloc_fd(struct a_machine *m, const struct vm_memseg_fd *want,
    struct a_file *file, size_t page);
int a_alloc(struct a_machine *m, int segid, size_t len, size_t page);
int a_map(
    struct a_machine *m, const struct a_map *want, bool wired, size_t page);
int a_unmap(struct a_machine *m, uint64_t gpa, size_t len);

/* BUF is filled, or written from, up to the first byte that is not there. */
int a_access(struct a_machine *m, bool host, bool write, uint64_t gpa,
    unsigned char *buf, size_t n, size_t page);

void a_reset(struct a_machine *m);

#endif
