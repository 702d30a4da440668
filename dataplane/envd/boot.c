/* What the host tells us before anything else runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/envd.h"

enum { RECORD_MAX = 4096 };

static int
number(const char *key, const char *text, uint64_t max, uint64_t *out,
    struct err *e)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
	    *out > max)
		return err_set(e, ERR_INVALID,
		    "boot record: %s is not a number up to %llu: \"%.32s\"",
		    key, (unsigned long long)max, text);
	return 0;
}

static int
text(const char *key, const char *from, char *to, size_t cap, struct err *e)
{
	size_t n = strlen(from);

	if (n >= cap)
		return err_set(e, ERR_INVALID,
		    "boot record: %s is longer than %zu bytes", key, cap - 1);
	memcpy(to, from, n + 1);
	return 0;
}

static int
set(struct boot *b, const char *key, const char *value, struct err *e)
{
	uint64_t n;

	if (strcmp(key, "id") == 0)
		return text(key, value, b->id, sizeof(b->id), e);
	if (strcmp(key, "template") == 0)
		return text(
		    key, value, b->template_id, sizeof(b->template_id), e);
	if (strcmp(key, "secret") == 0) {
		if (strlen(value) != ENVD_SECRET_TEXT - 1)
			return err_set(e, ERR_INVALID,
			    "boot record: secret is not 64 digits");
		return text(key, value, b->secret, sizeof(b->secret), e);
	}
	if (strcmp(key, "cpu") == 0) {
		if (number(key, value, 4096, &n, e) < 0)
			return -1;
		b->cpu = (uint32_t)n;
		return 0;
	}
	if (strcmp(key, "memory_mb") == 0)
		return number(key, value, 1u << 24, &b->memory_mb, e);
	if (strcmp(key, "disk_mb") == 0)
		return number(key, value, 1u << 30, &b->disk_mb, e);
	return 0; /* of a newer host */
}

static int
read_all(int fd, char to[RECORD_MAX], struct err *e)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, to + len, RECORD_MAX - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "boot record");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len == RECORD_MAX - 1)
			return err_set(e, ERR_INVALID,
			    "boot record: longer than %d bytes", RECORD_MAX);
	}
	to[len] = '\0';
	return 0;
}

int
boot_read(struct boot *b, int fd, struct err *e)
{
	char record[RECORD_MAX], *save, *line;
	int rc = 0;

	if (read_all(fd, record, e) < 0)
		return -1;
	for (line = strtok_r(record, "\n", &save); line != NULL && rc == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(line, '=');

		if (eq == NULL) {
			rc = err_set(
			    e, ERR_INVALID, "boot record: line without '='");
			break;
		}
		*eq = '\0';
		rc = set(b, line, eq + 1, e);
	}
	/* The secret was in it. */
	explicit_bzero(record, sizeof(record));
	return rc;
}

static int
write_file(const char *path, const char *content, struct err *e)
{
	autoclose int fd = -1;
	size_t n = strlen(content);

	(void)unlink(path);
	fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0 || write(fd, content, n) != (ssize_t)n)
		return err_sys(e, "%s", path);
	return 0;
}

int
boot_files(const struct boot *b, struct err *e)
{
	(void)mkdir("/run", 0755);
	if (mkdir("/run/e2b", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "/run/e2b");
	if (write_file("/run/e2b/.E2B_SANDBOX", "true", e) < 0 ||
	    write_file("/run/e2b/.E2B_SANDBOX_ID", b->id, e) < 0)
		return -1;
	return write_file("/run/e2b/.E2B_TEMPLATE_ID", b->template_id, e);
}
