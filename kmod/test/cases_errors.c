/* Every error of the header, in its order; each sees success first. */
#include "cases.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* An attach that fails so, and leaves neither a segment nor busy text. */
static void
refused(struct world *w, const struct vm_memseg_fd *seg, int error)
{
	struct machine *m = machine_new(w);
	size_t len = 1;

	CHECK_IS(w->t, w->ops->alloc_fd(m, seg), error);
	CHECK_IS(w->t, w->ops->seg_len(m, 0, &len), 0);
	CHECK(w->t, len == 0);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	w->ops->destroy(m);
}

static void
accepted(struct world *w, const struct vm_memseg_fd *seg)
{
	struct machine *m = machine_new(w);
	size_t len = 0;

	CHECK_IS(w->t, w->ops->alloc_fd(m, seg), 0);
	CHECK_IS(w->t, w->ops->seg_len(m, seg->segid, &len), 0);
	CHECK(w->t, len == seg->len);
	w->ops->destroy(m);
}

void
case_request_einval(struct world *w)
{
	const uint64_t end = (uint64_t)1 << 63;
	const int segids[] = { -1, INT_MIN, 8, 9, 10, 11, 1000, INT_MAX };
	const uint64_t lens[] = { 0, 1, w->page - 1, w->page + 1, end,
		end - w->page + 1, 0 - w->page };
	const uint64_t offs[] = { 1, 512, w->page + 1, end - w->page, end,
		0 - w->page, 0 - GOLDEN_PAGES * w->page };
	const struct vm_memseg_fd good = whole_file(w, 0);
	struct vm_memseg_fd seg = good;

	accepted(w, &good);
	seg.version = 0;
	refused(w, &seg, EINVAL);
	seg.version = VM_MEMSEG_FD_VERSION + 1;
	refused(w, &seg, EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		seg = good;
		seg.flags = (uint32_t)1 << bit;
		refused(w, &seg, EINVAL);
	}
	for (size_t i = 0; i < sizeof(seg.spare) / sizeof(*seg.spare); i++) {
		seg = good;
		seg.spare[i] = (uint64_t)1 << 63;
		refused(w, &seg, EINVAL);
	}
	for (size_t i = 0; i < sizeof(segids) / sizeof(*segids); i++) {
		seg = good;
		seg.segid = segids[i];
		refused(w, &seg, EINVAL);
	}
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		seg = good;
		seg.len = lens[i];
		refused(w, &seg, EINVAL);
	}
	for (size_t i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		seg = good;
		seg.off = offs[i];
		refused(w, &seg, EINVAL);
	}
}

void
case_eexist(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_golden(w);

	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EEXIST);
	CHECK_IS(w->t, w->ops->alloc(m, 0, seg.len), EEXIST);
	CHECK_IS(w->t, w->ops->alloc(m, 0, w->page), EINVAL);
	seg.len = w->page;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EEXIST);
	/* It is the first one's memory still. */
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, GOLDEN_PAGES * w->page));
	w->ops->destroy(m);

	m = machine_new(w);
	CHECK_IS(w->t, w->ops->alloc(m, 0, w->page), 0);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EEXIST);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	w->ops->destroy(m);
}

void
case_ebadf(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m;

	seg.fd = dup(w->fd);
	accepted(w, &seg);
	m = machine_new(w); /* may take a descriptor itself: first */
	(void)close(seg.fd);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EBADF);
	w->ops->destroy(m);
	seg.fd = -1;
	refused(w, &seg, EBADF);
	seg.fd = INT_MAX;
	refused(w, &seg, EBADF);
}

