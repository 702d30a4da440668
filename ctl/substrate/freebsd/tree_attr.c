#include "tree.h"

#include <sys/types.h>
#include <sys/extattr.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

enum { NAMES_MAX = 64 * 1024, VALUE_MAX = 64 * 1024, NAME_MAX_EA = 255 };

/* What overlayfs writes where it may use the user's own names. */
#define OPAQUE "overlay.opaque"

/* Another namespace's name space may not exist there: nothing to keep. */
static bool
has_none(int error)
{
	return error == EOPNOTSUPP || error == ENOATTR || error == EPERM;
}

static int
copy_one(int from, int to, int space, const char *name, void *value)
{
	ssize_t n = extattr_get_fd(from, space, name, value, VALUE_MAX);

	if (n < 0)
		return has_none(errno) ? 0 : -1;
	if (extattr_set_fd(to, space, name, value, (size_t)n) != n)
		return has_none(errno) ? 0 : -1;
	return 0;
}

/* The list is of names with their length before them, in a byte. */
static int
copy_space(int from, int to, int space)
{
	ssize_t n = extattr_list_fd(from, space, NULL, 0);
	autofree unsigned char *names = NULL, *value = NULL;

	if (n <= 0)
		return n == 0 || has_none(errno) ? 0 : -1;
	if (n > NAMES_MAX) {
		errno = E2BIG;
		return -1;
	}
	names = malloc((size_t)n);
	value = malloc(VALUE_MAX);
	if (names == NULL || value == NULL)
		return -1;
	n = extattr_list_fd(from, space, names, (size_t)n);
	for (ssize_t at = 0; at < n; at += 1 + names[at]) {
		char name[NAME_MAX_EA + 1];

		if (at + 1 + names[at] > n)
			break;
		memcpy(name, &names[at + 1], names[at]);
		name[names[at]] = '\0';
		if (strcmp(name, OPAQUE) != 0 &&
		    copy_one(from, to, space, name, value) < 0)
			return -1;
	}
	return n < 0 ? -1 : 0;
}

/* What the other file system keeps there for itself, it keeps. */
static unsigned long
kept_flags(unsigned long flags)
{
	flags &= UF_SETTABLE | SF_SETTABLE;
	return flags & ~(unsigned long)(UF_ARCHIVE | SF_ARCHIVED);
}

int
tree_flags(int dir, const char *path, unsigned long flags)
{
	flags = kept_flags(flags);
	if (flags == 0 || chflagsat(dir, path, flags, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == EOPNOTSUPP ? 0 : -1;
}

/* The owner first: it takes set-id bits away.  Flags last: they lock. */
int
tree_attr_fd(int from, int to, const struct stat *st, bool flags)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	const unsigned long kept = flags ? kept_flags(st->st_flags) : 0;

	if (fchown(to, st->st_uid, st->st_gid) < 0 ||
	    copy_space(from, to, EXTATTR_NAMESPACE_USER) < 0 ||
	    copy_space(from, to, EXTATTR_NAMESPACE_SYSTEM) < 0 ||
	    fchmod(to, st->st_mode & 07777) < 0 || futimens(to, times) < 0)
		return -1;
	if (kept != 0 && fchflags(to, kept) < 0 && errno != EOPNOTSUPP)
		return -1;
	return 0;
}

int
tree_attr_link(int dir, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) <
		0 ||
	    fchmodat(dir, name, st->st_mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW);
}

int
tree_opaque(int dir)
{
	static const int spaces[] = { EXTATTR_NAMESPACE_USER,
		EXTATTR_NAMESPACE_SYSTEM };
	char v = '\0';

	for (size_t i = 0; i < countof(spaces); i++)
		if (extattr_get_fd(dir, spaces[i], OPAQUE, &v, 1) == 1 &&
		    v == 'y')
			return 1;
	return 0;
}
