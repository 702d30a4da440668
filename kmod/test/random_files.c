/* Files that are written, cut and replaced while machines may hold them. */
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A new file takes the name; who holds the old one keeps it. */
static void
replace_file(struct both *x, int i)
{
	const size_t page = x->w.page;
	struct a_file *a =
	    a_file_new((1 + below(x, A_PAGES)) * page -
		       (below(x, 4) == 0 ? 1 + below(x, 4096) : 0));
	int fd;

	for (size_t k = 0; k < a->len; k++)
		a->bytes[k] = (unsigned char)below(x, 256);
	(void)unlink(x->files[i].path);
	fd = open(x->files[i].path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(
	    x->w.t, fd >= 0 && write(fd, a->bytes, a->len) == (ssize_t)a->len);
	if (fd >= 0)
		(void)close(fd);
	if (x->files[i].fd >= 0)
		(void)close(x->files[i].fd);
	a_file_drop(x->files[i].a);
	x->files[i].a = a;
	x->files[i].fd = open(x->files[i].path, O_RDONLY);
	CHECK(x->w.t, x->files[i].fd >= 0);
}

static void
close_writers(struct both *x, int i)
{
	for (int k = 0; k < WRITERS; k++) {
		if (x->files[i].writers[k] < 0)
			continue;
		x->w.ops->file_close_write(x->files[i].writers[k]);
		x->files[i].writers[k] = -1;
		x->files[i].a->writers--;
	}
}

void
step_replace(struct both *x)
{
	int i = (int)below(x, FILES);

	close_writers(x, i);
	replace_file(x, i);
}

/* Whoever got it open writes a few bytes, and leaves it open at times. */
void
step_write_file(struct both *x)
{
	int i = (int)below(x, FILES), k = (int)below(x, WRITERS), fd = -1, rc;
	struct a_file *a = x->files[i].a;
	size_t off;

	if (x->files[i].writers[k] >= 0) {
		close_writers(x, i);
		return;
	}
	rc = x->w.ops->file_open_write(x->files[i].path, &fd);
	compare(x, "open for writing", rc, a->machines > 0 ? ETXTBSY : 0);
	if (rc != 0)
		return;
	off = below(x, (uint32_t)a->len);
	a->bytes[off] = (unsigned char)below(x, 256);
	CHECK(x->w.t, pwrite(fd, &a->bytes[off], 1, (off_t)off) == 1);
	x->files[i].writers[k] = fd;
	a->writers++;
	if (below(x, 3) > 0)
		close_writers(x, i);
}

void
step_truncate(struct both *x)
{
	int i = (int)below(x, FILES);
	struct a_file *a = x->files[i].a;
	size_t len = 1 + below(x, A_PAGES * (uint32_t)x->w.page);
	int rc = x->w.ops->file_truncate(x->files[i].path, len);

	compare(x, "truncate", rc, a->machines > 0 ? ETXTBSY : 0);
	if (rc != 0)
		return;
	if (len > a->len)
		memset(a->bytes + a->len, 0, len - a->len);
	a->len = len;
}

void
files_begin(struct both *x)
{
	for (int i = 0; i < FILES; i++) {
		world_path(&x->w, "random", x->files[i].path);
		x->files[i].fd = -1;
		for (int k = 0; k < WRITERS; k++)
			x->files[i].writers[k] = -1;
		replace_file(x, i);
	}
}

/* No machine holds them any more. */
void
files_end(struct both *x)
{
	for (int i = 0; i < FILES; i++) {
		close_writers(x, i);
		CHECK(x->w.t, x->files[i].a->machines == 0);
		CHECK_IS(x->w.t, try_write(&x->w, x->files[i].path), 0);
		(void)close(x->files[i].fd);
		(void)unlink(x->files[i].path);
		a_file_drop(x->files[i].a);
	}
}
