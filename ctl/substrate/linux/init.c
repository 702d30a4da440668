#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "files.h"
#include "io/seqpkt.h"

/*
 * Process 1 of a sandbox before it is envd.  It has every right inside its own
 * namespaces until the end, and none outside.  It prepares what needs no name,
 * parks, and on the word of privd becomes somebody.
 */

/* Where things lie; envd finds the first two and the last there. */
enum {
	FD_LISTEN = 3,
	FD_BOOT = 4,
	FD_CTL = 5,
	FD_ENVD = 6,
	FD_REST = 7,
	FD_OOM = 7
};

static int
arrange_fds(const struct substrate *s, const struct init_fds *f, struct err *e)
{
	const int from[] = { f->listen, f->go, f->ctl, s->envd, s->null };
	const int to[] = { FD_LISTEN, FD_BOOT, FD_CTL, FD_ENVD, 0 };
	int high[countof(from)];

	/* Out of each other's way first. */
	for (size_t i = 0; i < countof(from); i++) {
		high[i] = fcntl(from[i], F_DUPFD, 64);
		if (high[i] < 0)
			return err_sys(e, "descriptor %zu", i);
	}
	for (size_t i = 0; i < countof(from); i++)
		if (dup3(high[i], to[i] == 0 ? 60 : to[i],
			i == 0 || to[i] == 0 ? 0 : O_CLOEXEC) < 0)
			return err_sys(e, "descriptor %zu", i);
	for (int fd = 0; fd < 3; fd++)
		if (dup2(60, fd) < 0)
			return err_sys(e, "descriptor %d", fd);
	if (syscall(SYS_close_range, FD_REST, ~0u, 0) < 0)
		return err_sys(e, "close what is not ours");
	return 0;
}

/* Until the helper has mapped our ids; it may die instead. */
static void
wait_for_ids(void)
{
	char c;
	ssize_t n;

	do
		n = read(FD_BOOT, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(0);
	(void)close(FD_BOOT);
}

static int
be_root(struct err *e)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return err_sys(e, "become root");
	/* Not the host's: keys are not divided by namespaces. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
	    errno != ENOSYS)
		return err_sys(e, "session keyring");
	(void)setsid();
	/* privd looks up our user namespace; the exec undoes this. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_sys(e, "dumpable");
	return 0;
}

/* --- parked: the parts of its tree that are the same for all -------------- */

static int
mount_fs(const char *type, const char *const options[][2], size_t n,
    uint64_t attr, const char *at, struct err *e)
{
	autoclose int fs = fsopen(type, FSOPEN_CLOEXEC);
	autoclose int m = -1;

	if (fs < 0)
		return err_sys(e, "%s", type);
	(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", type, 0);
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options[i][0],
			options[i][1], 0) < 0)
			return err_sys(e, "%s: %s", type, options[i][0]);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "%s", type);
	m = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	if (m < 0 ||
	    move_mount(m, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "%s at %s", type, at);
	return 0;
}

