#include "envd/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/entry.h"
#include "envd/text.h"
#include "envd/watch_sys.h"

/* --- which directories ----------------------------------------------------*/

/* Where it is, or would be: they are in the order of their numbers. */
static size_t
place_of(const struct watch *w, int wd)
{
	size_t from = 0, to = w->ndirs;

	/* A new one has the highest number, nearly always. */
	if (to > 0 && w->dirs[to - 1].wd < wd)
		return to;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (w->dirs[mid].wd < wd)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct watched_dir *
dir_of(struct watch *w, int wd)
{
	size_t i = place_of(w, wd);

	return i < w->ndirs && w->dirs[i].wd == wd ? &w->dirs[i] : NULL;
}

static void
forget(struct watch *w, int wd)
{
	struct watched_dir *x = dir_of(w, wd);

	if (x == NULL)
		return;
	free(x->path);
	w->ndirs--;
	memmove(x, x + 1, (size_t)(w->dirs + w->ndirs - x) * sizeof(*w->dirs));
}

/* What was below `from` is now below `to`. */
static void
rename_below(struct watch *w, const char *from, const char *to)
{
	size_t n = strlen(from);

	for (size_t i = 0; i < w->ndirs; i++) {
		char *old = w->dirs[i].path, *fresh;

		if (strncmp(old, from, n) != 0 || old[n] != '/')
			continue;
		if (asprintf(&fresh, "%s%s", to, old + n) < 0)
			continue;
		free(old);
		w->dirs[i].path = fresh;
	}
}

static int
known_again(struct watch *w, struct watched_dir *x, const char *path)
{
	char *fresh = strdup(path), *old = x->path;

	if (fresh == NULL)
		return -1;
	x->path = fresh;
	rename_below(w, old, fresh);
	free(old);
	return 0;
}

/* 1: a new one.  0: one that we knew by another name, perhaps. */
static int
add_dir(struct watch *w, const char *path, struct err *e)
{
	int wd = watch_sys_add(w->io.fd, path);
	struct watched_dir *x;
	char *fresh;

	if (wd < 0)
		return err_sys(e, "error watching '%.150s'", path);
	x = dir_of(w, wd);
	if (x != NULL)
		return known_again(w, x, path);
	if (w->ndirs == WATCH_DIRS_MAX)
		return err_set(e, ERR_LIMIT,
		    "more than %d directories to watch", WATCH_DIRS_MAX);
	if (w->ndirs == w->capdirs) {
		size_t cap = w->capdirs == 0 ? 4 : w->capdirs * 2;
		void *more = realloc(w->dirs, cap * sizeof(*w->dirs));

		if (more == NULL)
			return err_sys(e, "error watching");
		w->dirs = more;
		w->capdirs = cap;
	}
	fresh = strdup(path);
	if (fresh == NULL)
		return err_sys(e, "error watching");
	x = &w->dirs[place_of(w, wd)];
	memmove(x + 1, x, (size_t)(w->dirs + w->ndirs - x) * sizeof(*w->dirs));
	*x = (struct watched_dir){ wd, fresh };
	w->ndirs++;
	return 1;
}

/* What vanishes while we look was not there. */
static int
add_below(struct watch *w, const char *path, struct err *e)
{
	DIR *dir = opendir(path);
	const struct dirent *de;
	int rc = 0;

	while (dir != NULL && rc == 0 && (de = readdir(dir)) != NULL) {
		autofree char *sub = NULL;
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN)
			continue;
		if (asprintf(&sub, "%s/%s", path[1] != '\0' ? path : "",
			de->d_name) < 0) {
			rc = err_sys(e, "error watching");
			break;
		}
		if (lstat(sub, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		rc = add_dir(w, sub, e);
		if (rc < 0 &&
		    (e->sys_errno == ENOENT || e->sys_errno == ENOTDIR))
			rc = 0;
		else if (rc >= 0)
			rc = add_below(w, sub, e);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return rc;
}

/* --- events ---------------------------------------------------------------*/

static const char *
relative(const struct watch *w, const char *path)
{
	size_t n = strlen(w->root);

	while (n > 1 && w->root[n - 1] == '/')
		n--;
	if (strncmp(path, w->root, n) != 0)
		return path;
	path += n;
	while (*path == '/')
		path++;
	return *path != '\0' ? path : ".";
}

static void
emit(struct watch *w, const char *path, const char *type, bool with_entry)
{
	struct buf b;
	struct err e;
	bool gone;
	int rc;

	buf_init(&b, 256 * 1024);
	rc = buf_puts(&b, "{\"name\":");
	if (rc == 0)
		rc = json_put(&b, relative(w, path));
	if (rc == 0)
		rc = buf_printf(&b, ",\"type\":\"EVENT_TYPE_%s\"", type);
	if (rc == 0 && with_entry && w->include_entry) {
		size_t before = b.len;

		if (buf_puts(&b, ",\"entry\":") < 0 ||
		    entry_put(&b, path, path, &gone, &e) < 0)
			b.len = before;
	}
	if (rc == 0)
		rc = buf_puts(&b, "}");
	if (rc == 0)
		w->on_event(w, b.data, b.len);
	buf_fini(&b);
}

/* A child that is deleted is also told of by its parent, which is watched. */
static bool
told_by_parent(const struct watch *w, const char *path)
{
	return w->recursive && strcmp(path, w->root) != 0;
}

static void
one_event(struct watch *w, const char *path, uint32_t mask)
{
	if (mask & (SEEN_CREATE | SEEN_MOVED_TO))
		emit(w, path, "CREATE", true);
	if (w->dead)
		return;
	if (mask & (SEEN_MOVED_FROM | SEEN_MOVE_SELF))
		emit(w, path, "RENAME", false);
	if (!w->dead && (mask & SEEN_ATTRIB))
		emit(w, path, "CHMOD", true);
	if (!w->dead && (mask & SEEN_MODIFY))
		emit(w, path, "WRITE", true);
	if (!w->dead && (mask & (SEEN_DELETE | SEEN_DELETE_SELF)))
		emit(w, path, "REMOVE", false);
}

static void
die(struct watch *w, const char *why)
{
	w->dead = true;
	loop_io_stop(&w->io);
	w->on_dead(w, why);
}

/*
 * A directory has come, perhaps with much in it: made by `mkdir -p` before we
 * could look, or moved here.  All of it is told as created, up to *left; what
 * is made meanwhile may be told twice, but nothing is missed.
 */
static int
tell_below(struct watch *w, const char *path, int *left, struct err *e)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), rc = 0;

	for (int i = 0; i < n; i++) {
		autofree char *sub = NULL;
		autofree struct dirent *de = names[i];

		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 || rc < 0 || w->dead)
			continue;
		if (asprintf(&sub, "%s/%s", path, de->d_name) < 0) {
			rc = err_sys(e, "error watching");
			continue;
		}
		if (*left > 0)
			emit(w, sub, "CREATE", true);
		*left -= *left > 0;
		if (w->dead ||
		    (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN))
			continue;
		rc = add_dir(w, sub, e);
		if (rc < 0 &&
		    (e->sys_errno == ENOENT || e->sys_errno == ENOTDIR))
			rc = 0;
		else if (rc > 0)
			rc = tell_below(w, sub, left, e);
	}
	if (n >= 0)
		free(names);
	return rc;
}

