#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/priv/drop.h"
#include "files.h"
#include "io/seqpkt.h"
#include "link/link.h"

#define STATE_DIR_USUAL "/var/lib/coppice"

/*
 * Several installations on one host (tests, most of all) must not find each
 * other's sandboxes: the group is named after the state directory.
 */
static void
parent_name(const char *state_dir, char to[32])
{
	uint32_t h = 2166136261u; /* FNV-1a */

	if (strcmp(state_dir, STATE_DIR_USUAL) == 0) {
		(void)snprintf(to, 32, "coppice");
		return;
	}
	for (const char *p = state_dir; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	(void)snprintf(to, 32, "coppice-%08x", h);
}

static int
host_facts(struct substrate *s, struct err *e)
{
	s->host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->host_ns < 0)
		return err_sys(e, "network namespace of the host");
	if (file_get(AT_FDCWD, "/proc/sys/kernel/random/boot_id", s->boot_id,
		sizeof(s->boot_id)) < 0)
		return err_sys(e, "boot id of the host");
	s->boot_id[strcspn(s->boot_id, "\n")] = '\0';
	if (sched_getaffinity(0, sizeof(s->cpus), &s->cpus) < 0)
		return err_sys(e, "processors");
	s->ncpus = CPU_COUNT(&s->cpus);
	s->ipv6 = s->cf.ipv6 && link_has_ipv6();
	return link_uplinks(s->ipv6, &s->mtu, e);
}

static int
set_up(struct substrate *s, const char *envd_path, struct err *e)
{
	char parent[32];

	parent_name(s->cf.state_dir, parent);
	if (host_facts(s, e) < 0 ||
	    cg_open(&s->cg, parent, s->cf.host_memory_mb, e) < 0 ||
	    filter_build(s->filters, e) < 0)
		return -1;
	if (disk_open(&s->disk, &s->cf, e) < 0)
		return err_wrap(e, "disk");
	capture_prepare(s);
	return root_enter(s, envd_path, e);
}

int
sub_open(const struct conf *cf, const char *envd_path, struct substrate **out,
    struct err *e)
{
	struct substrate *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, "substrate");
	s->cf = *cf;
	s->host_ns = s->envd = s->null = -1;
	s->disk = (struct disk){ .dir = -1, .qgroups = -1, .mount = -1 };
	for (size_t i = 0; i < countof(s->cg.tree); i++)
		s->cg.tree[i] = s->cg.top[i] = -1;
	for (size_t i = 0; i < countof(s->stale); i++)
		s->stale[i] = -1;
#ifdef COP_FAULTS
	s->attach = getenv("COPPICE_OLD_KERNEL") != NULL;
