/*
 * Users and groups of the sandbox, from its own files.  Whoever is root inside
 * writes these files: nothing in them is trusted to be well-formed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/envd.h"

enum { FILE_MAX = 1024 * 1024, FIELDS_MAX = 8 };

/* A file's text, read again when the file is another one. */
struct cached {
	const char *path;
	char *text;
	struct timespec mtime, ctime;
	ino_t ino;
	off_t size;
};

static struct cached passwd = { .path = "/etc/passwd" };
static struct cached group = { .path = "/etc/group" };

static bool
still_the_same(const struct cached *c, const struct stat *st)
{
	return c->text != NULL && c->ino == st->st_ino &&
	       c->size == st->st_size &&
	       memcmp(&c->mtime, &st->st_mtim, sizeof(c->mtime)) == 0 &&
	       memcmp(&c->ctime, &st->st_ctim, sizeof(c->ctime)) == 0;
}

static const char *
text_of(struct cached *c)
{
	autoclose int fd = -1;
	struct stat st;
	char *text;
	ssize_t n;

	if (stat(c->path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX)
		return "";
	if (still_the_same(c, &st))
		return c->text;
	fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	text = fd >= 0 ? malloc((size_t)st.st_size + 1) : NULL;
	n = text != NULL ? read(fd, text, (size_t)st.st_size) : -1;
	if (n < 0) {
		free(text);
		return "";
	}
	text[n] = '\0';
	free(c->text);
	*c = (struct cached){ c->path, text, st.st_mtim, st.st_ctim, st.st_ino,
		st.st_size };
	return text;
}

struct line {
	const char *f[FIELDS_MAX];
	size_t len[FIELDS_MAX];
	size_t n;
};

/* Splits the line at *at into fields; false at the end. */
static bool
next_line(const char **at, struct line *l)
{
	const char *p = *at, *end = p + strcspn(p, "\n");

	if (*p == '\0')
		return false;
	l->n = 0;
	while (l->n < FIELDS_MAX) {
		size_t len = strcspn(p, ":\n");

		l->f[l->n] = p;
		l->len[l->n++] = len;
		p += len;
		if (p >= end)
			break;
		p++;
	}
	*at = *end == '\n' ? end + 1 : end;
	return true;
}

static bool
field_is(const struct line *l, size_t i, const char *s)
{
	return i < l->n && l->len[i] == strlen(s) &&
	       memcmp(l->f[i], s, l->len[i]) == 0;
}

static bool
field_id(const struct line *l, size_t i, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (i >= l->n || l->len[i] == 0 || l->f[i][0] < '0' || l->f[i][0] > '9')
		return false;
	v = strtoul(l->f[i], &end, 10);
	if (end != l->f[i] + l->len[i] || v >= UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool
listed(const struct line *l, const char *name)
{
	const char *p = l->f[3], *end = p + l->len[3];
	size_t len = strlen(name);

	if (l->n < 4)
		return false;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma != NULL ? comma : end;

		if ((size_t)(stop - p) == len && memcmp(p, name, len) == 0)
			return true;
		p = stop + 1;
	}
	return false;
}

static void
find_groups(struct user *u)
{
	const char *at = text_of(&group);
	struct line l;
	uint32_t gid;

	u->groups[0] = u->gid;
	u->ngroups = 1;
	while (u->ngroups < ENVD_GROUPS_MAX && next_line(&at, &l))
		if (l.n >= 4 && listed(&l, u->name) && field_id(&l, 2, &gid) &&
		    gid != u->gid)
			u->groups[u->ngroups++] = gid;
}

int
user_find(const char *name, struct user *out, struct err *e)
{
	const char *at = text_of(&passwd);
	struct line l;

	if (*name == '\0' || strlen(name) >= sizeof(out->name))
		return err_set(e, ERR_AUTH, "invalid username: '%.64s'", name);
	while (next_line(&at, &l)) {
		if (!field_is(&l, 0, name) || l.n < 6 ||
		    !field_id(&l, 2, &out->uid) ||
		    !field_id(&l, 3, &out->gid) ||
		    l.len[5] >= sizeof(out->home))
			continue;
		memcpy(out->name, name, strlen(name) + 1);
		memcpy(out->home, l.f[5], l.len[5]);
		out->home[l.len[5]] = '\0';
		if (out->home[0] != '/')
			memcpy(out->home, "/", 2);
		find_groups(out);
		return 0;
	}
	return err_set(e, ERR_AUTH, "invalid username: '%.64s'", name);
}

static const char *
name_of(struct cached *c, uint32_t id, char to[ENVD_USER_MAX])
{
	const char *at = text_of(c);
	struct line l;
	uint32_t have;

	while (next_line(&at, &l))
		if (field_id(&l, 2, &have) && have == id && l.len[0] > 0 &&
		    l.len[0] < ENVD_USER_MAX) {
			memcpy(to, l.f[0], l.len[0]);
			to[l.len[0]] = '\0';
			return to;
		}
	(void)snprintf(to, ENVD_USER_MAX, "%u", id);
	return to;
}

const char *
user_name(uid_t uid, char to[ENVD_USER_MAX])
{
	return name_of(&passwd, uid, to);
}

const char *
group_name(gid_t gid, char to[ENVD_USER_MAX])
{
	return name_of(&group, gid, to);
}
