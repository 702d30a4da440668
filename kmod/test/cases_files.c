/* One file, many machines; what becomes of the file meanwhile. */
#include "cases.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MANY 32

void
case_two_machines(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *a = machine_golden(w), *b = machine_golden(w);

	/* Both have the page before one writes it. */
	CHECK(w->t, has_golden(w, a, GUEST, 0, 0, all));
	CHECK(w->t, has_golden(w, b, HOST, 0, 0, all));
	for (unsigned i = 0; i < 8; i++) {
		struct machine *m = i & 1 ? b : a, *o = i & 1 ? a : b;
		enum side s = i & 2 ? HOST : GUEST;
		unsigned char byte = (unsigned char)(120 + i);

		CHECK_IS(w->t, fill(w, m, s, i * p, byte, p), 0);
		CHECK(w->t, has(w, m, GUEST, i * p, byte, p));
		CHECK(w->t, has_golden(w, o, GUEST, i * p, i * p, p));
		CHECK(w->t, has_golden(w, o, HOST, i * p, i * p, p));
	}
	CHECK_IS(w->t, fill(w, a, GUEST, 9 * p, 130, p), 0);
	CHECK_IS(w->t, fill(w, b, GUEST, 9 * p, 131, p), 0);
	CHECK(w->t, has(w, a, HOST, 9 * p, 130, p));
	CHECK(w->t, has(w, b, HOST, 9 * p, 131, p));
	w->ops->destroy(a);
	CHECK(w->t, has(w, b, GUEST, 9 * p, 131, p));
	CHECK(w->t, has_golden(w, b, GUEST, 10 * p, 10 * p, all - 10 * p));
	w->ops->destroy(b);

	a = machine_golden(w);
	CHECK(w->t, has_golden(w, a, GUEST, 0, 0, all));
	w->ops->destroy(a);
}

void
case_many_machines(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m[MANY];

	for (unsigned i = 0; i < MANY; i++) {
		m[i] = machine_golden(w);
		CHECK(w->t, has_golden(w, m[i], i & 1, 0, 0, all));
	}
	for (unsigned i = 0; i < MANY; i++) {
		unsigned char byte = (unsigned char)(1 + i);

		CHECK_IS(w->t, fill(w, m[i], GUEST, 0, byte, p), 0);
		CHECK_IS(
		    w->t, fill(w, m[i], HOST, (1 + i % 20) * p, byte, p), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		unsigned char byte = (unsigned char)(1 + i);
		unsigned own = 1 + i % 20;

		CHECK(w->t, has(w, m[i], HOST, 0, byte, p));
		CHECK(w->t, has(w, m[i], GUEST, own * p, byte, p));
		for (unsigned k = 1; k < GOLDEN_PAGES; k++)
			if (k != own)
				CHECK(w->t, has_golden(w, m[i], GUEST, k * p,
						k * p, p));
	}
	for (unsigned i = 0; i < MANY; i++)
		w->ops->destroy(m[i]);
}

/* All of it, by both views; the runner compares the file. */
void
case_written_everywhere(struct world *w)
{
	const size_t all = GOLDEN_PAGES * w->page;
	struct machine *m = machine_golden(w), *fresh;

	CHECK_IS(w->t, fill(w, m, GUEST, 0, 140, all), 0);
	CHECK(w->t, has(w, m, HOST, 0, 140, all));
	CHECK(w->t, file_hash(w->watch) == w->hash);
	fresh = machine_golden(w);
	CHECK(w->t, has_golden(w, fresh, GUEST, 0, 0, all));
	CHECK_IS(w->t, fill(w, fresh, HOST, 0, 141, all), 0);
	CHECK(w->t, file_hash(w->watch) == w->hash);
	CHECK(w->t, has(w, m, GUEST, 0, 140, all));
	w->ops->destroy(fresh);
	w->ops->destroy(m);
}

void
case_offset(struct world *w)
{
	const size_t p = w->page;
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);

	seg.off = 5 * p;
	seg.len = 9 * p;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 2 * p, 7 * p, false), 0);
	CHECK(w->t, has_golden(w, m, GUEST, 0, 7 * p, 7 * p));
	CHECK(w->t, has_golden(w, m, HOST, 0, 7 * p, 7 * p));
	CHECK_IS(w->t, fill(w, m, HOST, 3 * p, 150, p), 0);
	CHECK(w->t, has(w, m, GUEST, 3 * p, 150, p));
	CHECK(w->t, has_golden(w, m, GUEST, 4 * p, 11 * p, 3 * p));
	w->ops->destroy(m);
}

