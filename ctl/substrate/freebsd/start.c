#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/jail.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "io/seqpkt.h"
#include "procs.h"

/*
 * The process that becomes a sandbox's envd.  It prepares the files and the
 * tenant's jail from outside, with every right of the host's root, goes in,
 * and is envd.  Whatever fails is said on `ctl`, which the exec closes.
 */

/* Where things lie; envd finds the first two there. */
enum { FD_LISTEN = 3, FD_BOOT = 4, FD_CTL = 5, FD_ENVD = 6, FD_REST = 7 };

enum { BACKLOG = 1024, HIGH = 64 };

/* --- files ---------------------------------------------------------------- */

static int
fresh_files(const struct substrate *s, const struct disk_meta *m, struct err *e)
{
	struct err ignored;

	if (disk_make(s->disk, m, e) < 0)
		return -1;
	if (root_identity(s->disk, m->id, &s->cf, e) == 0)
		return 0;
	(void)disk_remove(s->disk, m->id, &ignored);
	return -1;
}

/* As long as it may fail, they stay what somebody wants to keep. */
static int
kept_files(const struct substrate *s, struct disk_meta *m, struct err *e)
{
	m->keep = true;
	if (disk_meta_write(s->disk, m, e) < 0)
		return -1;
	return disk_mount(s->disk, m->id, e);
}

static int
files(const struct substrate *s, const struct spawn_create *c, struct err *e)
{
	struct disk_meta m = { .ref = c->ref,
		.limit = (uint64_t)c->disk_mb << 20 };
	struct err ignored;

	memcpy(m.id, c->id, sizeof(m.id));
	memcpy(m.template_id, c->template_id, sizeof(m.template_id));
	memcpy(m.boot_id, s->boot_id, sizeof(m.boot_id));
	if (lock_files(s, c->id, e) < 0 ||
	    (c->keep_disk ? kept_files(s, &m, e) : fresh_files(s, &m, e)) < 0)
		return -1;
	if (root_mount(s->disk, c->id, s->cf.devfs_ruleset, e) == 0)
		return 0;
	if (!c->keep_disk)
		(void)disk_remove(s->disk, c->id, &ignored);
	return -1;
}

/* --- jail ----------------------------------------------------------------- */

static int
remember(int slot_jid, int jid, const struct spawn_create *c, struct err *e)
{
	struct jails_tenant t = {
		.jid = jid, .pid = getpid(), .memory_mb = c->memory_mb
	};
	struct kinfo_proc own;

	if (!procs_find(0, t.pid, &own))
		return err_set(e, ERR_SYS, "when this process was started");
	memcpy(t.id, c->id, sizeof(t.id));
	t.sec = own.ki_start.tv_sec;
	t.usec = own.ki_start.tv_usec;
	return jails_remember(slot_jid, &t, e);
}

static int
make_jail(const struct substrate *s, int slot_jid, const struct spawn_create *c,
    struct err *e)
{
	char path[DISK_PATH_MAX], uuid[UUID_TEXT];
	struct jails_spec spec = { .id = c->id, .path = path, .uuid = uuid };
	int jid;

	if (disk_root(s->disk, c->id, path, e) < 0 || uuid_random(uuid, e) < 0)
		return -1;
	spec.hostid = root_hostid(uuid);
	jid = jails_make_tenant(&s->jails, c->ref, &spec, e);
	/* Who clears away asks there whose limits there are. */
	if (jid < 0 || remember(slot_jid, jid, c, e) < 0 ||
	    limits_set(s, c, jid, e) < 0)
		return -1;
	return jid;
}

/* --- process -------------------------------------------------------------- */

