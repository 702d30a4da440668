#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/own.h"

enum { PROC_FD = 32 };

/* A mount of `fd`'s directory in which ids are the sandbox's. */
static int
mapped(int fd, int userns, uint64_t attr, struct err *e)
{
	struct mount_attr a = {
		.attr_set = attr | MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};
	autoclose int m = open_tree(
	    fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (m < 0)
		return err_sys(e, "copy of a layer's mount");
	if (mount_setattr(m, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0)
		return err_sys(e, "map the ids of a layer");
	return take_fd(&m);
}

static int
open_templates(struct err *e)
{
	int fd = open(ROOT_TEMPLATES, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "the directory of templates");
	return fd;
}

static int
set(int fs, const char *key, int layer, const char *below, struct err *e)
{
	char path[PROC_FD];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s", layer, below);
	if (fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0)
		return err_sys(e, "overlay: %s", key);
	return 0;
}

/*
 * The overlay works on its upper layer with the ids and the rights that the
 * mounting thread has now, for as long as it lives: so root of the sandbox it
 * must be, or the work directory cannot be made and, without an error, the
 * mount is read-only.
 */
static int
create_as(int fs, uint32_t base, struct err *e)
{
	int rc = 0;

	(void)setfsgid(base);
	(void)setfsuid(base);
	/* Leaving uid 0 took what it needs out of the effective set. */
	if (caps_raise(e) < 0)
		rc = -1;
	else if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		rc = err_sys(e, "overlay: create");
	(void)setfsuid(0);
	(void)setfsgid(0);
	if (rc == 0 && caps_raise(e) < 0)
		rc = -1;
	return rc;
}

static int
set_lower(int fs, const struct stack *st, struct err *e)
{
	char dirs[STACK_LOWERDIR_MAX];

	if (stack_lowerdir(st, dirs, e) < 0)
		return -1;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", dirs, 0) < 0)
		return err_sys(e, "overlay: lowerdir");
	return 0;
}

static int
overlay(const struct stack *lower, int upper, uint32_t base, struct err *e)
{
	autoclose int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	autoclose int m = -1;
	struct statvfs v;

	if (fs < 0)
		return err_sys(e, "overlay is not in this kernel");
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", "root", 0);
	if (set_lower(fs, lower, e) < 0 ||
	    set(fs, "upperdir", upper, "/upper", e) < 0 ||
	    set(fs, "workdir", upper, "/work", e) < 0)
		return -1;
	/* A tenant's sync stalls nobody; we sync what is to be kept. */
	if (fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
		return err_sys(e, "overlay: volatile");
	if (create_as(fs, base, e) < 0)
		return -1;
	m = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	if (m < 0 || fstatvfs(m, &v) < 0)
		return err_sys(e, "overlay: mount");
	if (v.f_flag & ST_RDONLY)
		return err_set(e, ERR_SYS, "overlay: came out read-only");
	return take_fd(&m);
}

int
layers_forget(const struct disk *d, const char *id, struct err *e)
{
	static const struct {
		const char *path;
		int how;
	} marks[] = {
		{ "work/work/incompat/volatile/dirty", 0 },
		{ "work/work/incompat/volatile", AT_REMOVEDIR },
		{ "work/work/incompat", AT_REMOVEDIR },
	};
	autoclose int dir = disk_dir(d, id, e);

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < countof(marks); i++)
		if (unlinkat(dir, marks[i].path, marks[i].how) < 0 &&
		    errno != ENOENT)
			return err_sys(e, "files of %s: %s", id, marks[i].path);
	return 0;
}

static int
userns_of(pid_t pid, struct err *e)
{
	char path[PROC_FD];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "ids of the sandbox");
	return fd;
}

/* The new mount stands on both from now on: they may be taken away. */
static const char *const layer_at[SUB_STALE_MAX] = { ROOT_LOWER, ROOT_UPPER };

/*
 * Kernels before 6.15 make an overlay only of what hangs in our own mount
 * namespace.  The first refusal tells.
 */
static int
overlay_of(struct substrate *s, const int at[SUB_STALE_MAX],
    const struct stack *lower, uint32_t base, struct err *e)
{
	int m;

	if (!s->attach) {
		m = overlay(lower, at[1], base, e);
		if (m >= 0 || e->sys_errno != EINVAL)
			return m;
		s->attach = true;
	}
	for (size_t i = 0; i < SUB_STALE_MAX; i++)
		if (move_mount(at[i], "", AT_FDCWD, layer_at[i],
			MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return err_sys(e, "attach a layer");
	return overlay(lower, at[1], base, e);
}

/* All layers lie below one mount: its cost does not grow with their number. */
static int
mount_stack(struct substrate *s, const int at[SUB_STALE_MAX], int templates,
    uint32_t base, const char *template_id, struct err *e)
{
	struct stack st = { .n = 0 };
	int m = -1;

	if (stack_open(&st, at[0], templates, template_id, e) == 0)
		m = overlay_of(s, at, &st, base, e);
	stack_close(&st);
	return m;
}

int
layers_mount(struct substrate *s, const struct sub_unit *u,
    const struct spawn_create *c, struct err *e)
{
	autoclose int userns = userns_of(u->pid, e);
	autoclose int templates = -1, files = -1;
	int at[SUB_STALE_MAX] = { -1, -1 };
	int m = -1;

	if (userns < 0)
		return -1;
	sub_settle(s);
	templates = open_templates(e);
	files = templates < 0 ? -1 : disk_dir(&s->disk, c->id, e);
	if (files < 0)
		return -1;
	at[0] = mapped(templates, userns, MOUNT_ATTR_RDONLY, e);
	at[1] = at[0] < 0 ? -1 : mapped(files, userns, 0, e);
	if (at[1] >= 0)
		m = mount_stack(s, at, templates, sub_id_base(s, u->ref.slot),
		    c->template_id, e);
	for (size_t i = 0; i < SUB_STALE_MAX; i++)
		s->stale[i] = at[i];
	return m;
}

void
sub_settle(struct substrate *s)
{
	for (size_t i = 0; i < countof(s->stale); i++) {
		if (s->stale[i] >= 0 && s->attach)
			(void)umount2(layer_at[i], MNT_DETACH);
		drop_fd(&s->stale[i]);
	}
}
