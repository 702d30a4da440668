#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

enum { PATH_TEXT = SPAWN_TEMPLATE_MAX + 16 };

/* What the template directories hold is named by ids, and is no link. */
static int
open_beneath(int dir, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static int
open_layer(
    int dir, const char *template, const char *id, int *fd, struct err *e)
{
	char path[PATH_TEXT];

	(void)snprintf(path, sizeof(path), "%s/rootfs", id);
	*fd = open_beneath(dir, path, O_PATH | O_DIRECTORY);
	if (*fd >= 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(e, "template %s: layer %s", template, id);
	if (strcmp(template, id) == 0)
		return err_set(e, ERR_NOTFOUND, "template %s has no root", id);
	return err_set(e, ERR_NOTFOUND, "template %s: its layer %s has no root",
	    template, id);
}

/* The text of ID/layers; "" if the template stands on nothing. */
static int
read_layers(int dir, const char *id, char to[LAYERS_TEXT + 1], struct err *e)
{
	char path[PATH_TEXT];
	autoclose int fd = -1;
	ssize_t n;

	to[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/layers", id);
	fd = open_beneath(dir, path, O_RDONLY | O_NONBLOCK);
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

int
stack_open(
    struct stack *st, int mapped, int templates, const char *id, struct err *e)
{
	char text[LAYERS_TEXT + 1];
	struct layer_names l;

	st->n = 0;
	if (read_layers(templates, id, text, e) < 0 ||
	    layer_names_parse(&l, id, text, e) < 0)
		return -1;
	while (st->n < l.n) {
		if (open_layer(mapped, id, l.name[st->n], &st->fd[st->n], e) <
		    0)
			return -1;
		st->n++;
	}
	return 0;
}

void
stack_close(struct stack *st)
{
	for (size_t i = 0; i < st->n; i++)
		drop_fd(&st->fd[i]);
	st->n = 0;
}

int
stack_lowerdir(
    const struct stack *st, char to[STACK_LOWERDIR_MAX], struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < st->n; i++) {
		n += (size_t)snprintf(to + n, STACK_LOWERDIR_MAX - n,
		    "%s/proc/self/fd/%d", i == 0 ? "" : ":", st->fd[i]);
		if (n >= STACK_LOWERDIR_MAX)
			return err_set(e, ERR_LIMIT,
			    "the %zu layers do not fit into one mount", st->n);
	}
	return 0;
}
