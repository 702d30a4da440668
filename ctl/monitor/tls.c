/* tls.c - the files of a certificate, for a process that may not read them. */
#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "dataplane/proxy/tls_msg.h"

enum { BLOB_MAX = (int)sizeof(struct tls_files) + 2 * TLS_FILE_MAX };

/* Adds the file to what `to` holds; how many bytes, or -1. */
static ssize_t
add_file(char *to, const char *key, const char *path, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0;

	if (fd < 0)
		return err_sys(e, "%s: %s", key, path);
	for (;;) {
		char over = 0;
		char *at = n < TLS_FILE_MAX ? to + n : &over;
		ssize_t got =
		    read(fd, at, n < TLS_FILE_MAX ? TLS_FILE_MAX - n : 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "%s: %s", key, path);
		if (got == 0)
			return (ssize_t)n;
		if (n == TLS_FILE_MAX)
			return err_set(e, ERR_INVALID,
			    "%s: %s is longer than %d bytes", key, path,
			    TLS_FILE_MAX);
		n += (size_t)got;
	}
}

/* Sealed: it is what was checked, whoever else holds it. */
static int
seal(const char *p, size_t n, struct err *e)
{
	autoclose int fd = memfd_create("tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_sys(e, "tls_cert: memory");
	return take_fd(&fd);
}

int
tls_open(const struct conf *c, struct err *e)
{
	char *blob = malloc(BLOB_MAX);
	struct tls_files f = { 0, 0 };
	ssize_t cert, key = -1;
	int fd = -1;

	if (blob == NULL)
		return err_sys(e, "tls_cert");
	cert = add_file(blob + sizeof(f), "tls_cert", c->tls_cert, e);
	if (cert >= 0)
		key =
		    add_file(blob + sizeof(f) + cert, "tls_key", c->tls_key, e);
	if (key >= 0) {
		f = (struct tls_files){ (uint32_t)cert, (uint32_t)key };
		memcpy(blob, &f, sizeof(f));
		fd = seal(blob, sizeof(f) + (size_t)cert + (size_t)key, e);
	}
	explicit_bzero(blob, BLOB_MAX);
	free(blob);
	return fd;
}

bool
tls_same(int a, int b)
{
	char *x = malloc(BLOB_MAX), *y = malloc(BLOB_MAX);
	ssize_t n = x != NULL ? pread(a, x, BLOB_MAX, 0) : -1;
	ssize_t m = y != NULL ? pread(b, y, BLOB_MAX, 0) : -1;
	bool same = n >= 0 && n == m && memcmp(x, y, (size_t)n) == 0;

	if (x != NULL)
		explicit_bzero(x, BLOB_MAX);
	if (y != NULL)
		explicit_bzero(y, BLOB_MAX);
	free(x);
	free(y);
	return same;
}

/* We parse nothing; who will use it does, with as few rights as then. */
int
tls_check(int fd, const char *dir, struct err *e)
{
	struct spec s = { .program = "coppice-proxyd", .user = "_coppice_px" };
	int status;
	pid_t pid;

	spec_arg(&s, "-T");
	spec_fd(&s, "tls", fd);
	pid = spec_start(&s, dir, e);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "tls_cert: wait");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "tls_cert and tls_key cannot be used: the line above says why");
}
