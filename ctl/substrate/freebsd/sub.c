#include "sub_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/priv/drop.h"
#include "io/place.h"
#include "io/seqpkt.h"
#include "procs.h"

/*
 * Several installations on one host (tests, most of all) must not find each
 * other's sandboxes: the jails are named after the state directory.
 */
static void
prefix(const char *state_dir, char to[JAILS_PREFIX_MAX])
{
	uint32_t h = 2166136261u; /* FNV-1a */

	if (strcmp(state_dir, place_state) == 0) {
		(void)snprintf(to, JAILS_PREFIX_MAX, "coppice");
		return;
	}
	for (const char *p = state_dir; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	(void)snprintf(to, JAILS_PREFIX_MAX, "coppice-%08x", h);
}

static int
directory(const char *state_dir, const char *name, mode_t mode, char *to,
    size_t room, struct err *e)
{
	if ((size_t)snprintf(to, room, "%s/%s", state_dir, name) >= room)
		return err_set(
		    e, ERR_INVALID, "state_dir: %s is too long", state_dir);
	if (mkdir(to, mode) < 0 && errno != EEXIST)
		return err_sys(e, "%s", to);
	return 0;
}

static int
own_directories(struct substrate *s, struct err *e)
{
	char stopped[CONF_TEXT_MAX + 16];

	if (directory(s->cf.state_dir, "nowhere", 0500, s->jails.nowhere,
		sizeof(s->jails.nowhere), e) < 0 ||
	    directory(s->cf.state_dir, "stopped", 0700, stopped,
		sizeof(stopped), e) < 0)
		return -1;
	s->stopped =
	    open(stopped, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->stopped < 0)
		return err_sys(e, "%s", stopped);
	return 0;
}

/* By descriptor from here on: nobody in a jail sees where they lie. */
static int
programs(struct substrate *s, const char *envd_path, struct err *e)
{
	const struct passwd *pw = getpwnam("_coppice_cap");
	const char *end = strrchr(envd_path, '/');
	char path[CONF_TEXT_MAX + 256];

	s->envd = open(envd_path, O_EXEC | O_CLOEXEC);
	if (s->envd < 0)
		return err_sys(e, "%s", envd_path);
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null < 0)
		return err_sys(e, "/dev/null");
	(void)snprintf(path, sizeof(path), "%.*s/coppice-capture",
	    end == NULL ? 1 : (int)(end - envd_path),
	    end == NULL ? "." : envd_path);
	s->capture = open(path, O_EXEC | O_CLOEXEC);
	if (pw != NULL) {
		s->capture_uid = pw->pw_uid;
		s->capture_gid = pw->pw_gid;
	}
	return 0;
}

static int
set_up(struct substrate *s, const char *envd_path, struct err *e)
{
	prefix(s->cf.state_dir, s->jails.prefix);
	s->jails.ruleset = s->cf.devfs_ruleset;
	if (host_check(s, e) < 0 || host_facts(s, e) < 0 ||
	    own_directories(s, e) < 0 || programs(s, envd_path, e) < 0)
		return -1;
	if (disk_open(&s->cf, &s->disk, e) < 0)
		return err_wrap(e, "disk");
	limits_text(s);
	return 0;
}

int
sub_open(const struct conf *cf, const char *envd_path, struct substrate **out,
    struct err *e)
{
	struct substrate *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, "substrate");
	s->cf = *cf;
	s->envd = s->null = s->capture = s->stopped = -1;
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
	if (s->disk != NULL)
		disk_close(s->disk);
	drop_fd(&s->envd);
	drop_fd(&s->null);
	drop_fd(&s->capture);
	drop_fd(&s->stopped);
	free(s);
}

/* sudo must work inside. */
int
sub_confine(struct substrate *s, struct err *e)
{
	static const unsigned keep[] = { PRIV_CHILDREN_GAIN };

	(void)s;
	return priv_drop(keep, countof(keep), e);
}

const char *
sub_disk_text(const struct substrate *s)
{
	return disk_text(s->disk);
}

const char *
sub_limits_text(const struct substrate *s)
{
	return s->limits;
}

/* --- start ------------------------------------------------------------------
 */

int
sub_begin(struct substrate *s, struct sub_unit *u, const struct spawn_create *c,
    struct err *e)
{
	int pair[2], keep[3];