/* Parts of one file that overlap: what one of them has written, the other
 * has not. */
void
case_two_segments(struct world *w)
{
	const size_t p = w->page;
	const uint64_t second = 16 * p;
	struct vm_memseg_fd a = whole_file(w, 0), b = whole_file(w, 1);
	struct machine *m = machine_new(w);

	a.len = 10 * p;
	b.off = 5 * p;
	b.len = 10 * p;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &a), 0);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &b), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, a.len, false), 0);
	CHECK_IS(w->t, w->ops->map(m, second, 1, 0, b.len, false), 0);
	CHECK(w->t, has_golden(w, m, HOST, second, b.off, b.len));
	CHECK_IS(w->t, fill(w, m, GUEST, 7 * p, 160, p), 0);
	CHECK(w->t, has(w, m, HOST, 7 * p, 160, p));
	CHECK(w->t, has_golden(w, m, GUEST, second, b.off, b.len));
	CHECK_IS(w->t, fill(w, m, HOST, second + 3 * p, 161, p), 0);
	CHECK(w->t, has_golden(w, m, GUEST, 8 * p, 8 * p, 2 * p));
	CHECK(w->t, has(w, m, GUEST, second + 3 * p, 161, p));
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(m);
}

/* Of a file that ends within a page, the whole pages. */
void
case_last_page(struct world *w)
{
	const size_t p = w->page;
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);
	char path[PATH_MAX];

	world_path(w, "odd", path);
	seg.fd = golden_file(path, 3 * p + 100);
	seg.len = 4 * p;
	CHECK(w->t, seg.fd >= 0);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EINVAL);
	seg.len = 3 * p;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, 3 * p, false), 0);
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, 3 * p));
	CHECK_IS(w->t, fill(w, m, GUEST, 3 * p - 1, 170, 1), 0);
	CHECK(w->t, has(w, m, HOST, 3 * p - 1, 170, 1));
	CHECK(w->t, has_golden(w, m, HOST, 2 * p, 2 * p, p - 1));
	w->ops->destroy(m);
	(void)close(seg.fd);
	(void)unlink(path);
}

/* Zeroes that no disk holds: read, written over, and holes still. */
void
case_holes(struct world *w)
{
	const size_t p = w->page;
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);
	char path[PATH_MAX];
	uint64_t hash;
	int fd;

	world_path(w, "holes", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(w->t, fd >= 0 && ftruncate(fd, (off_t)(600 * p)) == 0);
	CHECK(w->t, pwrite(fd, "x", 1, (off_t)(300 * p)) == 1);
	CHECK(w->t, close(fd) == 0);
	seg.fd = open(path, O_RDONLY);
	seg.len = 600 * p;
	hash = file_hash(seg.fd);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, seg.len, false), 0);
	CHECK(w->t, has(w, m, GUEST, 0, 0, 300 * p));
	CHECK(w->t, has(w, m, HOST, 300 * p, 'x', 1));
	CHECK(w->t, has(w, m, HOST, 300 * p + 1, 0, 300 * p - 1));
	CHECK_IS(w->t, fill(w, m, HOST, 20 * p, 180, p), 0);
	CHECK_IS(w->t, fill(w, m, GUEST, 599 * p, 181, p), 0);
	CHECK(w->t, has(w, m, GUEST, 20 * p, 180, p));
	CHECK(w->t, has(w, m, HOST, 599 * p, 181, p));
	CHECK(w->t, has(w, m, GUEST, 21 * p, 0, p));
	CHECK(w->t, file_hash(seg.fd) == hash);
	w->ops->destroy(m);
	(void)close(seg.fd);
	(void)unlink(path);
}