#endif
	if (set_up(s, envd_path, e) < 0) {
		sub_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void
sub_close(struct substrate *s)
{
	if (s == NULL)
		return;
	sub_settle(s);
	disk_close(&s->disk);
	cg_close(&s->cg);
	filter_free(s->filters);
	drop_fd(&s->host_ns);
	drop_fd(&s->envd);
	drop_fd(&s->null);
	free(s);
}

/*
 * SYS_ADMIN	namespaces, mounts, setns, subvolumes
 * NET_ADMIN	links, their addresses and routes
 * SETUID	id maps; overlays are mounted as root of the sandbox
 * SETGID	the same
 * CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETFCAP
 *		an overlay works with the rights of whoever mounted it, for as
 *		long as it lives: without one of these, chmod, setgid bits or
 *		file capabilities fail inside
 * KILL		helpers with another uid
 * NET_RAW	the packet socket of a capture
 *
 * Never SYS_RESOURCE: an overlay mounted with it could use up the blocks that
 * a file system keeps for its owner.
 */
static const unsigned keep[] = {
	CAP_CHOWN,
	CAP_DAC_OVERRIDE,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETUID,
	CAP_SETGID,
	CAP_SETFCAP,
	CAP_NET_ADMIN,
	CAP_NET_RAW,
	CAP_SYS_ADMIN,
};

int
sub_confine(struct substrate *s, struct err *e)
{
	(void)s;
	return priv_drop(keep, countof(keep), e);
}

const char *
sub_disk_text(const struct substrate *s)
{
	return s->disk.text;
}

const char *
sub_limits_text(const struct substrate *s)
{
	return s->cg.text;
}

/* --- start ---------------------------------------------------------------- */

const char *
sub_spare_name(char to[SPAWN_ID_MAX], struct spawn_ref r)
{
	(void)snprintf(to, SPAWN_ID_MAX, "spare%ux%u", r.slot, r.incarnation);
	return to;
}

void
sub_usual_limits(const struct substrate *s, struct cg_limits *out)
{
	*out = (struct cg_limits){ s->cf.default_memory_mb,
		s->cf.default_cpu_count, s->cf.pids_max };
}

/* The slot's own spare files, under the name of their owner from now on. */
static int
fresh_files(struct substrate *s, const struct disk_meta *m, struct err *e)
{
	char spare[SPAWN_ID_MAX];
	struct err ignored;

	if (disk_take(&s->disk, sub_spare_name(spare, m->ref), m, e) < 0)
		return -1;
	if (identity_write(s, m->id, e) == 0)
		return 0;
	(void)disk_remove(&s->disk, m->id, &ignored);
	return -1;
}

static int
ready_files(struct substrate *s, const struct spawn_create *c, struct err *e)
{
	struct disk_meta m = { .ref = c->ref,
		.limit = (uint64_t)c->disk_mb << 20 };

	memcpy(m.id, c->id, sizeof(m.id));
	memcpy(m.template_id, c->template_id, sizeof(m.template_id));
	memcpy(m.boot_id, s->boot_id, sizeof(m.boot_id));
	if (!c->keep_disk)
		return fresh_files(s, &m, e);
	if (layers_forget(&s->disk, c->id, e) < 0)
		return -1;
	return disk_meta_write(&s->disk, &m, e);
}

void
sub_cpus(const struct substrate *s, uint32_t slot, uint32_t n, cpu_set_t *out)
{
	uint32_t skip = slot % (uint32_t)s->ncpus;

	if (n >= (uint32_t)s->ncpus) {
		*out = s->cpus;
		return;
	}
	CPU_ZERO(out);
	for (int i = 0; n > 0; i = (i + 1) % CPU_SETSIZE) {
		if (!CPU_ISSET(i, &s->cpus))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		CPU_SET(i, out);
		n--;
	}
}

int
sub_begin(struct substrate *s, struct sub_unit *u, const struct spawn_create *c,
    struct err *e)
{
	const struct cg_limits limits = { c->memory_mb, c->cpu_count,
		c->pids_max };
	struct init_go go = { .create = *c };
	struct cg_limits usual;
	autoclose int root = -1;
	struct err ignored;

	sub_usual_limits(s, &usual);
	if (cg_limit(&s->cg, u->ref, &limits, &usual, e) < 0 ||
	    ready_files(s, c, e) < 0)
		return -1;
	sub_cpus(s, u->ref.slot, c->cpu_count, &go.cpus);
	root = layers_mount(s, u, c, e);
	if (root >= 0 && seqpkt_send(u->ctl, &go, sizeof(go), &root, 1, e) == 0)
		return 0;
	if (!c->keep_disk)
		(void)disk_remove(&s->disk, c->id, &ignored);
	return -1;
}

int
sub_begun(struct sub_unit *u, struct err *e)
{
	int fds[SEQPKT_FDS_MAX];
	struct err told;
	size_t nfds;
	ssize_t n;

	n = seqpkt_recv(u->ctl, &told, sizeof(told), fds, &nfds, e);
	drop_fd(&u->ctl);
	if (n == 0)
		return 0; /* closed by the exec */
	if (n < 0)
		return -1;
	if (n != sizeof(told) || nfds != 0)
		return err_set(e, ERR_BUG, "init's answer does not fit");
	*e = told;
	e->msg[sizeof(e->msg) - 1] = e->where[sizeof(e->where) - 1] = '\0';
	return err_wrap(e, "init");
}

/* --- while it lives ------------------------------------------------------- */

int
sub_sockets(struct substrate *s, const struct sub_unit *u, uint32_t family,
    uint32_t n, int *fds, struct err *e)
{
	uint32_t made = 0;

	if (setns(u->net, CLONE_NEWNET) < 0)
		return err_sys(e, "enter slot %u", u->ref.slot);
	for (; made < n; made++) {
		fds[made] = socket(family == 6 ? AF_INET6 : AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fds[made] < 0) {
			(void)err_sys(e, "socket in slot %u", u->ref.slot);
			break;
		}
	}
	/* In a tenant's network everything after this would be wrong. */
	if (setns(s->host_ns, CLONE_NEWNET) < 0)
		abort();
	if (made == n)
		return 0;
	while (made > 0)
		own_close(&fds[--made]);
	return -1;
}

int
sub_stats(struct substrate *s, const struct sub_unit *u, const char *id,
    struct spawn_stats *out, struct err *e)
{
	memset(out, 0, sizeof(*out));
	if (cg_stats(&s->cg, u->ref, out, e) < 0)
		return -1;
	return disk_usage(&s->disk, id, &out->disk_used, &out->disk_total, e);
}

int
sub_freeze(
    struct substrate *s, const struct sub_unit *u, bool freeze, struct err *e)
{
	return cg_freeze(&s->cg, u->ref, freeze, e);
}

int
sub_frozen(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	return cg_frozen(&s->cg, u->ref, e);
}

int
sub_kill(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	if (cg_kill(&s->cg, u->ref, e) == 0)
		return 0;
	/* All others end with it. */
	if (syscall(SYS_pidfd_send_signal, u->proc, SIGKILL, NULL, 0) < 0 &&
	    errno != ESRCH)
		return err_sys(e, "kill slot %u", u->ref.slot);
	return 0;
}

void
sub_reap(struct sub_unit *u)
{
	siginfo_t si;

	/* An adopted one is somebody else's child: ECHILD. */
	if (u->proc >= 0)
		(void)waitid(P_PIDFD, (id_t)u->proc, &si, WEXITED | WNOHANG);
	drop_fd(&u->proc);
	drop_fd(&u->net);
	drop_fd(&u->ctl);
	u->pid = -1;
}

int
sub_keep(struct substrate *s, const char *id, bool keep_it, struct err *e)
{
	struct disk_meta m;

	if (disk_meta_read(&s->disk, id, &m, e) < 0)
		return -1;
	if (m.keep == keep_it)
		return 0;
	m.keep = keep_it;
	return disk_meta_write(&s->disk, &m, e);
}
