/* Cases of a kernel alone: what the model has no likeness of. */
#include "kernel_test.h"

#include <sys/param.h>
#include <sys/capsicum.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "machine_vmm.h"

static void
attach(struct world *w, int fd, int error)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);

	seg.fd = fd;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), error);
	w->ops->destroy(m);
}

static void
limit(struct world *w, int fd, cap_rights_t *rights)
{
	CHECK(w->t, cap_rights_limit(fd, rights) == 0);
}

/* After EBADF, before EACCES, ENODEV and all that comes later. */
static void
case_enotcapable(struct world *w)
{
	cap_rights_t rights;
	int fd = dup(w->fd), null = open("/dev/null", O_WRONLY);

	attach(w, fd, 0);
	limit(w, fd, cap_rights_init(&rights, CAP_MMAP_R, CAP_FSTAT));
	attach(w, fd, 0);
	limit(w, fd, cap_rights_init(&rights, CAP_READ, CAP_SEEK, CAP_FSTAT));
	attach(w, fd, ENOTCAPABLE);
	(void)close(fd);

	CHECK(w->t, null >= 0);
	attach(w, null, EACCES);
	limit(w, null, cap_rights_init(&rights, CAP_WRITE));
	attach(w, null, ENOTCAPABLE);
	(void)close(null);
}

/* A mapping that writes the file is a writer, with no descriptor open. */
static void
case_shared_mapping_writes(struct world *w)
{
	int fd = open(w->path, O_RDWR);
	void *p =
	    mmap(NULL, w->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(w->t, fd >= 0);
	attach(w, w->fd, ETXTBSY);
	(void)close(fd);
	CHECK(w->t, p != MAP_FAILED);
	attach(w, w->fd, ETXTBSY);
	CHECK(w->t, munmap(p, w->page) == 0);
	attach(w, w->fd, 0);
}

static void
case_shm_enodev(struct world *w)
{
	int fd = shm_open(SHM_ANON, O_RDWR, 0600);

	CHECK(w->t, fd >= 0);
	CHECK(w->t, ftruncate(fd, (off_t)(GOLDEN_PAGES * w->page)) == 0);
	attach(w, w->fd, 0);
	attach(w, fd, ENODEV);
	(void)close(fd);
}

/*
 * What the host advises away of its own view is no guest's memory: a page that
 * was written may become zero, as madvise(2) says, but never the file's again,
 * and both views agree. One that was not written is the file's still.
 */
static void
advised(struct world *w, int advice)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	unsigned char a, b;

	CHECK(w->t, has_golden(w, m, HOST, 0, 0, all));
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, all));
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK_IS(
		    w->t, fill(w, m, i & 2 ? HOST : GUEST, i * p, 201, p), 0);
	CHECK(w->t, madvise(vmm_host_at(m, 0), all, advice) == 0);
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2) {
		CHECK_IS(w->t, peek(w, m, GUEST, i * p + 9, &a, 1), 0);
		CHECK_IS(w->t, peek(w, m, HOST, i * p + 9, &b, 1), 0);
		CHECK(w->t, a == b);
		CHECK(w->t, a == 201 || (advice == MADV_FREE && a == 0));
		CHECK(
		    w->t, has_golden(w, m, GUEST, (i + 1) * p, (i + 1) * p, p));
		CHECK_IS(w->t, fill(w, m, HOST, i * p, 202, p), 0);
		CHECK(w->t, has(w, m, GUEST, i * p, 202, p));
	}
	w->ops->destroy(m);
}

static void
case_madvise(struct world *w)
{
	advised(w, MADV_DONTNEED);
	advised(w, MADV_WILLNEED);
	advised(w, MADV_FREE);
}

/*
 * To wire the host's view copies, which costs memory but changes nothing. No
 * more than the 64 KiB that a login class may be limited to.
 */
static void
case_mlock(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);

	CHECK_IS(w->t, fill(w, m, GUEST, 0, 210, p), 0);
	CHECK(w->t, has_golden(w, m, HOST, p, p, p));
	CHECK(w->t, mlock(vmm_host_at(m, 0), 6 * p) == 0);
	CHECK(w->t, has(w, m, HOST, 0, 210, p));
	CHECK(w->t, has_golden(w, m, GUEST, p, p, all - p));
	CHECK_IS(w->t, fill(w, m, GUEST, 2 * p, 211, p), 0);
	CHECK(w->t, has(w, m, HOST, 2 * p, 211, p));
	CHECK(w->t, munlock(vmm_host_at(m, 0), 6 * p) == 0);
	CHECK(w->t, has(w, m, GUEST, 2 * p, 211, p));
	CHECK(w->t, has_golden(w, m, HOST, 3 * p, 3 * p, all - 3 * p));
	w->ops->destroy(m);
}

/*
 * Whoever may read the file can have its pages dropped from memory, the host
 * by its own view, too: they come back from the file, and what was written is
 * not among them.
 */
static void
case_pages_dropped(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	void *file = mmap(NULL, all, PROT_READ, MAP_SHARED, w->fd, 0);

	CHECK(w->t, file != MAP_FAILED);
	CHECK(w->t, has_golden(w, m, HOST, 0, 0, all));
	CHECK_IS(w->t, fill(w, m, GUEST, 0, 212, 2 * p), 0);
	for (unsigned i = 0; i < 2; i++) {
		void *at = i == 0 ? file : vmm_host_at(m, 0);

		CHECK(w->t, msync(at, all, MS_INVALIDATE) == 0);
		for (enum side s = GUEST; s <= HOST; s++) {
			CHECK(w->t, has(w, m, s, 0, 212, 2 * p));
			CHECK(w->t,
			    has_golden(w, m, s, 2 * p, 2 * p, all - 2 * p));
		}
	}
	CHECK(w->t, munmap(file, all) == 0);
	w->ops->destroy(m);
}