/* Where to, nobody tells us: it is the end of what can be seen here. */
static void
root_moved(struct watch *w)
{
	for (size_t i = 0; i < w->ndirs; i++)
		watch_sys_remove(w->io.fd, w->dirs[i].wd);
	emit(w, w->root, "RENAME", false);
}

static void
handle(struct watch *w, const struct seen *ev)
{
	const struct watched_dir *x = dir_of(w, ev->wd);
	autofree char *path = NULL;
	int rc = 0, left = WATCH_TOLD_MAX;
	struct err e;

	if (ev->mask & SEEN_OVERFLOW) {
		die(w, "queue or buffer overflow");
		return;
	}
	if (x == NULL)
		return;
	if (ev->mask & SEEN_IGNORED) {
		forget(w, ev->wd);
		return;
	}
	/* The root directory's own name ends in a slash already. */
	if (asprintf(&path, "%s%s%s", x->path,
		ev->len > 0 && x->path[1] != '\0' ? "/" : "",
		ev->len > 0 ? ev->name : "") < 0)
		return;
	if ((ev->mask & SEEN_DELETE_SELF) && told_by_parent(w, path))
		return;
	if (ev->mask & SEEN_MOVE_SELF) {
		/* The parent tells, and knows the new name. */
		if (w->recursive && strcmp(path, w->root) != 0)
			return;
		if (w->recursive) {
			root_moved(w);
			return;
		}
		watch_sys_remove(w->io.fd, ev->wd);
	}
	if (w->recursive && (ev->mask & SEEN_ISDIR) &&
	    (ev->mask & (SEEN_CREATE | SEEN_MOVED_TO)))
		rc = add_dir(w, path, &e);
	if (rc < 0 && e.sys_errno != ENOENT && e.sys_errno != ENOTDIR) {
		die(w, e.msg);
		return;
	}
	one_event(w, path, ev->mask);
	if (rc > 0 && !w->dead && tell_below(w, path, &left, &e) < 0)
		die(w, e.msg);
}

