/* machine_model - the model behind the functions that a test uses. */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kmod/model/model.h"

struct machine {
	struct machine *next;
	struct model model;
	bool host_open;
	char name[];
};

/* The world of this process: what a kernel has one of. */
static struct {
	struct texts texts;
	struct machine *machines;
} world;

static int
create(const char *name, struct machine **m)
{
	struct machine *new;

	for (struct machine *o = world.machines; o != NULL; o = o->next)
		if (strcmp(o->name, name) == 0)
			return EEXIST;
	new = calloc(1, sizeof(*new) + strlen(name) + 1);
	if (new == NULL)
		return ENOMEM;
	memcpy(new->name, name, strlen(name));
	model_init(&new->model, &world.texts);
	new->next = world.machines;
	world.machines = new;
	*m = new;
	return 0;
}

static void
destroy(struct machine *m)
{
	struct machine **at = &world.machines;

	if (m == NULL)
		return;
	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	model_fini(&m->model);
	free(m);
}

static int
alloc_fd(struct machine *m, const struct vm_memseg_fd *seg)
{
	return model_alloc_fd(&m->model, seg);
}

static int
alloc(struct machine *m, int segid, size_t len)
{
	return model_alloc(&m->model, segid, len);
}

static int
seg_len(struct machine *m, int segid, size_t *len)
{
	return model_seg_len(&m->model, segid, len);
}

static int
map(struct machine *m, uint64_t gpa, int segid, uint64_t segoff, size_t len,
    bool wired)
{
	return model_map(&m->model, gpa, segid, segoff, len, wired);
}

static int
unmap(struct machine *m, uint64_t gpa, size_t len)
{
	return model_unmap(&m->model, gpa, len);
}

/* A reset keeps system memory and its maps; no others are made here. */
static int
reinit(struct machine *m)
{
	(void)m;
	return 0;
}

static int
guest_read(struct machine *m, uint64_t gpa, void *buf, size_t n)
{
	return model_read(&m->model, &m->model.guest, gpa, buf, n);
}

static int
guest_write(struct machine *m, uint64_t gpa, const void *buf, size_t n)
{
	return model_write(&m->model, &m->model.guest, gpa, buf, n);
}

static const struct model_view *
host(struct machine *m)
{
	if (!m->host_open)
		model_host_open(&m->model);
	m->host_open = true;
	return &m->model.host;
}

static int
host_read(struct machine *m, uint64_t gpa, void *buf, size_t n)
{
	return model_read(&m->model, host(m), gpa, buf, n);
}

static int
host_write(struct machine *m, uint64_t gpa, const void *buf, size_t n)
{
	return model_write(&m->model, host(m), gpa, buf, n);
}

static void
host_close(struct machine *m)
{
	m->host_open = false;
}

/* Opening changes nothing yet, so that it may come before the question. */
static int
file_open_write(const char *path, int *fd)
{
	struct stat st;
	int error, new = open(path, O_WRONLY | O_CLOEXEC);

	if (new < 0)
		return errno;
	error = fstat(new, &st) == 0 ? text_write(&world.texts, &st) : errno;
	if (error != 0)
		(void)close(new);
	else
		*fd = new;
	return error;
}

static void
file_close_write(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		text_written(&world.texts, &st);
	(void)close(fd);
}

static int
file_truncate(const char *path, uint64_t len)
{
	int fd = -1, error = file_open_write(path, &fd);

	if (error != 0)
		return error;
	error = ftruncate(fd, (off_t)len) == 0 ? 0 : errno;
	file_close_write(fd);
	return error;
}

const struct machine_ops machine_model = {
	.name = "model",
	.create = create,
	.destroy = destroy,
	.alloc_fd = alloc_fd,
	.alloc = alloc,
	.seg_len = seg_len,
	.map = map,
	.unmap = unmap,
	.reinit = reinit,
	.guest_read = guest_read,
	.guest_write = guest_write,
	.host_read = host_read,
	.host_write = host_write,
	.host_close = host_close,
	.file_open_write = file_open_write,
	.file_close_write = file_close_write,
	.file_truncate = file_truncate,
};
