#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "files.h"
#include "io/seqpkt.h"
#include "link/link.h"

/*
 * A helper stands one slot up: it goes where the sandbox is to live, makes
 * the init there, hands it over and ends.  What waits for the kernel's grace
 * periods waits here.
 */

enum {
	BACKLOG = 1024,
	LINK_PATIENCE_MS = 10000, /* for the last tenant's link to go */
	LINK_RETRY_MS = 10,
	PARK_PATIENCE_MS = 10000,
};

struct making {
	const struct substrate *s;
	struct spawn_ref ref;
	int net, listen;
};

uint32_t
sub_id_base(const struct substrate *s, uint32_t slot)
{
	return s->cf.id_base + slot * SUB_IDS;
}

static void
pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static int
make_link(const struct making *m, struct err *e)
{
	const struct substrate *s = m->s;
	const struct link_ends ends = { s->host_ns, m->net };
	const struct mono start = mono_now();
	struct link_spec spec = { .mtu = s->mtu, .ipv6 = s->ipv6 };

	link_addr(
	    m->ref.slot, &s->cf.net4, s->ipv6 ? &s->cf.net6 : NULL, &spec.addr);
	while (link_make(&ends, &spec, e) < 0) {
		if (e->kind != ERR_BUSY ||
		    mono_ms(start, mono_now()) > LINK_PATIENCE_MS)
			return -1;
		pause_ms(LINK_RETRY_MS);
	}
	return 0;
}

/* The network namespace is the host's: so are the ids in its settings. */
static int
settings(const struct making *m, struct err *e)
{
	const uint32_t base = sub_id_base(m->s, m->ref.slot);
	char range[32];

	(void)snprintf(range, sizeof(range), "%u %u", base, base + SUB_IDS - 1);
	if (file_put(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", range) <
	    0)
		return err_sys(e, "ping for everybody inside");
	if (file_put(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start",
		"0") < 0)
		return err_sys(e, "low ports for everybody inside");
	/*
	 * A socket that its process left with data on the way keeps the
	 * namespace, and so the link, until it gives up: minutes, for a
	 * flow that the rules drop.  Three retries are 6.2 s: it gives up
	 * at the first one that is 3 s late, after 0.2, 0.4, ... and 3.2 s.
	 */
	if (file_put(AT_FDCWD, "/proc/sys/net/ipv4/tcp_orphan_retries", "3") <
	    0)
		return err_sys(e, "patience of orphaned connections");
	return 0;
}

static int
make_listener(struct err *e)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(SPAWN_ENVD_PORT),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) <
		0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen inside");
	return take_fd(&fd);
}

static int
make_net(struct making *m, struct err *e)
{
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "network namespace");
	m->net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (m->net < 0)
		return err_sys(e, "network namespace");
	if (make_link(m, e) < 0 || settings(m, e) < 0)
		return -1;
	m->listen = make_listener(e);
	return m->listen < 0 ? -1 : 0;
}

static int
write_map(pid_t pid, const char *file, uint32_t base, struct err *e)
{
	char path[48], map[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	(void)snprintf(map, sizeof(map), "0 %u %d\n", base, SUB_IDS);
	if (file_put(AT_FDCWD, path, map) < 0)
		return err_sys(e, "%s: %u", file, base);
	return 0;
}

/* The child of this process's parent, not of this one. */
static pid_t
clone_init(int *pidfd)
{
	struct clone_args a = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
			 CLONE_PIDFD | CLONE_PARENT,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
	};

	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* It says so, or why not. */
static int
wait_parked(int ctl, struct err *e)
{
	struct pollfd p = { .fd = ctl, .events = POLLIN };
	int fds[SEQPKT_FDS_MAX];
	struct err told;
	size_t nfds;
	ssize_t n;

	if (poll(&p, 1, PARK_PATIENCE_MS) != 1)
		return err_set(e, ERR_SYS, "init does not get ready");
	n = seqpkt_recv(ctl, &told, sizeof(told), fds, &nfds, e);
	if (n < 0)
		return -1;
	if (n != sizeof(told))
		return err_set(e, ERR_SYS, "init ended early");
	if (told.kind == ERR_NONE)
		return 0;
	*e = told;
	return err_wrap(e, "init");
}

static int
make_init(const struct making *m, struct sub_unit *u, struct err *e)
{
	const uint32_t base = sub_id_base(m->s, m->ref.slot);
	struct init_fds fds;
	int ctl[2], go[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) < 0)
		return err_sys(e, "control socket");
	if (pipe2(go, O_CLOEXEC) < 0) {
		own_close(&ctl[0]);
		own_close(&ctl[1]);
		return err_sys(e, "pipe");
	}
	u->pid = clone_init(&u->proc);
	if (u->pid == 0) {
		fds = (struct init_fds){ ctl[1], go[0], m->listen, { { 0 } } };
		sub_cpus(m->s, m->ref.slot, 1, &fds.cpus);
		init_main(m->s, &fds);
	}
	rc = u->pid < 0 ? err_sys(e, "clone") : 0;
	if (rc == 0)
		rc = write_map(u->pid, "uid_map", base, e);
	if (rc == 0)
		rc = write_map(u->pid, "gid_map", base, e);
	if (rc == 0 && write(go[1], "g", 1) != 1)
		rc = err_sys(e, "release init");
	if (rc == 0) {
		drop_fd(&ctl[1]);
		rc = wait_parked(ctl[0], e);
	}
	own_close(&ctl[1]);
	own_close(&go[0]);
	own_close(&go[1]);
	u->ctl = ctl[0];
	return rc;
}