static int
bind(const char *from, const char *at, uint64_t attr, struct err *e)
{
	autoclose int m =
	    open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct mount_attr a = { .attr_set = attr };

	if (m < 0 ||
	    (attr != 0 &&
		mount_setattr(m, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0) ||
	    move_mount(m, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "bind %s to %s", from, at);
	return 0;
}

/* What tells of the host, or of what lies behind it.  Absent ones are fine. */
static int
mask_proc(struct err *e)
{
	static const char *const files[] = { "kcore", "keys", "key-users",
		"kmsg", "kallsyms", "timer_list", "sched_debug",
		"sysrq-trigger", "latency_stats" };
	static const char *const dirs[] = { "acpi", "asound", "bus", "driver",
		"fs", "irq", "scsi" };
	char path[64];

	for (size_t i = 0; i < countof(files); i++) {
		(void)snprintf(
		    path, sizeof(path), ROOT_EVE "/proc/%s", files[i]);
		if (access(path, F_OK) == 0 &&
		    bind(ROOT_DEV "/null", path, 0, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < countof(dirs); i++) {
		(void)snprintf(
		    path, sizeof(path), ROOT_EVE "/proc/%s", dirs[i]);
		if (access(path, F_OK) == 0 &&
		    bind(ROOT_EVE "/none", path, MOUNT_ATTR_RDONLY, e) < 0)
			return -1;
	}
	return 0;
}

/*
 * The kernel's file says the sandbox's own.  It lies on a file system that is
 * there anyway (a superblock for each would be memory), and loses its name at
 * once.
 */
static int
own_boot_id(struct err *e)
{
	static const char at[] = ROOT_EVE "/proc/sys/kernel/random/boot_id";
	char id[UUID_TEXT], path[sizeof(ROOT_IDS) + UUID_TEXT];
	int fd, rc;

	if (uuid_random(id, e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), ROOT_IDS "/%s", id);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_sys(e, "boot id");
	rc = dprintf(fd, "%s\n", id) < 0 ? err_sys(e, "boot id") : 0;
	own_close(&fd);
	if (rc == 0)
		rc = bind(path, at,
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC,
		    e);
	(void)unlink(path);
	return rc;
}

static int
prepare(const struct substrate *s, const cpu_set_t *cpus, struct err *e)
{
	/* The host has some 3,000 terminals for all sandboxes together. */
	static const char *const pts[][2] = { { "ptmxmode", "0666" },
		{ "mode", "0620" }, { "gid", "5" }, { "max", "256" } };
	const uint64_t plain =
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

	if (bind(ROOT_DEV, ROOT_EVE "/dev", 0, e) < 0 ||
	    mount_fs("devpts", pts, countof(pts),
		MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, ROOT_EVE "/dev/pts",
		e) < 0 ||
	    mount_fs("proc", NULL, 0, plain, ROOT_EVE "/proc", e) < 0)
		return -1;
	/*
	 * Nested user namespaces would bring every right back inside them.
	 * The limit is of our own namespace; only CAP_SYS_RESOURCE, which
	 * nobody will have in a moment, could raise it again.
	 */
	if (file_put(AT_FDCWD, ROOT_EVE "/proc/sys/user/max_user_namespaces",
		"0") < 0)
		return err_sys(e, "no nested user namespaces");
	/* On a processor that it may keep: to move takes milliseconds. */
	if (sched_setaffinity(0, sizeof(*cpus), cpus) < 0)
		return err_sys(e, "processor");
	if (mask_proc(e) < 0 || own_boot_id(e) < 0 || caps_bound(e) < 0)
		return -1;
	return filter_install(&s->filters[FILTER_PARKED], e);
}

/* --- started -------------------------------------------------------------- */

/* 0 with the go, or -1; does not return when privd went away. */
static int
wait_for_go(struct init_go *go, int *root, struct err *e)
{
	int fds[SEQPKT_FDS_MAX];
	size_t nfds;
	ssize_t n = seqpkt_recv(FD_CTL, go, sizeof(*go), fds, &nfds, e);

	if (n == 0)
		_exit(0);
	if (n < 0)
		return -1;
	if (n != sizeof(*go) || nfds != 1)
		return err_set(e, ERR_BUG,
		    "%zd bytes and %zu descriptors to"
		    " start with",
		    n, nfds);
	*root = fds[0];
	return 0;
}

/* /dev/shm is a directory of the sandbox's own root. */
static int
own_shm(int root, struct err *e)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	autoclose int dir =
	    (int)syscall(SYS_openat2, root, "dev/shm", &how, sizeof(how));
	int m;

	if (dir < 0)
		return err_sys(e, "dev/shm");
	m = open_tree(
	    dir, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (m < 0)
		return err_sys(e, "dev/shm");
	return m;
}

static int
move(const char *from, int dir, const char *to, struct err *e)
{
	if (move_mount(AT_FDCWD, from, dir, to, 0) < 0)
		return err_sys(e, "move %s", from);
	return 0;
}

static int
change_root(int root, struct err *e)
{
	autoclose int shm = -1;

	if (move_mount(root, "", AT_FDCWD, ROOT_NEW, MOVE_MOUNT_F_EMPTY_PATH) <
	    0)
		return err_sys(e, "attach the root");
	shm = own_shm(root, e);
	if (shm < 0 || move(ROOT_EVE "/dev", root, "dev", e) < 0 ||
	    move(ROOT_EVE "/proc", root, "proc", e) < 0)
		return -1;
	if (move_mount(shm, "", root, "dev/shm", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "dev/shm");
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "pivot_root");
	return 0;
}

/* What envd reads first: one line each, then the end. */
static int
boot_record(const struct spawn_create *c, struct err *e)
{
	char text[512], secret[2 * SPAWN_SECRET_LEN + 1];
	int p[2], n;

	for (size_t i = 0; i < SPAWN_SECRET_LEN; i++)
		(void)snprintf(secret + 2 * i, 3, "%02x", c->secret[i]);
	n = snprintf(text, sizeof(text),
	    "id=%s\ntemplate=%s\nsecret=%s\ncpu=%u\nmemory_mb=%u\ndisk_mb=%u\n",
	    c->id, c->template_id, secret, c->cpu_count, c->memory_mb,
	    c->disk_mb);
	if (pipe(p) < 0)
		return err_sys(e, "boot record");
	if (write(p[1], text, (size_t)n) != n)
		return err_sys(e, "boot record");
	(void)close(p[1]);
	if (p[0] == FD_BOOT)
		return 0;
	if (dup2(p[0], FD_BOOT) < 0)
		return err_sys(e, "boot record");
	(void)close(p[0]);
	return 0;
}

static int
last_steps(const struct substrate *s, const struct init_go *go, struct err *e)
{
	struct rlimit core = { 0, 0 };
	int oom;

	(void)umask(022);
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
	if (sethostname(go->create.id, strlen(go->create.id)) < 0)
		return err_sys(e, "host name");
	if (sched_setaffinity(0, sizeof(go->cpus), &go->cpus) < 0)
		return err_sys(e, "processors");
	if (boot_record(&go->create, e) < 0)
		return -1;
	/* As envd, whom nobody may look at, we shall not be let in. */
	oom = open("/proc/self/oom_score_adj", O_RDWR);
	if (oom < 0 || (oom != FD_OOM && dup2(oom, FD_OOM) < 0))
		return err_sys(e, "oom_score_adj");
	if (oom != FD_OOM)
		(void)close(oom);
	/* Needs the rights that the exec takes away. */
	return filter_install(&s->filters[FILTER_STARTED], e);
}

static void
become_envd(void)
{
	static const char *const argv[] = { "envd", "-listen-fd", "3",
		"-boot-fd", "4", "-oom-fd", "7", NULL };
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:"
		"/usr/sbin:/usr/bin:/sbin:/bin",
		NULL,
	};

	(void)syscall(SYS_execveat, FD_ENVD, "", argv, env, AT_EMPTY_PATH);
}

static int
start(const struct substrate *s, struct err *e)
{
	autoclose int root = -1;
	struct init_go go;

	if (wait_for_go(&go, &root, e) < 0 || change_root(root, e) < 0 ||
	    last_steps(s, &go, e) < 0)
		return -1;
	become_envd();
	return err_sys(e, "execute envd");
}

void
init_main(const struct substrate *s, const struct init_fds *fds)
{
	struct err e = { 0 }, ignored;

	if (arrange_fds(s, fds, &e) < 0)
		_exit(1);
	wait_for_ids();
	/* No error is the word that it is parked. */
	if (be_root(&e) == 0 && prepare(s, &fds->cpus, &e) == 0 &&
	    seqpkt_send(FD_CTL, &e, sizeof(e), NULL, 0, &ignored) == 0)
		(void)start(s, &e);
	/* The helper or privd reads this where it expected something else. */
	(void)seqpkt_send(FD_CTL, &e, sizeof(e), NULL, 0, &ignored);
	_exit(1);
}
