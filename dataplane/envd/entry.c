#include "envd/entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "envd/rfc3339.h"
#include "envd/text.h"

static const char *
type_name(mode_t mode)
{
	if (S_ISREG(mode))
		return "FILE_TYPE_FILE";
	return S_ISDIR(mode) ? "FILE_TYPE_DIRECTORY" : NULL;
}

/* As Go prints modes: d a l T L D p S u g c t, or one dash; then nine. */
static void
permissions(mode_t m, char to[20])
{
	static const char rwx[] = "rwxrwxrwx";
	size_t n = 0;

	if (S_ISDIR(m))
		to[n++] = 'd';
	if (S_ISLNK(m))
		to[n++] = 'L';
	if (S_ISBLK(m) || S_ISCHR(m))
		to[n++] = 'D';
	if (S_ISFIFO(m))
		to[n++] = 'p';
	if (S_ISSOCK(m))
		to[n++] = 'S';
	if (m & S_ISUID)
		to[n++] = 'u';
	if (m & S_ISGID)
		to[n++] = 'g';
	if (S_ISCHR(m))
		to[n++] = 'c';
	if (m & S_ISVTX)
		to[n++] = 't';
	if (n == 0)
		to[n++] = '-';
	for (unsigned i = 0; i < 9; i++)
		to[n++] = m & (1u << (8 - i)) ? rwx[i] : '-';
	to[n] = '\0';
}

static int
put_time(struct buf *b, struct timespec t)
{
	char text[RFC3339_TEXT];

	if ((t.tv_sec == 0 && t.tv_nsec == 0) ||
	    rfc3339_text(t.tv_sec, t.tv_nsec, text) < 0)
		return 0;
	return buf_printf(b, ",\"modifiedTime\":\"%s\"", text);
}

static int
put_link(struct buf *b, const char *real)
{
	char target[PATH_MAX];

	if (realpath(real, target) == NULL)
		(void)snprintf(target, sizeof(target), "%s", real);
	if (buf_puts(b, ",\"symlinkTarget\":") < 0)
		return -1;
	return json_put(b, target);
}

static int
put_owner(struct buf *b, const struct stat *st)
{
	char name[ENVD_USER_MAX];
	int rc = buf_puts(b, ",\"owner\":");

	if (rc == 0)
		rc = json_put(b, user_name(st->st_uid, name));
	if (rc == 0)
		rc = buf_puts(b, ",\"group\":");
	if (rc == 0)
		rc = json_put(b, group_name(st->st_gid, name));
	return rc;
}

static int
put_all(struct buf *b, const char *path, const char *real,
    const struct stat *st, mode_t target)
{
	char base[NAME_MAX + 1], perm[20];
	const char *type = type_name(target);
	int rc = buf_puts(b, "{\"name\":");

	permissions(st->st_mode, perm);
	if (rc == 0)
		rc = json_put(b, path_base(path, base));
	if (rc == 0 && type != NULL)
		rc = buf_printf(b, ",\"type\":\"%s\"", type);
	if (rc == 0)
		rc = buf_puts(b, ",\"path\":");
	if (rc == 0)
		rc = json_put(b, path);
	if (rc == 0 && st->st_size != 0)
		rc =
		    buf_printf(b, ",\"size\":\"%lld\"", (long long)st->st_size);
	if (rc == 0 && (target & 0777) != 0)
		rc = buf_printf(b, ",\"mode\":%u", target & 0777);
	if (rc == 0)
		rc = buf_printf(b, ",\"permissions\":\"%s\"", perm);
	if (rc == 0)
		rc = put_owner(b, st);
	if (rc == 0)
		rc = put_time(b, st->st_mtim);
	if (rc == 0 && S_ISLNK(st->st_mode))
		rc = put_link(b, real);
	if (rc == 0 && type != NULL)
		rc = meta_put(b, ",", real);
	return rc == 0 ? buf_puts(b, "}") : rc;
}

int
entry_put(struct buf *b, const char *path, const char *real, bool *gone,
    struct err *e)
{
	struct stat st, to;
	mode_t target = 0;

	*gone = false;
	if (lstat(real, &st) < 0) {
		*gone = errno == ENOENT;
		return err_sys(e, "error getting file info of '%s'", path);
	}
	if (!S_ISLNK(st.st_mode))
		target = st.st_mode;
	else if (stat(real, &to) == 0)
		target = to.st_mode;
	if (put_all(b, path, real, &st, target) < 0)
		return err_set(e, ERR_TOOBIG, "the answer is too long");
	return 0;
}