static void
on_readable(struct loop_io *io, unsigned events)
{
	struct watch *w = container_of(io, struct watch, io);
	static char chunk[16 * 1024]
	    __attribute__((aligned(__alignof__(struct seen))));
	ssize_t n = read(io->fd, chunk, sizeof(chunk));

	(void)events;
	for (char *at = chunk; n > 0 && at < chunk + n && !w->dead;) {
		const struct seen *ev = (const struct seen *)(const void *)at;

		at += sizeof(*ev) + ev->len;
		handle(w, ev);
	}
}

void
watch_read_now(struct watch *w)
{
	if (!w->dead && w->io.events != 0)
		on_readable(&w->io, LOOP_READ);
}

/* --- life -----------------------------------------------------------------*/

static int
check(const char *path, bool network_too, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			return err_set(
			    e, ERR_NOTFOUND, "path %.200s not found", path);
		return err_sys(e, "error watching '%.150s'", path);
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(
		    e, ERR_INVALID, "path %.200s not a directory", path);
	if (!network_too && watch_sys_network(path))
		return err_set(e, ERR_INVALID,
		    "path %.128s is on a network file system, where watching "
		    "misses events",
		    path);
	return 0;
}

int
watch_open(struct watch *w, struct loop *l, const char *path, bool network_too,
    struct err *e)
{
	char root[PATH_MAX];

	w->io.fd = -1;
	if (check(path, network_too, e) < 0)
		return -1;
	w->loop = l;
	(void)snprintf(root, sizeof(root), "%s", path);
	path_clean(root);
	w->root = strdup(root);
	w->io.fd = watch_sys_open();
	w->io.on_ready = on_readable;
	if (w->io.fd < 0 && errno == ENOSYS) {
		err_set(e, ERR_UNSUPPORTED,
		    "this system's kernel has no inotify to watch with");
		watch_close(w);
		return -1;
	}
	if (w->root == NULL || w->io.fd < 0) {
		err_sys(e, "error creating watcher");
		watch_close(w);
		return -1;
	}
	if (add_dir(w, w->root, e) < 0 ||
	    (w->recursive && add_below(w, w->root, e) < 0)) {
		watch_close(w);
		return -1;
	}
	loop_io_set(l, &w->io, LOOP_READ);
	return 0;
}

void
watch_close(struct watch *w)
{
	w->dead = true;
	loop_io_stop(&w->io);
	drop_fd(&w->io.fd);
	for (size_t i = 0; i < w->ndirs; i++)
		free(w->dirs[i].path);
	free(w->dirs);
	free(w->root);
	w->dirs = NULL;
	w->root = NULL;
	w->ndirs = w->capdirs = 0;
}

void
watch_pause(struct watch *w, bool paused)
{
	if (!w->dead)
		loop_io_set(w->loop, &w->io, paused ? 0 : LOOP_READ);
}
