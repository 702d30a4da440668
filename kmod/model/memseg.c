#include "memseg.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

size_t
memseg_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static bool
whole_pages(uint64_t n)
{
	return n % memseg_page() == 0;
}

static bool
spare_is_zero(const struct vm_memseg_fd *want)
{
	for (size_t i = 0; i < sizeof(want->spare) / sizeof(*want->spare); i++)
		if (want->spare[i] != 0)
			return false;
	return true;
}

/* What needs neither the machine nor the file. */
static int
check_request(const struct vm_memseg_fd *want)
{
	if (want->version != VM_MEMSEG_FD_VERSION || want->flags != 0 ||
	    !spare_is_zero(want))
		return EINVAL;
	if (want->segid < 0 || want->segid >= MEMSEG_SYSTEM)
		return EINVAL;
	if (want->len == 0 || !whole_pages(want->off) ||
	    !whole_pages(want->len))
		return EINVAL;
	if (want->off > INT64_MAX || want->len > INT64_MAX - want->off)
		return EINVAL;
	return 0;
}

/* Whether the descriptor gives reads of a file; its status into *ST. */
static int
check_descriptor(int fd, int *mode, struct stat *st)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return EBADF;
	*mode = flags & O_ACCMODE;
	if (*mode == O_WRONLY)
		return EACCES;
	if (fstat(fd, st) != 0)
		return errno;
	return S_ISREG(st->st_mode) ? 0 : ENODEV;
}

/* The private mapping that all promises rest on. */
static int
map_private(struct memseg *seg, int fd, off_t off, size_t len)
{
	int how = fd < 0 ? MAP_PRIVATE | MAP_ANON : MAP_PRIVATE;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, how, fd, off);

	if (p == MAP_FAILED)
		return errno;
	seg->base = p;
	seg->len = len;
	return 0;
}

/* The file is held: it can be neither written nor cut short from here on. */
static int
attach(struct memseg *seg, const struct vm_memseg_fd *want)
{
	struct stat st;

	if (fstat(want->fd, &st) != 0)
		return errno;
	if ((uint64_t)st.st_size < want->off + want->len)
		return EINVAL;
	return map_private(seg, want->fd, (off_t)want->off, want->len);
}

int
memseg_alloc_fd(struct memseg segs[MEMSEG_MAX], const struct vm_memseg_fd *want,
    struct texts *t)
{
	struct text *held;
	struct stat st;
	int mode, error;

	error = check_request(want);
	if (error != 0)
		return error;
	if (segs[want->segid].base != NULL)
		return EEXIST;
	error = check_descriptor(want->fd, &mode, &st);
	if (error != 0)
		return error;
	if (mode != O_RDONLY)
		return ETXTBSY; /* a writer itself */
	error = text_hold(t, &st, &held);
	if (error != 0)
		return error;
	error = attach(&segs[want->segid], want);
	if (error != 0)
		text_release(t, held);
	else
		segs[want->segid].file = held;
	return error;
}

int
memseg_alloc(struct memseg segs[MEMSEG_MAX], int segid, size_t len)
{
	struct memseg *seg;

	if (segid < 0 || segid >= MEMSEG_MAX || len == 0 || !whole_pages(len))
		return EINVAL;
	seg = &segs[segid];
	if (seg->base != NULL)
		return seg->len == len ? EEXIST : EINVAL;
	return map_private(seg, -1, 0, len);
}

void
memseg_free(struct memseg *seg, struct texts *t)
{
	if (seg->base != NULL)
		(void)munmap(seg->base, seg->len);
	if (seg->file != NULL)
		text_release(t, seg->file);
	*seg = (struct memseg){ NULL, 0, NULL };
}