	if (seqpkt_pair(pair, e) < 0)
		return -1;
	keep[0] = pair[1];
	keep[1] = s->envd;
	keep[2] = s->null;
	u->pid = helper_fork_disk(s, keep, countof(keep), e);
	if (u->pid == 0)
		start_main(s, u->net, c, pair[1]);
	own_close(&pair[1]);
	if (u->pid > 0 && slot_watch_pid(u->proc, u->pid, e) == 0) {
		u->ctl = pair[0];
		return 0;
	}
	own_close(&pair[0]);
	if (u->pid > 0) {
		(void)kill(u->pid, SIGKILL);
		(void)waitpid(u->pid, NULL, 0);
	}
	u->pid = -1;
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
		return err_set(e, ERR_BUG, "the answer does not fit");
	*e = told;
	e->msg[sizeof(e->msg) - 1] = e->where[sizeof(e->where) - 1] = '\0';
	return -1;
}

void
sub_settle(struct substrate *s)
{
	(void)s;
}

/* --- while it lives ---------------------------------------------------------
 */

static uint64_t
us_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

/*
 * What a process has used, and what its children had that it has waited for:
 * envd waits for all that nobody else does, so nothing is lost.
 */
static void
add_up(const struct procs *p, struct spawn_stats *out)
{
	const uint64_t page = (uint64_t)getpagesize();

	for (size_t i = 0; i < p->n; i++) {
		const struct kinfo_proc *k = &p->v[i];

		out->cpu_us += k->ki_runtime +
			       us_of(&k->ki_rusage_ch.ru_utime) +
			       us_of(&k->ki_rusage_ch.ru_stime);
		if (k->ki_rssize > 0)
			out->mem_used += (uint64_t)k->ki_rssize * page;
		out->pids++;
	}
}

int
sub_stats(struct substrate *s, const struct sub_unit *u, const char *id,
    struct spawn_stats *out, struct err *e)
{
	struct procs p = { .n = 0 };
	struct jails_tenant t;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = jails_recall(u->net, &t, e);
	if (rc == 0)
		rc = procs_of(&p, u->net, PROCS_EACH, e);
	if (rc == 0) {
		add_up(&p, out);
		out->mem_total = (uint64_t)t.memory_mb << 20;
		rc = disk_usage(
		    s->disk, id, &out->disk_used, &out->disk_total, e);
	}
	procs_free(&p);
	return rc;
}

/*
 * The tenant's jail alone: to take down the slot's, and its network, takes
 * time, and is for a helper.
 */
static int
end_tenant(int slot_jid, struct err *e)
{
	struct jails_tenant t;
	struct err ignored;

	/* It may be gone already, by somebody else's hand. */
	if (slot_jid < 0 || jails_recall(slot_jid, &t, &ignored) < 0 ||
	    t.jid == 0)
		return 0;
	return jails_remove(t.jid, e);
}

static int
no_process(int kq, struct err *e)
{
	struct kevent word;

	EV_SET(&word, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	if (kevent(kq, &word, 1, NULL, 0, NULL) < 0)
		return err_sys(e, "kqueue");
	return 0;
}

int
sub_kill(struct substrate *s, const struct sub_unit *u, struct err *e)
{
	(void)s;
	if (end_tenant(u->net, e) < 0)
		return -1;
	if (u->pid <= 0)
		return no_process(u->proc, e);
	/*
	 * It may still be on its way in; then it is a child of ours, and the
	 * number nobody else's.  An adopted one is another's: ECHILD.
	 */
	if (waitpid(u->pid, NULL, WNOHANG) == 0)
		(void)kill(u->pid, SIGKILL);
	return 0;
}

static bool
has_ended(const struct sub_unit *u)
{
	const struct timespec now = { 0, 0 };
	struct kevent k[2];
	int n = kevent(u->proc, NULL, 0, k, countof(k), &now);

	for (int i = 0; i < n; i++)
		if (k[i].filter == EVFILT_PROC)
			return true;
	return false;
}

void
sub_reap(struct sub_unit *u)
{
	struct err ignored;

	if (u->proc >= 0 && u->pid > 0 && has_ended(u)) {
		/* Those that it leaves alone have nobody to answer to. */
		(void)end_tenant(u->net, &ignored);
		/* It is told before it can be waited for. */
		while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	drop_fd(&u->proc);
	drop_fd(&u->ctl);
	u->net = -1;
	u->pid = -1;
}

int
sub_keep(struct substrate *s, const char *id, bool keep, struct err *e)
{
	return disk_keep(s->disk, id, keep, e);
}
