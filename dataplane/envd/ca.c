#include "envd/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

#define OURS   "/usr/local/share/ca-certificates/e2b-ca.crt"
#define SYSTEM "/etc/ssl/certs/ca-certificates.crt"
/* Where FreeBSD's libraries look, and where it may not be yet. */
#define BSD    "/etc/ssl/cert.pem"
#define IS_BSD "/bin/freebsd-version"

enum { BUNDLE_MAX = 4 * 1024 * 1024 };

/* Empty if there is none. */
static char *
slurp(const char *path, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	autofree char *text = NULL;
	struct stat st = { 0 };
	ssize_t n = 0;

	if (fd < 0 && errno != ENOENT && errno != ENOTDIR) {
		err_sys(e, "%s", path);
		return NULL;
	}
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_size > BUNDLE_MAX)) {
		err_set(e, ERR_INVALID, "%s is too long", path);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text != NULL && fd >= 0)
		n = read(fd, text, (size_t)st.st_size);
	if (text == NULL || n < 0) {
		err_sys(e, "%s", path);
		return NULL;
	}
	text[n] = '\0';
	return take(&text);
}

/* Whole, or as it was. */
static int
write_whole(
    const char *path, const char *a, size_t na, const char *b, struct err *e)
{
	char part[128];
	autoclose int fd = -1;
	size_t nb = strlen(b);

	(void)snprintf(part, sizeof(part), "%s.coppice", path);
	fd = open(
	    part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || write(fd, a, na) != (ssize_t)na ||
	    write(fd, b, nb) != (ssize_t)nb || rename(part, path) < 0) {
		err_sys(e, "%s", path);
		(void)unlink(part);
		return -1;
	}
	return 0;
}

static void
make_directories(const char *path)
{
	char part[128];

	(void)snprintf(part, sizeof(part), "%s", path);
	for (char *p = strchr(part + 1, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(part, 0755);
		*p = '/';
	}
}

/* Of a bundle: without what was added before, and with what is new. */
static int
renew(const char *path, const char *before, const char *fresh, struct err *e)
{
	autofree char *all = slurp(path, e);
	char *old;
	size_t n;

	if (all == NULL)
		return -1;
	old = *before != '\0' ? strstr(all, before) : NULL;
	if (old != NULL)
		memmove(old, old + strlen(before),
		    strlen(old + strlen(before)) + 1);
	n = strlen(all);
	if (n > 0 && all[n - 1] != '\n')
		all[n++] = '\n'; /* over the terminator; n says how long */
	make_directories(path);
	return write_whole(path, all, n, fresh, e);
}

/* A link there leads to a bundle that others keep. */
static bool
has_bsd_bundle(void)
{
	struct stat st;

	if (lstat(BSD, &st) == 0)
		return S_ISREG(st.st_mode);
	return access(IS_BSD, F_OK) == 0;
}

int
ca_install(const char *pem, struct err *e)
{
	autofree char *before = NULL, *fresh = NULL;

	if (strstr(pem, "-----BEGIN CERTIFICATE-----") == NULL)
		return err_set(e, ERR_INVALID,
		    "field \"caBundle\" holds no PEM certificate");
	if (asprintf(&fresh, "%s%s", pem,
		pem[strlen(pem) - 1] == '\n' ? "" : "\n") < 0)
		return err_sys(e, "certificates");
	before = slurp(OURS, e);
	if (before == NULL || renew(SYSTEM, before, fresh, e) < 0 ||
	    (has_bsd_bundle() && renew(BSD, before, fresh, e) < 0))
		return -1;
	make_directories(OURS);
	return write_whole(OURS, "", 0, fresh, e);
}
