#include "world.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned char
golden(uint64_t off)
{
	uint64_t x = off * 0x9e3779b97f4a7c15u;

	return (unsigned char)(1 + (x >> 40) % 255);
}

static bool
write_golden(int fd, uint64_t len)
{
	unsigned char buf[4096] = { 0 };

	for (uint64_t off = 0; off < len;) {
		size_t n =
		    len - off < sizeof(buf) ? (size_t)(len - off) : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = golden(off + i);
		if (pwrite(fd, buf, n, (off_t)off) != (ssize_t)n)
			return false;
		off += n;
	}
	return true;
}

int
golden_file(const char *path, uint64_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool made;

	if (fd < 0)
		return -1;
	made = write_golden(fd, len);
	if (close(fd) != 0 || !made)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* FNV-1a of all that read(2) gives. */
uint64_t
file_hash(int fd)
{
	uint64_t h = 0xcbf29ce484222325u;
	unsigned char buf[4096];
	off_t off = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), off)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ buf[i]) * 0x100000001b3u;
		off += n;
	}
	return n < 0 ? 0 : h;
}

void
world_path(struct world *w, const char *what, char path[PATH_MAX])
{
	static unsigned serial;

	(void)snprintf(path, PATH_MAX, "%s/%s.%ld.%u", w->dir, what,
	    (long)getpid(), serial++);
	(void)unlink(path);
}

bool
world_open(struct world *w, const struct machine_ops *ops, const char *dir,
    struct tally *t)
{
	*w = (struct world){ .ops = ops, .t = t, .dir = dir, .watch = -1 };
	w->page = (size_t)sysconf(_SC_PAGESIZE);
	world_path(w, "golden", w->path);
	w->fd = golden_file(w->path, GOLDEN_PAGES * w->page);
	if (!CHECK(t, w->fd >= 0)) {
		printf("# %s: %s\n", w->path, strerror(errno));
		return false;
	}
	w->watch = dup(w->fd);
	w->hash = file_hash(w->watch);
	return CHECK(t, w->watch >= 0 && w->hash != 0);
}

void
world_close(struct world *w)
{
	struct stat a, b;

	CHECK(w->t, file_hash(w->watch) == w->hash);
	/* A case may have put another file there. */
	if (stat(w->path, &a) == 0 && fstat(w->watch, &b) == 0 &&
	    a.st_ino == b.st_ino)
		CHECK_IS(w->t, try_write(w, w->path), 0);
	(void)close(w->watch);
	if (w->fd >= 0)
		(void)close(w->fd);
	(void)unlink(w->path);
}

struct machine *
machine_new(struct world *w)
{
	static unsigned serial;
	struct machine *m = NULL;
	char name[64];

	(void)snprintf(
	    name, sizeof(name), "memseg%ld.%u", (long)getpid(), serial++);
	CHECK_IS(w->t, w->ops->create(name, &m), 0);
	if (m == NULL) {
		printf("# no machine, no test\n");
		exit(1);
	}
	return m;
}

struct vm_memseg_fd
whole_file(const struct world *w, int segid)
{
	return (struct vm_memseg_fd){ .version = VM_MEMSEG_FD_VERSION,
		.segid = segid,
		.fd = w->fd,
		.len = GOLDEN_PAGES * w->page };
}

struct machine *
machine_golden(struct world *w)
{
	struct vm_memseg_fd seg = whole_file(w, 0);
	struct machine *m = machine_new(w);

	CHECK_IS(w->t, w->ops->alloc_fd(m, &seg), 0);
	CHECK_IS(w->t, w->ops->map(m, 0, 0, 0, seg.len, false), 0);
	return m;
}

int
peek(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    void *buf, size_t n)
{
	return (side == GUEST ? w->ops->guest_read : w->ops->host_read)(
	    m, gpa, buf, n);
}

int
poke(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    const void *buf, size_t n)
{
	return (side == GUEST ? w->ops->guest_write : w->ops->host_write)(
	    m, gpa, buf, n);
}

int
fill(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    unsigned char byte, size_t n)
{
	unsigned char *buf = malloc(n);
	int error;

	if (buf == NULL)
		return ENOMEM;
	memset(buf, byte, n);
	error = poke(w, m, side, gpa, buf, n);
	free(buf);
	return error;
}

/* N bytes of memory, or NULL; the caller frees them. */
static unsigned char *
fetch(
    struct world *w, struct machine *m, enum side side, uint64_t gpa, size_t n)
{
	unsigned char *buf = malloc(n);
	int error = buf == NULL ? ENOMEM : peek(w, m, side, gpa, buf, n);

	if (error == 0)
		return buf;
	printf("# reading at %#jx: %s\n", (uintmax_t)gpa, strerror(error));
	free(buf);
	return NULL;
}

/* Says where it differs. */
static bool
same(uint64_t gpa, size_t i, unsigned char got, unsigned char want)
{
	if (got == want)
		return true;
	printf(
	    "# at %#jx: %#x instead of %#x\n", (uintmax_t)(gpa + i), got, want);
	return false;
}

bool
has(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    unsigned char byte, size_t n)
{
	unsigned char *buf = fetch(w, m, side, gpa, n);
	bool ok = buf != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = same(gpa, i, buf[i], byte);
	free(buf);
	return ok;
}

bool
has_golden(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    uint64_t off, size_t n)
{
	unsigned char *buf = fetch(w, m, side, gpa, n);
	bool ok = buf != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = same(gpa, i, buf[i], golden(off + i));
	free(buf);
	return ok;
}

int
try_write(struct world *w, const char *path)
{
	int fd, error = w->ops->file_open_write(path, &fd);

	if (error == 0)
		w->ops->file_close_write(fd);
	return error;
}
