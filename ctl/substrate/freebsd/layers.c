#include "disk_int.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"

enum { PATH_TEXT = SPAWN_TEMPLATE_MAX + 32 };

/* What the template directories hold is named by ids, and is no link. */
static int
open_beneath(const struct disk *d, const char *id, const char *name, int flags)
{
	char path[PATH_TEXT];
	autoclose int dir = -1;

	(void)snprintf(path, sizeof(path), "templates/%s", id);
	dir = openat(d->state_dir, path,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_RESOLVE_BENEATH |
		O_CLOEXEC);
	if (dir < 0)
		return -1;
	return openat(
	    dir, name, flags | O_NOFOLLOW | O_RESOLVE_BENEATH | O_CLOEXEC);
}

static int
open_layer(struct layers *l, const struct disk *d, const char *template,
    const char *id, struct err *e)
{
	int fd = open_beneath(d, id, "rootfs", O_RDONLY | O_DIRECTORY);

	if (fd >= 0) {
		l->fd[l->n++] = fd;
		return 0;
	}
	if (errno != ENOENT)
		return err_sys(e, "template %s: layer %s", template, id);
	if (strcmp(template, id) == 0)
		return err_set(e, ERR_NOTFOUND, "template %s has no root", id);
	return err_set(e, ERR_NOTFOUND, "template %s: its layer %s has no root",
	    template, id);
}

/* The text of ID/layers; "" if the template stands on nothing. */
static int
read_layers(const struct disk *d, const char *id, char to[LAYERS_TEXT + 1],
    struct err *e)
{
	autoclose int fd = open_beneath(d, id, "layers", O_RDONLY | O_NONBLOCK);
	ssize_t n;

	to[0] = '\0';
	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, to, LAYERS_TEXT + 1);
	if (n < 0)
		return err_sys(e, "template %s: layers", id);
	if (n > LAYERS_TEXT || memchr(to, '\0', (size_t)n) != NULL)
		return err_set(
		    e, ERR_SYS, "template %s: layers is not a short text", id);
	to[n] = '\0';
	return 0;
}

static uint64_t
mix(uint64_t key, uint64_t x)
{
	return (key ^ x) * 1099511628211u; /* FNV-1a, a number at a time */
}

/* What is made anew is made beside the old one: its root is another file. */
static int
add_key(struct layers *l, struct err *e)
{
	l->key = 14695981039346656037u;
	for (size_t i = 0; i < l->n; i++) {
		struct stat st;

		if (fstat(l->fd[i], &st) < 0)
			return err_sys(e, "layer %zu of a template", i);
		l->key = mix(l->key, (uint64_t)st.st_ino);
		l->key = mix(l->key, (uint64_t)st.st_birthtim.tv_sec);
		l->key = mix(l->key, (uint64_t)st.st_birthtim.tv_nsec);
	}
	return 0;
}

int
layers_open(
    struct layers *l, const struct disk *d, const char *id, struct err *e)
{
	char text[LAYERS_TEXT + 1], name[SPAWN_ID_MAX] = { 0 };
	struct layer_names names;

	l->n = 0;
	(void)snprintf(name, sizeof(name), "%s", id);
	if (!disk_id_ok(name))
		return err_set(e, ERR_INVALID,
		    "template \"%.40s\" is not of [a-z0-9]", id);
	if (read_layers(d, id, text, e) < 0 ||
	    layer_names_parse(&names, id, text, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (open_layer(l, d, id, names.name[i], e) < 0)
			return -1;
	return add_key(l, e);
}

void
layers_close(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		drop_fd(&l->fd[i]);
	l->n = 0;
}

int
layers_recheck(
    const struct layers *l, const struct disk *d, const char *id, struct err *e)
{
	struct layers now = { .n = 0 };
	int rc = layers_open(&now, d, id, e);

	layers_close(&now);
	if (rc == 0 && now.key != l->key)
		return err_set(e, ERR_BUSY,
		    "template %s was made anew while it was read", id);
	return rc;
}