/* Of the host's view, a part is protected and a part unmapped: its own. */
static void
case_view_in_pieces(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	unsigned char *view = mmap(
	    NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, vmm_device(m), 0);

	CHECK(w->t, view != MAP_FAILED);
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK_IS(w->t,
		    fill(w, m, GUEST, i * p, (unsigned char)(1 + i), p), 0);
	CHECK(w->t, mprotect(view + 4 * p, 6 * p, PROT_READ) == 0);
	CHECK(w->t, munmap(view + 12 * p, 6 * p) == 0);
	CHECK(w->t, munmap(view, p) == 0);
	CHECK_IS(w->t, fill(w, m, GUEST, 5 * p, 213, p), 0);
	CHECK(w->t, view[5 * p] == 213 && view[4 * p] == 5);
	CHECK(w->t, view[7 * p] == golden(7 * p));
	view[19 * p] = 214;
	CHECK(w->t, has(w, m, GUEST, 19 * p, 214, 1));
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK(w->t, has(w, m, HOST, i * p, (unsigned char)(1 + i), p));
	CHECK(w->t, munmap(view, all) == 0);
	for (unsigned i = 0; i < GOLDEN_PAGES; i += 2)
		CHECK(w->t, has(w, m, GUEST, i * p, (unsigned char)(1 + i), p));
	CHECK(w->t, has_golden(w, m, GUEST, 7 * p, 7 * p, p));
	w->ops->destroy(m);
}

/* A mapping lives on when its machine is gone; the file is free. */
static void
case_view_outlives_machine(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	unsigned char *view;

	CHECK_IS(w->t, fill(w, m, GUEST, 0, 220, p), 0);
	view = mmap(
	    NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, vmm_device(m), 0);
	CHECK(w->t, view != MAP_FAILED);
	CHECK(w->t, view[0] == 220 && view[p] == golden(p));
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(m);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	CHECK(w->t, view[0] == 220 && view[p] == golden(p));
	CHECK(w->t, view[2 * p] == golden(2 * p));
	view[3 * p] = 221;
	CHECK(w->t, view[3 * p] == 221 && view[3 * p + 1] == golden(3 * p + 1));
	CHECK(w->t, munmap(view, all) == 0);
}

/* An ordinary descriptor of the file sees nothing of it, mapped or read. */
static void
case_other_mappings(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	const unsigned char *shared, *private;

	shared = mmap(NULL, all, PROT_READ, MAP_SHARED, w->fd, 0);
	private = mmap(NULL, all, PROT_READ, MAP_PRIVATE, w->fd, 0);
	CHECK(w->t, shared != MAP_FAILED && private != MAP_FAILED);
	CHECK_IS(w->t, fill(w, m, GUEST, 0, 230, all), 0);
	CHECK_IS(w->t, fill(w, m, HOST, 0, 231, all), 0);
	for (size_t i = 0; i < all; i += 101)
		if (shared[i] != golden(i) || private[i] != golden(i))
			CHECK(w->t, i == all); /* says that one differs */
	CHECK(w->t, has(w, m, GUEST, 0, 231, all));
	CHECK(w->t, munmap((void *)(uintptr_t)shared, all) == 0);
	CHECK(w->t, munmap((void *)(uintptr_t) private, all) == 0);
	w->ops->destroy(m);
}

/*
 * The file that a nullfs shows and the file below it are one: who holds the
 * one keeps writers from the other, and both may be held at once.
 */
static void
case_nullfs_below(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *above, *below;
	char path[PATH_MAX];
	struct statfs fs;
	int writer;

	CHECK(w->t, statfs(w->dir, &fs) == 0);
	if (strcmp(fs.f_fstypename, "nullfs") != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s%s", fs.f_mntfromname,
	    w->path + strlen(fs.f_mntonname));
	CHECK_IS(w->t, try_write(w, path), 0);
	above = machine_golden(w);
	CHECK_IS(w->t, try_write(w, path), ETXTBSY);
	CHECK_IS(w->t, w->ops->file_truncate(path, 0), ETXTBSY);
	below = machine_new(w);
	seg.fd = open(path, O_RDONLY);
	CHECK_IS(w->t, w->ops->alloc_fd(below, &seg), 0);
	CHECK_IS(w->t, w->ops->map(below, 0, 0, 0, seg.len, false), 0);
	CHECK_IS(w->t, fill(w, above, HOST, 0, 250, seg.len), 0);
	CHECK(w->t, has_golden(w, below, GUEST, 0, 0, seg.len));
	w->ops->destroy(above);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(below);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	(void)close(seg.fd);

	writer = open(path, O_WRONLY);
	CHECK(w->t, writer >= 0);
	attach(w, w->fd, ETXTBSY);
	(void)close(writer);
	attach(w, w->fd, 0);
}

static const struct kcase cases[] = {
	{ "enotcapable", case_enotcapable, NULL },
	{ "shared-mapping-writes", case_shared_mapping_writes, NULL },
	{ "shm-enodev", case_shm_enodev, NULL },
	{ "madvise", case_madvise, NULL },
	{ "mlock", case_mlock, NULL },
	{ "pages-dropped", case_pages_dropped, NULL },
	{ "view-in-pieces", case_view_in_pieces, NULL },
	{ "view-outlives-machine", case_view_outlives_machine, NULL },
	{ "other-mappings", case_other_mappings, NULL },
	{ "nullfs-below", case_nullfs_below, NULL },
};

void
run_kernel_cases(const char *dir, const char *only, struct tally *t)
{
	run_table(
	    &machine_vmm, dir, only, cases, sizeof(cases) / sizeof(*cases), t);
}