/* Before the limits of the group hold: the files are not the tenant's yet. */
static int
make_files(const struct making *m, struct err *e)
{
	const struct substrate *s = m->s;
	char name[SPAWN_ID_MAX];
	struct err ignored;

	(void)sub_spare_name(name, m->ref);
	(void)disk_remove(&s->disk, name, &ignored);
	if (disk_prepare(&s->disk, name, e) < 0)
		return -1;
	return identity_prepare(s, name, e);
}

static int
make_group(const struct making *m, struct err *e)
{
	const struct cgroups *cg = &m->s->cg;
	struct cg_limits usual;

	sub_usual_limits(m->s, &usual);
	if (cg_make(cg, m->ref, e) < 0 ||
	    cg_limit(cg, m->ref, &usual, NULL, e) < 0)
		return -1;
	return cg_join(cg, m->ref, e);
}

static int
build(struct making *m, struct sub_unit *u, struct err *e)
{
	if (make_files(m, e) < 0 || make_group(m, e) < 0 || make_net(m, e) < 0)
		return -1;
	u->net = m->net;
	return make_init(m, u, e);
}

static _Noreturn void
helper(const struct substrate *s, struct spawn_ref ref, int answer)
{
	struct making m = { .s = s, .ref = ref, .net = -1, .listen = -1 };
	struct sub_unit u = { .pid = -1, .proc = -1, .net = -1, .ctl = -1 };
	struct slot_made made = { .ref = ref };
	struct err e;
	int rc;

	made.rc = build(&m, &u, &made.err);
	made.pid = u.pid;
	if (made.rc == 0)
		rc = seqpkt_send(answer, &made, sizeof(made),
		    (int[]){ u.proc, u.net, u.ctl }, 3, &e);
	else
		rc = seqpkt_send(answer, &made, sizeof(made), NULL, 0, &e);
	_exit(rc == 0 ? 0 : 1);
}

int
sub_make(struct substrate *s, struct spawn_ref ref, int *answer, pid_t *pid,
    struct err *e)
{
	int pair[2], keep[CG_TREES_MAX + 5];

	if (seqpkt_pair(pair, e) < 0)
		return -1;
	memcpy(keep, s->cg.tree, sizeof(s->cg.tree));
	keep[CG_TREES_MAX] = s->host_ns;
	keep[CG_TREES_MAX + 1] = s->envd;
	keep[CG_TREES_MAX + 2] = s->null;
	keep[CG_TREES_MAX + 3] = pair[1];
	keep[CG_TREES_MAX + 4] = s->disk.dir;
	*pid = helper_fork(keep, countof(keep), e);
	if (*pid == 0)
		helper(s, ref, pair[1]);
	own_close(&pair[1]);
	if (*pid < 0) {
		own_close(&pair[0]);
		return -1;
	}
	*answer = pair[0];
	return 0;
}

int
sub_made(int answer, struct sub_unit *u, struct err *e)
{
	int fds[SEQPKT_FDS_MAX];
	struct slot_made made;
	size_t nfds;
	ssize_t n;

	n = seqpkt_recv(answer, &made, sizeof(made), fds, &nfds, e);
	if (n == 0)
		return err_set(e, ERR_SYS, "the helper ended early");
	if (n < 0)
		return -1;
	if (n == sizeof(made) && made.rc == 0 && nfds == 3) {
		*u = (struct sub_unit){ made.ref, made.pid, fds[0], fds[1],
			fds[2] };
		return 0;
	}
	for (size_t i = 0; i < nfds; i++)
		own_close(&fds[i]);
	if (n != sizeof(made) || made.rc == 0)
		return err_set(e, ERR_BUG, "a helper's answer does not fit");
	*e = made.err;
	return -1;
}
