#include "io/memfile.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int
memfile_make(const char *name, const void *p, size_t n, struct err *e)
{
	autoclose int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write_all(fd, p, n) < 0 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_sys(e, "%s: memory file", name);
	return take_fd(&fd);
}

void *
memfile_map(int fd, size_t n, struct err *e)
{
	struct stat st;
	int have;
	void *p;

	/* What cannot be sealed at all says -1, which has every bit. */
	have = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	if (have < 0 || (have & SEALS) != SEALS) {
		err_set(e, ERR_BUG, "memory file without seals");
		return NULL;
	}
	if (n == 0 || fstat(fd, &st) < 0 || (size_t)st.st_size != n) {
		err_set(e, ERR_BUG, "memory file is not of %zu bytes", n);
		return NULL;
	}
	p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		err_sys(e, "memory file");
		return NULL;
	}
	return p;
}

void
memfile_unmap(void *p, size_t n)
{
	if (p != NULL)
		(void)munmap(p, n);
}