/* Until it is inside: everything here is closed by the exec. */
static int
arrange_fds(const struct substrate *s, int *ctl, struct err *e)
{
	const int from[] = { *ctl, s->envd, s->null };
	const int to[] = { FD_CTL, FD_ENVD, 0 };
	int high[countof(from)];

	for (size_t i = 0; i < countof(from); i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, HIGH);
		if (high[i] < 0)
			return err_sys(e, "descriptor %zu", i);
	}
	for (size_t i = 0; i < countof(from); i++)
		if (dup2(high[i], to[i]) < 0 ||
		    (to[i] != 0 && fcntl(to[i], F_SETFD, FD_CLOEXEC) < 0))
			return err_sys(e, "descriptor %zu", i);
	if (dup2(0, 1) < 0 || dup2(0, 2) < 0)
		return err_sys(e, "standard descriptors");
	*ctl = FD_CTL;
	/* A directory that stayed open would be a way out. */
	(void)close(FD_LISTEN);
	(void)close(FD_BOOT);
	closefrom(FD_REST);
	return 0;
}

static int
plain_process(
    const struct substrate *s, const struct spawn_create *c, struct err *e)
{
	const rlim_t bytes = (rlim_t)c->memory_mb << 20;
	const struct rlimit each = { bytes, bytes };
	struct rlimit core = { 0, 0 };

	if (setsid() < 0 && errno != EPERM)
		return err_sys(e, "session");
	if (setgroups(0, NULL) < 0 || setgid(0) < 0 || setuid(0) < 0)
		return err_sys(e, "become root");
	if (setlogin("root") < 0)
		return err_sys(e, "login name");
	(void)umask(022);
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
	/* Where nothing counts all of them: each gives way beyond that. */
	if (!s->racct && setrlimit(RLIMIT_RSS, &each) < 0)
		return err_sys(e, "RLIMIT_RSS");
	return 0;
}

/* It lands at the lowest free number: FD_LISTEN. */
static int
make_listener(struct err *e)
{
	const int on = 1;
	const struct sockaddr_in a = {
		.sin_len = sizeof(a),
		.sin_family = AF_INET,
		.sin_port = htons(SPAWN_ENVD_PORT),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen inside");
	if (fd != FD_LISTEN)
		return err_set(e, ERR_BUG, "the listener is descriptor %d", fd);
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
	if (pipe(p) < 0 || write(p[1], text, (size_t)n) != n)
		return err_sys(e, "boot record");
	(void)close(p[1]);
	if (p[0] != FD_BOOT)
		return err_set(e, ERR_BUG, "the record is descriptor %d", p[0]);
	return 0;
}

static void
become_envd(void)
{
	char envd[] = "envd", listen_fd[] = "-listen-fd", three[] = "3",
	     boot_fd[] = "-boot-fd", four[] = "4";
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
		      "/usr/sbin:/usr/bin:/sbin:/bin";
	char *const argv[] = { envd, listen_fd, three, boot_fd, four, NULL };
	char *const env[] = { path, NULL };

	(void)fexecve(FD_ENVD, argv, env);
}

static int
start(const struct substrate *s, int slot_jid, const struct spawn_create *c,
    int *ctl, struct err *e)
{
	int jid;

	if (files(s, c, e) < 0)
		return -1;
	jid = make_jail(s, slot_jid, c, e);
	if (jid < 0 ||
	    (c->keep_disk && disk_keep(s->disk, c->id, false, e) < 0) ||
	    arrange_fds(s, ctl, e) < 0 || plain_process(s, c, e) < 0 ||
	    helper_release(e) < 0)
		return -1;
	if (jail_attach(jid) < 0)
		return err_sys(e, "enter jail %d", jid);
	if (make_listener(e) < 0 || boot_record(c, e) < 0)
		return -1;
	become_envd();
	return err_sys(e, "execute envd");
}

void
start_main(const struct substrate *s, int slot_jid,
    const struct spawn_create *c, int ctl)
{
	struct err e = { 0 }, ignored;

	(void)start(s, slot_jid, c, &ctl, &e);
	(void)seqpkt_send(ctl, &e, sizeof(e), NULL, 0, &ignored);
	_exit(1);
}
