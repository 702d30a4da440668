/*
 * machine_vmm - a machine of vmm(4), by its ioctls, behind the functions that
 * a test uses.
 *
 * It is made and unmade by sysctls, which want no other header. What
 * read(2) and write(2) of its device move goes by the nested page tables'
 * address space, as what a guest's instructions move does.
 */
#include "machine_vmm.h"

#include <sys/param.h>
#include <sys/cpuset.h>
#include <sys/mman.h>
#include <sys/sysctl.h>
#include <sys/time.h>

#include <machine/vmm.h>
#include <machine/vmm_dev.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than any release has. */
#define MAPS_MAX 64

struct host_map {
	uint64_t gpa;
	size_t len;
	unsigned char *base;
};

struct machine {
	int fd;
	bool host_open;
	unsigned nhost;
	struct host_map host[MAPS_MAX];
	char name[];
};

const char *
vmm_missing(void)
{
	size_t n = sizeof(int);
	int version;

	if (sysctlbyname("hw.vmm.create", NULL, &n, NULL, 0) != 0)
		return "vmm is not loaded";
	n = sizeof(version);
	if (sysctlbyname(VM_MEMSEG_FD_SYSCTL, &version, &n, NULL, 0) != 0)
		return "this kernel's vmm has no " VM_MEMSEG_FD_SYSCTL;
	return geteuid() == 0 ? NULL : "only root may make a machine";
}

static int
by_sysctl(const char *what, const char *name)
{
	return sysctlbyname(what, NULL, NULL, name, strlen(name) + 1) == 0
		   ? 0
		   : errno;
}

/* --- faults of our own accesses ---------------------------------------- */

static _Thread_local sigjmp_buf escape;
static _Thread_local volatile sig_atomic_t guarded;

static void
on_fault(int sig)
{
	if (guarded)
		siglongjmp(escape, 1);
	(void)signal(sig, SIG_DFL); /* not ours: it comes again, and ends us */
}

static void
catch_faults(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGSEGV, &sa, NULL);
	(void)sigaction(SIGBUS, &sa, NULL);
}

static int
copy(void *to, const void *from, size_t n)
{
	if (sigsetjmp(escape, 1) != 0) {
		guarded = 0;
		return EFAULT;
	}
	guarded = 1;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(to, from, n);
	atomic_signal_fence(memory_order_seq_cst);
	guarded = 0;
	return 0;
}

/* --- the machine -------------------------------------------------------- */

static int
create(const char *name, struct machine **m)
{
	struct machine *new = calloc(1, sizeof(*new) + strlen(name) + 1);
	char path[256];
	int error;

	if (new == NULL)
		return ENOMEM;
	memcpy(new->name, name, strlen(name));
	error = by_sysctl("hw.vmm.create", name);
	if (error != 0) {
		free(new);
		return error;
	}
	catch_faults();
	(void)snprintf(path, sizeof(path), "/dev/vmm/%s", name);
	new->fd = open(path, O_RDWR | O_CLOEXEC);
	if (new->fd < 0) {
		error = errno;
		(void)by_sysctl("hw.vmm.destroy", name);
		free(new);
		return error;
	}
	*m = new;
	return 0;
}

static void
host_close(struct machine *m)
{
	for (unsigned i = 0; i < m->nhost; i++)
		(void)munmap(m->host[i].base, m->host[i].len);
	m->nhost = 0;
	m->host_open = false;
}

/* The host's view goes last, as that of a bhyve that is killed may. */
static void
destroy(struct machine *m)
{
	if (m == NULL)
		return;
	if (by_sysctl("hw.vmm.destroy", m->name) != 0)
		perror(m->name);
	host_close(m);
	(void)close(m->fd);
	free(m);
}

static int
ask(const struct machine *m, unsigned long what, void *arg)
{
	return ioctl(m->fd, what, arg) == 0 ? 0 : errno;
}

static int
alloc_fd(struct machine *m, const struct vm_memseg_fd *seg)
{
	struct vm_memseg_fd copied = *seg;
	int error = ask(m, VM_ALLOC_MEMSEG_FD, &copied);

	/* It is read only. */
	return memcmp(&copied, seg, sizeof(copied)) == 0 ? error : EDOOFUS;
}

static int
alloc(struct machine *m, int segid, size_t len)
{
	struct vm_memseg seg;

	memset(&seg, 0, sizeof(seg));
	seg.segid = segid;
	seg.len = len;
	return ask(m, VM_ALLOC_MEMSEG, &seg);
}

static int
seg_len(struct machine *m, int segid, size_t *len)
{
	struct vm_memseg seg;
	int error;

	memset(&seg, 0, sizeof(seg));
	seg.segid = segid;
	error = ask(m, VM_GET_MEMSEG, &seg);
	if (error == 0)
		*len = seg.len;
	return error;
}

static int
map(struct machine *m, uint64_t gpa, int segid, uint64_t segoff, size_t len,
    bool wired)
{
	struct vm_memmap want;
	int error;

	memset(&want, 0, sizeof(want));
	want.gpa = gpa;
	want.segid = segid;
	want.segoff = (vm_ooffset_t)segoff;
	want.len = len;
	want.prot = PROT_READ | PROT_WRITE | PROT_EXEC;
	want.flags = wired ? VM_MEMMAP_F_WIRED : 0;
	error = ask(m, VM_MMAP_MEMSEG, &want);
	/* No room is EFAULT before 15.0, whatever stands in the way. */
	if (error == EFAULT && getosreldate() < 1500000)
		return gpa + len < gpa ? EINVAL : ENOMEM;
	return error;
}