void
case_eacces(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);

	accepted(w, &seg);
	CHECK_IS(w->t, w->ops->file_open_write(w->path, &seg.fd), 0);
	CHECK(w->t, (fcntl(seg.fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
	refused(w, &seg, EACCES);
	w->ops->file_close_write(seg.fd);
}

static void
not_a_file(struct world *w, int fd)
{
	struct vm_memseg_fd seg = whole_file(w, 0);

	seg.fd = fd;
	if (!CHECK(w->t, fd >= 0))
		return;
	refused(w, &seg, ENODEV);
	(void)close(fd);
}

void
case_enodev(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	int pair[2];

	accepted(w, &seg);
	not_a_file(w, open(w->dir, O_RDONLY | O_DIRECTORY));
	not_a_file(w, open("/dev/null", O_RDONLY));
	not_a_file(w, open("/dev/zero", O_RDWR));
	CHECK(w->t, pipe(pair) == 0);
	not_a_file(w, pair[0]);
	(void)close(pair[1]);
	CHECK(w->t, socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	not_a_file(w, pair[0]);
	not_a_file(w, pair[1]);
}

void
case_etxtbsy(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);
	int one, two;

	accepted(w, &seg);
	CHECK_IS(w->t, w->ops->file_open_write(w->path, &one), 0);
	CHECK_IS(w->t, w->ops->file_open_write(w->path, &two), 0);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), ETXTBSY);
	w->ops->file_close_write(one);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), ETXTBSY);
	w->ops->file_close_write(two);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	w->ops->destroy(m);

	/* The descriptor itself is a writer's. */
	seg.fd = open(w->path, O_RDWR);
	CHECK(w->t, seg.fd >= 0);
	m = machine_new(w);
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), ETXTBSY);
	(void)close(seg.fd);
	CHECK_IS(w->t, try_write(w, w->path), 0);
	seg.fd = w->fd;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	w->ops->destroy(m);
}

void
case_short_file(struct world *w)
{
	const uint64_t len = GOLDEN_PAGES * w->page;
	struct vm_memseg_fd seg = whole_file(w, 0);

	accepted(w, &seg);
	seg.len = len + w->page;
	refused(w, &seg, EINVAL);
	seg.len = len;
	seg.off = w->page;
	refused(w, &seg, EINVAL);
	seg.len = w->page;
	seg.off = len - w->page;
	accepted(w, &seg);
	seg.off = len;
	refused(w, &seg, EINVAL);
	seg.off = (uint64_t)INT64_MAX + 1 - 2 * w->page;
	refused(w, &seg, EINVAL);

	/* One byte less, and the last page is not whole. */
	seg = whole_file(w, 0);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, len - 1), 0);
	refused(w, &seg, EINVAL);
	seg.len = len - w->page;
	accepted(w, &seg);
	CHECK_IS(w->t, w->ops->file_truncate(w->path, 0), 0);
	seg.len = w->page;
	refused(w, &seg, EINVAL);
	w->hash = file_hash(w->watch); /* it was we */
}

static void
refused_by(struct world *w, const struct vm_memseg_fd *seg, const char *path,
    int flags, int error)
{
	struct vm_memseg_fd of = *seg;

	of.fd = open(path, flags);
	CHECK(w->t, of.fd >= 0);
	refused(w, &of, error);
	(void)close(of.fd);
}

/* Each pair of errors that one call can have: the earlier one is told. */
void
case_two_errors(struct world *w)
{
	const struct vm_memseg_fd good = whole_file(w, 0);
	struct vm_memseg_fd seg = good;
	struct machine *m = machine_golden(w);
	int fd;

	seg.version = 0;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EINVAL); /* EEXIST */
	seg = good;
	seg.fd = -1;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EEXIST); /* EBADF */
	seg = good;
	seg.len += w->page;
	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), EEXIST); /* short */
	w->ops->destroy(m);
	seg = good;
	seg.fd = -1;
	seg.version = 0;
	refused(w, &seg, EINVAL); /* EBADF */

	seg = good;
	seg.len += w->page;
	refused_by(w, &seg, "/dev/null", O_WRONLY, EACCES); /* ENODEV */
	refused_by(w, &seg, "/dev/null", O_RDWR, ENODEV);   /* ETXTBSY, short */

	CHECK_IS(w->t, w->ops->file_open_write(w->path, &fd), 0);
	seg.fd = fd;
	refused(w, &seg, EACCES); /* ETXTBSY, short */
	seg.fd = w->fd;
	refused(w, &seg, ETXTBSY); /* short */
	w->ops->file_close_write(fd);
	refused(w, &seg, EINVAL);
	accepted(w, &good);
}

void
case_wired(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);

	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->alloc(m, 1, w->page), 0);
	/* Plain memory can be wired, before and beside it. */
	CHECK_IS(w->t, w->ops->map(m, seg.len, 1, 0, w->page, true), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, seg.len, true), EOPNOTSUPP);
	CHECK_IS(w->t, w->ops->unmap(m, 0, seg.len), EINVAL);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, seg.len, false), 0);
	CHECK(w->t, has_golden(w, m, GUEST, 0, 0, seg.len));
	CHECK(w->t, has(w, m, GUEST, seg.len, 0, w->page));
	w->ops->destroy(m);
}
