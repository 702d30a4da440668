/*
 * model - a machine's memory: segments, where the guest finds them, and what
 * the host has mapped of it.
 *
 * As FreeBSD's vmm has it, error for error, with memory of memseg.h: a map
 * shows a part of a segment at a guest physical address; to unmap it loses no
 * page of the segment.  Functions that return int return 0 or an errno.
 *
 * Limits: maps have no protection of their own (read and write always), a
 * wired map is not wired, there are no vCPUs.  Not for two threads at once,
 * but that reads and writes may go beside one another.
 */
#ifndef COP_KMOD_MODEL_H
#define COP_KMOD_MODEL_H

#include "memseg.h"

#define MODEL_MAPS    (2 * MEMSEG_MAX)
#define MODEL_GPA_END ((uint64_t)1 << 47)

struct model_map {
	uint64_t gpa;
	size_t len; /* 0: unused */
	size_t segoff;
	int segid;
};

/* What one side sees; it outlives the maps it was copied from. */
struct model_view {
	struct model_map maps[MODEL_MAPS];
};

struct model {
	struct texts *texts;
	struct memseg segs[MEMSEG_MAX];
	struct model_view guest, host;
};

/* The table of texts is the world's: all machines share it. */
void model_init(struct model *m, struct texts *t);
void model_fini(struct model *m);

int model_alloc_fd(struct model *m, const struct vm_memseg_fd *want);
int model_alloc(struct model *m, int segid, size_t len);
int model_seg_len(const struct model *m, int segid, size_t *len);

int model_map(struct model *m, uint64_t gpa, int segid, uint64_t segoff,
    size_t len, bool wired);
int model_unmap(struct model *m, uint64_t gpa, size_t len);

/* What is mapped now is what the host sees, until the next call. */
void model_host_open(struct model *m);

/*
 * Bytes at a guest physical address; up to the first that is not there, then
 * EFAULT.
 */
int model_read(const struct model *m, const struct model_view *v, uint64_t gpa,
    void *buf, size_t n);
int model_write(struct model *m, const struct model_view *v, uint64_t gpa,
    const void *buf, size_t n);

#endif