/* No name and no descriptor: every page can be had still. */
void
case_unlinked(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *m = machine_golden(w);
	int fd;

	CHECK(w->t, unlink(w->path) == 0);
	CHECK(w->t, close(w->fd) == 0);
	w->fd = -1;
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, all / 2));
	/* Another file of that name is another file. */
	fd = golden_file(w->path, p);
	CHECK(w->t, fd >= 0);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, 0), 0);
	CHECK(w->t, has_golden(w, m, HOST, 0, 0, all));
	CHECK_IS(w->t, fill(w, m, GUEST, 0, 190, p), 0);
	CHECK(w->t, has(w, m, HOST, 0, 190, p));
	w->ops->destroy(m);
	(void)close(fd);
}

/* Of a file that nobody may write, as a finished checkpoint is. */
void
case_descriptor_closed(struct world *w)
{
	struct machine *m;

	CHECK(w->t, chmod(w->path, 0400) == 0);
	m = machine_golden(w);
	CHECK(w->t, chmod(w->path, 0600) == 0);
	CHECK(w->t, close(w->fd) == 0);
	w->fd = -1;
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	CHECK(w->t, has_golden(w, m, HOST, 0, 0, GOLDEN_PAGES * w->page));
	w->ops->destroy(m);
}

/* A new checkpoint takes the old one's name: who runs keeps the old one. */
void
case_renamed_over(struct world *w)
{
	const size_t p = w->page, all = GOLDEN_PAGES * p;
	struct machine *old = machine_golden(w), *new;
	struct vm_memseg_fd seg = whole_file(w, 0);
	char path[PATH_MAX];
	int fd;

	world_path(w, "new", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(w->t, fd >= 0 && ftruncate(fd, (off_t)all) == 0);
	CHECK(w->t, close(fd) == 0);
	CHECK(w->t, rename(path, w->path) == 0);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	seg.fd = open(w->path, O_RDONLY);
	new = machine_new(w);
	CHECK_IS(w->t, w->ops->alloc_fd(new, &seg), 0);
	CHECK_IS(w->t, w->ops->map(new, 0, 0, 0, all, false), 0);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	CHECK(w->t, has(w, new, GUEST, 0, 0, all));
	CHECK(w->t, has_golden(w, old, GUEST, 0, 0, all));
	CHECK_IS(w->t, fill(w, old, HOST, p, 191, p), 0);
	CHECK(w->t, has(w, new, HOST, p, 0, p));
	w->ops->destroy(old);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(new);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	(void)close(seg.fd);
}

void
case_busy_text(struct world *w)
{
	const uint64_t all = GOLDEN_PAGES * w->page;
	struct machine *m;
	struct stat st;

	CHECK_IS(w->t, try_write(w, w->path), 0);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, all), 0);
	m = machine_golden(w);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, 0), ETXTBSY);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, all), ETXTBSY);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, 2 * all), ETXTBSY);
	CHECK(w->t, stat(w->path, &st) == 0 && (uint64_t)st.st_size == all);
	CHECK_IS(w->t, w->ops->unmap(m, 0, all), 0);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(m);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, all), 0);
}

void
case_busy_until_last(struct world *w)
{
	struct machine *a = machine_golden(w), *b = machine_golden(w);

	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(a);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	a = machine_golden(w);
	w->ops->destroy(b);
	CHECK_IS(w->t, try_write(w, w->path), ETXTBSY);
	w->ops->destroy(a);
	CHECK_IS(w->t, try_write(w, w->path), 0);
}