static int
unmap(struct machine *m, uint64_t gpa, size_t len)
{
	struct vm_munmap want;

	memset(&want, 0, sizeof(want));
	want.gpa = gpa;
	want.len = len;
	return ask(m, VM_MUNMAP_MEMSEG, &want);
}

static int
reinit(struct machine *m)
{
	return ask(m, VM_REINIT, NULL);
}

/* The map with the lowest address of those from GPA on. */
static bool
next_map(const struct machine *m, uint64_t gpa, struct host_map *next)
{
	struct vm_memmap found;

	memset(&found, 0, sizeof(found));
	found.gpa = gpa;
	if (ask(m, VM_MMAP_GETNEXT, &found) != 0)
		return false;
	*next = (struct host_map){ found.gpa, found.len, NULL };
	return true;
}

/* How many bytes of memory follow GPA; 0: none is there. */
static size_t
guest_has(const struct machine *m, uint64_t gpa)
{
	struct host_map at = { 0, 0, NULL };

	while (next_map(m, at.gpa + at.len, &at) && at.gpa <= gpa)
		if (gpa - at.gpa < at.len)
			return at.len - (gpa - at.gpa);
	return 0;
}

/* The device reads holes below the highest address as zeroes: we do not. */
static int
guest_read(struct machine *m, uint64_t gpa, void *buf, size_t n)
{
	unsigned char *to = buf;

	while (n > 0) {
		size_t some = guest_has(m, gpa);

		if (some == 0)
			return EFAULT;
		some = some < n ? some : n;
		if (pread(m->fd, to, some, (off_t)gpa) != (ssize_t)some)
			return errno;
		to += some;
		gpa += some;
		n -= some;
	}
	return 0;
}

static int
guest_write(struct machine *m, uint64_t gpa, const void *buf, size_t n)
{
	errno = EIO;
	return pwrite(m->fd, buf, n, (off_t)gpa) == (ssize_t)n ? 0 : errno;
}

/* Map by map, as bhyve(8) has them. */
static void
host_map_all(struct machine *m)
{
	struct host_map at = { 0, 0, NULL };

	m->host_open = true;
	while (m->nhost < MAPS_MAX && next_map(m, at.gpa + at.len, &at)) {
		at.base = mmap(NULL, at.len, PROT_READ | PROT_WRITE, MAP_SHARED,
		    m->fd, (off_t)at.gpa);
		if (at.base == MAP_FAILED)
			perror("mmap of a machine's memory");
		else
			m->host[m->nhost++] = at;
	}
}

static unsigned char *
host_find(struct machine *m, uint64_t gpa, size_t *n)
{
	if (!m->host_open)
		host_map_all(m);
	for (unsigned i = 0; i < m->nhost; i++) {
		const struct host_map *h = &m->host[i];

		if (gpa < h->gpa || gpa - h->gpa >= h->len)
			continue;
		*n = h->len - (gpa - h->gpa);
		return h->base + (gpa - h->gpa);
	}
	return NULL;
}

static int
host_read(struct machine *m, uint64_t gpa, void *buf, size_t n)
{
	unsigned char *to = buf;

	while (n > 0) {
		size_t some;
		const unsigned char *from = host_find(m, gpa, &some);

		if (from == NULL)
			return EFAULT;
		some = some < n ? some : n;
		if (copy(to, from, some) != 0)
			return EFAULT;
		to += some;
		gpa += some;
		n -= some;
	}
	return 0;
}

static int
host_write(struct machine *m, uint64_t gpa, const void *buf, size_t n)
{
	const unsigned char *from = buf;

	while (n > 0) {
		size_t some;
		unsigned char *to = host_find(m, gpa, &some);

		if (to == NULL)
			return EFAULT;
		some = some < n ? some : n;
		if (copy(to, from, some) != 0)
			return EFAULT;
		from += some;
		gpa += some;
		n -= some;
	}
	return 0;
}

int
vmm_device(const struct machine *m)
{
	return m->fd;
}

void *
vmm_host_at(struct machine *m, uint64_t gpa)
{
	size_t n;

	return host_find(m, gpa, &n);
}

/* --- the world ----------------------------------------------------------- */

static int
file_open_write(const char *path, int *fd)
{
	int new = open(path, O_WRONLY | O_CLOEXEC);

	if (new < 0)
		return errno;
	*fd = new;
	return 0;
}

static void
file_close_write(int fd)
{
	(void)close(fd);
}

static int
file_truncate(const char *path, uint64_t len)
{
	return truncate(path, (off_t)len) == 0 ? 0 : errno;
}

const struct machine_ops machine_vmm = {
	.name = "vmm",
	.create = create,
	.destroy = destroy,
	.alloc_fd = alloc_fd,
	.alloc = alloc,
	.seg_len = seg_len,
	.map = map,
	.unmap = unmap,
	.reinit = reinit,
	.guest_read = guest_read,
	.guest_write = guest_write,
	.host_read = host_read,
	.host_write = host_write,
	.host_close = host_close,
	.file_open_write = file_open_write,
	.file_close_write = file_close_write,
	.file_truncate = file_truncate,
};
