/* Paths of requests: no I/O but in path_make_parents. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envd/envd.h"

/* Adds the elements of s to the clean absolute path in out. */
static int
join(char out[PATH_MAX], size_t *len, const char *s)
{
	while (*s != '\0') {
		size_t n = strcspn(s, "/");

		if (n == 0 || (n == 1 && s[0] == '.')) {
			/* nothing to add */
		} else if (n == 2 && s[0] == '.' && s[1] == '.') {
			while (*len > 0 && out[*len - 1] != '/')
				(*len)--;
			if (*len > 0)
				(*len)--;
		} else {
			if (*len + 1 + n >= PATH_MAX)
				return -1;
			out[(*len)++] = '/';
			memcpy(out + *len, s, n);
			*len += n;
		}
		s += n + (s[n] == '/');
	}
	return 0;
}

static int
below(const char *home, const char *rest, char out[PATH_MAX], struct err *e)
{
	size_t len = 0;

	if (join(out, &len, home) < 0 || join(out, &len, rest) < 0)
		return err_set(e, ERR_INVALID, "path is too long");
	if (len == 0)
		out[len++] = '/';
	out[len] = '\0';
	return 0;
}

int
path_resolve(const char *in, const char *home, const char *workdir,
    char out[PATH_MAX], struct err *e)
{
	if (*in == '\0' && workdir != NULL)
		in = workdir;
	if (*in == '\0')
		return below(home, "", out, e);
	if (*in == '~') {
		if (in[1] != '\0' && in[1] != '/' && in[1] != '\\')
			return err_set(e, ERR_INVALID,
			    "cannot expand user-specific home dir in '%.128s'",
			    in);
		return below(home, in[1] == '\0' ? "" : in + 2, out, e);
	}
	if (*in != '/')
		return below(home, in, out, e);
	if (strlen(in) >= PATH_MAX)
		return err_set(e, ERR_INVALID, "path is too long");
	memcpy(out, in, strlen(in) + 1);
	return 0;
}

void
path_clean(char path[PATH_MAX])
{
	char from[PATH_MAX];
	size_t len = 0;

	memcpy(from, path, strlen(path) + 1);
	(void)join(path, &len, from); /* never longer than it was */
	if (len == 0)
		path[len++] = '/';
	path[len] = '\0';
}

const char *
path_base(const char *path, char to[NAME_MAX + 1])
{
	size_t end = strlen(path), from;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (from = end; from > 0 && path[from - 1] != '/'; from--)
		;
	if (from == end)
		from = end > 0 ? end - 1 : 0; /* "/" itself */
	if (end - from > NAME_MAX)
		end = from + NAME_MAX;
	memcpy(to, path + from, end - from);
	to[end - from] = '\0';
	if (to[0] == '\0')
		memcpy(to, ".", 2);
	return to;
}

/* Another request may make the same directory at the same moment. */
static int
make_one(const char *path, const struct user *u, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0755) == 0) {
		if (lchown(path, u->uid, u->gid) < 0)
			return err_sys(e, "error changing owner of '%s'", path);
		return 0;
	}
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
	}
	return err_sys(e, "error creating directory '%s'", path);
}

/* All of a clean path that is not there yet. */
static int
make_all(char *path, const struct user *u, struct err *e)
{
	struct stat st;

	/* Most often it is all there. */
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (make_one(path, u, e) < 0)
			return -1;
		*p = '/';
	}
	return make_one(path, u, e);
}

int
path_make_parents(
    const char *path, const struct user *u, bool self, struct err *e)
{
	char above[PATH_MAX];
	char *slash;

	if (strlen(path) >= sizeof(above))
		return err_set(e, ERR_INVALID, "path is too long");
	memcpy(above, path, strlen(path) + 1);
	slash = strrchr(above, '/');
	if (slash != NULL && slash != above) {
		*slash = '\0';
		path_clean(above);
		if (make_all(above, u, e) < 0)
			return -1;
	}
	return self ? make_one(path, u, e) : 0;
}
