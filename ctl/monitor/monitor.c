#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "io/child.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/place.h"
#include "io/seqpkt.h"

enum {
	KILL_AFTER_MS = 2000, /* between SIGTERM and SIGKILL */
	STOP_AFTER_MS =
	    10000,	 /* the same at the end, when there is work left */
	QUICK_MS = 1000, /* a shorter life counts as a crash at start */
	BACKOFF_FIRST_MS = 50,
	BACKOFF_MAX_MS = 5000,
	GIVE_UP_AFTER = 6, /* failed starts, if there never was a good one */
	BIND_WAIT_MS = 5000,
};

enum who { APID, RULES, SPAWN, PROXYD, EGRESSD, NCHILDREN };

static const char *const names[NCHILDREN] = { "coppice-apid",
	"coppice-privd rules", "coppice-privd spawn", "coppice-proxyd",
	"coppice-egressd" };

/* Channels of our own, to those who are handed new ends of others. */
enum { CTL_PROXYD, CTL_EGRESSD, CTL_APID, NCTL };

/* What is started as one: its members live and die together. */
struct group {
	struct loop_timer kill, again;
	unsigned quick; /* short lives in a row */
	struct mono started;
};

struct monitor {
	struct loop *loop;
	struct conf conf;
	const struct monitor_options *opt;
	char dir[4096];
	struct listeners listen;
	int tls;	      /* certificate and key; -1 without tls_listen */
	pid_t pid[NCHILDREN]; /* -1: not running */
	bool told[NCHILDREN]; /* SIGTERM was sent */
	struct group core, egress;
	struct seqpkt ctl[NCTL];
	struct loop_io ready; /* apid writes a byte there */
	struct loop_signal chld, term, intr, hup;
	struct loop_timer reap; /* where SIGCHLD alone is not enough */
	bool was_ready, core_ready, stopping, reloading, failed;
	bool site_due;	       /* privd rules is to take other ranges */
	struct stat keys_file; /* as the core has read it */
	struct kept kept;      /* what the core is told over its file */
	struct mono begun;
};

static bool
is_core(enum who w)
{
	return w == APID || w == RULES || w == SPAWN;
}

static bool
any_core(const struct monitor *m)
{
	return m->pid[APID] > 0 || m->pid[RULES] > 0 || m->pid[SPAWN] > 0;
}

static void
tell(struct monitor *m, enum who w, int sig)
{
	if (m->pid[w] <= 0 || (sig == SIGTERM && m->told[w]))
		return;
	m->told[w] = true;
	(void)kill(m->pid[w], sig);
}

/* --- starting --------------------------------------------------------------*/

static void
on_ctl_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	(void)c;
	(void)msg;
	log_warn("monitor.unexpected len=%zu", len);
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

/* Its process is about to be reaped; that is where we act. */
static void
on_ctl_close(struct seqpkt *c)
{
	(void)c;
}

static void
ctl_open(struct monitor *m, struct seqpkt *c, int fd)
{
	if (c->io.fd >= 0)
		seqpkt_close(c);
	c->on_msg = on_ctl_msg;
	c->on_close = on_ctl_close;
	seqpkt_open(m->loop, c, fd);
}

static int
start(struct monitor *m, enum who w, const struct spec *s, struct err *e)
{
	pid_t pid = spec_start(s, m->dir, e);

	if (pid < 0)
		return -1;
	m->pid[w] = pid;
	m->told[w] = false;
	log_debug("child.start name=\"%s\" pid=%ld", names[w], (long)pid);
	return 0;
}

static void
common_args(struct monitor *m, struct spec *s)
{
	if (m->opt->conf_path == NULL)
		return;
	spec_arg(s, "-f");
	spec_arg(s, m->opt->conf_path);
	for (size_t i = 0; i < m->kept.n; i++) {
		spec_arg(s, "-k");
		spec_arg(s, m->kept.text[i]);
	}
}

/*
 * The core reads the file itself.  What stands there may have been changed
 * since we have made sockets and networks by it.
 */
static void
look_at_file(struct monitor *m)
{
	static struct conf fresh;

	kept_fini(&m->kept);
	if (reload_conf(&fresh, m->opt) < 0)
		return; /* nor can the core; it is started until it can */
	kept_find(&m->kept, &m->conf, &fresh);
	(void)keys_file_changed(&fresh, &m->keys_file);
}

/* What the proxies are told by arguments: they read no configuration. */
static void
proxy_args(struct monitor *m, struct spec *s, char net4[NP_PREFIX_TEXT],
    char net6[NP_PREFIX_TEXT])
{
	spec_arg(s, "-4");
	spec_arg(s, np_prefix_text(&m->conf.net4, net4));
	if (m->conf.ipv6) {
		spec_arg(s, "-6");
		spec_arg(s, np_prefix_text(&m->conf.net6, net6));
	}
	spec_arg(s, "-l");
	spec_arg(s, m->conf.log_level);
}

static int
start_proxyd(struct monitor *m, int route, int sock, struct err *e)
{
	struct spec s = { .program = "coppice-proxyd", .user = "_coppice_px" };
	char net4[NP_PREFIX_TEXT], net6[NP_PREFIX_TEXT];
	int ctl[2], rc;

	if (seqpkt_pair(ctl, e) < 0)
		return -1;
	proxy_args(m, &s, net4, net6);
	spec_arg(&s, "-D");
	spec_arg(&s, m->conf.domain);
	if (m->conf.access_log)
		spec_arg(&s, "-a");
	spec_fd(&s, "way_in", m->listen.fd[L_WAY_IN]);
	if (m->tls >= 0) {
		spec_arg(&s, "-A");
		spec_arg(&s, m->conf.api_listen);
		spec_fd(&s, "way_in_tls", m->listen.fd[L_TLS]);
		spec_fd(&s, "tls", m->tls);
	}
	spec_fd(&s, "route", route);
	spec_fd(&s, "sock", sock);
	spec_fd(&s, "ctl", ctl[1]);
	rc = start(m, PROXYD, &s, e);
	(void)close(ctl[1]);
	if (rc < 0)
		(void)close(ctl[0]);
	else
		ctl_open(m, &m->ctl[CTL_PROXYD], ctl[0]);
	return rc;
}

/* Takes fd; -1 hands over a word alone. */
static int
hand_over(struct monitor *m, int to, const char *name, int fd, struct err *e)
{
	struct child_handover h = { .name = "" };

	(void)snprintf(h.name, sizeof(h.name), "%s", name);
	return seqpkt_post(&m->ctl[to], &h, sizeof(h), &fd, fd >= 0, e);
}

/* What was denied goes from egressd to apid; either may be new. */
static void
join_denials(struct monitor *m)
{
	struct err e;
	int fd[2];

	if (m->pid[APID] <= 0 || m->pid[EGRESSD] <= 0)
		return;
	if (seqpkt_pair(fd, &e) == 0) {
		int rc = hand_over(m, CTL_APID, "denials", fd[0], &e);

		if (rc == 0)
			rc = hand_over(m, CTL_EGRESSD, "denials", fd[1], &e);
		else
			(void)close(fd[1]);
		if (rc == 0)
			return;
	}
	log_error("monitor.denials err=\"%s\"", e.msg);
}

struct channels {
	int rules[2], spawn[2], route[2], sock[2], ready[2];
};

static int
channels_open(struct channels *c, struct err *e)
{
	memset(c, -1, sizeof(*c));
	if (seqpkt_pair(c->rules, e) < 0 || seqpkt_pair(c->spawn, e) < 0 ||
	    seqpkt_pair(c->route, e) < 0 || seqpkt_pair(c->sock, e) < 0)
		return -1;
	if (pipe2(c->ready, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	return 0;
}

/* Our copies must go, or nobody would ever see an end. */
static void
channels_close(struct channels *c)
{
	int *pairs[] = { c->rules, c->spawn, c->route, c->sock, c->ready };

	for (size_t i = 0; i < countof(pairs); i++) {
		drop_fd(&pairs[i][0]);
		drop_fd(&pairs[i][1]);
	}
}

static int
start_privds(struct monitor *m, struct channels *c, struct err *e)
{
	struct spec rules = { .program = "coppice-privd" };
	struct spec spawn = { .program = "coppice-privd" };

	spec_arg(&rules, "rules");
	common_args(m, &rules);
	spec_fd(&rules, "rules", c->rules[1]);
	spec_arg(&spawn, "spawn");
	common_args(m, &spawn);
	spec_fd(&spawn, "spawn", c->spawn[1]);
	spec_fd(&spawn, "sock", c->sock[1]);
	if (start(m, RULES, &rules, e) < 0)
		return -1;
	return start(m, SPAWN, &spawn, e);
}

static int
start_apid(struct monitor *m, struct channels *c, struct err *e)
{
	struct spec s = {
		.program = "coppice-apid", .user = "_coppice", .keys = true
	};
	int ctl[2], rc;

	if (seqpkt_pair(ctl, e) < 0)
		return -1;
	common_args(m, &s);
	spec_fd(&s, "api", m->listen.fd[L_API]);
	spec_fd(&s, "rules", c->rules[0]);
	spec_fd(&s, "spawn", c->spawn[0]);
	spec_fd(&s, "route", c->route[0]);
	spec_fd(&s, "ready", c->ready[1]);
	spec_fd(&s, "ctl", ctl[1]);
	rc = start(m, APID, &s, e);
	(void)close(ctl[1]);
	if (rc < 0)
		(void)close(ctl[0]);
	else
		ctl_open(m, &m->ctl[CTL_APID], ctl[0]);
	return rc;
}

static void watch_ready(struct monitor *m, int fd);
static void site_step(struct monitor *m);

static int
start_core(struct monitor *m, struct err *e)
{
	struct channels c;
	int rc;

	m->core.started = mono_now();
	m->core_ready = m->site_due = false;
	look_at_file(m);
	rc = channels_open(&c, e);
	if (rc == 0)
		rc = start_privds(m, &c, e);
	if (rc == 0)
		rc = start_apid(m, &c, e);
	if (rc == 0 && m->pid[PROXYD] > 0) {
		rc = hand_over(m, CTL_PROXYD, "route", take_fd(&c.route[1]), e);
		if (rc == 0)
			rc = hand_over(
			    m, CTL_PROXYD, "sock", take_fd(&c.sock[0]), e);
	} else if (rc == 0) {
		rc = start_proxyd(m, c.route[1], c.sock[0], e);
	}
	if (rc == 0) {
		watch_ready(m, take_fd(&c.ready[0]));
		join_denials(m);
	}
	channels_close(&c);
	return rc;
}

static int
start_egressd(struct monitor *m, struct err *e)
{
	struct spec s = { .program = "coppice-egressd", .user = "_coppice_eg" };
	char net4[NP_PREFIX_TEXT], net6[NP_PREFIX_TEXT];
	int ctl[2], rc;

	m->egress.started = mono_now();
	if (seqpkt_pair(ctl, e) < 0)
		return -1;
	proxy_args(m, &s, net4, net6);
	for (size_t i = 0; i < m->conf.nupstream_dns; i++) {
		spec_arg(&s, "-u");
		spec_arg(&s, m->conf.upstream_dns[i]);
	}
	spec_fd(&s, "dns4u", m->listen.fd[L_DNS4U]);
	spec_fd(&s, "dns4t", m->listen.fd[L_DNS4T]);
	spec_fd(&s, "dns6u", m->listen.fd[L_DNS6U]);
	spec_fd(&s, "dns6t", m->listen.fd[L_DNS6T]);
	spec_fd(&s, "ctl", ctl[1]);
	rc = start(m, EGRESSD, &s, e);
	(void)close(ctl[1]);
	if (rc < 0) {
		(void)close(ctl[0]);
		return -1;
	}
	ctl_open(m, &m->ctl[CTL_EGRESSD], ctl[0]);
	join_denials(m);
	return 0;
}

/* --- readiness
 * --------------------------------------------------------------*/

static void
on_ready(struct loop_io *w, unsigned events)
{
	struct monitor *m = container_of(w, struct monitor, ready);
	char byte;
	ssize_t n = read(w->fd, &byte, 1);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_io_stop(w);
	drop_fd(&w->fd);
	if (n != 1)
		return;
	log_info("coppiced.ready api=%s way_in=%s ms=%llu", m->conf.api_listen,
	    m->conf.way_in_listen,
	    (unsigned long long)mono_ms(m->core.started, mono_now()));
	m->core_ready = true;
	site_step(m);
	if (m->was_ready)
		return;
	m->was_ready = true;
	printf("coppiced: ready: API http://%s, way in http://%s\n",
	    m->conf.api_listen, m->conf.way_in_listen);
	(void)fflush(stdout);
}

static void
watch_ready(struct monitor *m, int fd)
{
	loop_io_stop(&m->ready);
	drop_fd(&m->ready.fd);
	m->ready = (struct loop_io){ .on_ready = on_ready, .fd = fd };
	loop_io_set(m->loop, &m->ready, LOOP_READ);
}

/* --- dying and starting again
 * -----------------------------------------------*/

static void
give_up(struct monitor *m)
{
	log_error("coppiced.give_up after=%d: the lines above say why",
	    GIVE_UP_AFTER);
	m->failed = true;
	m->stopping = true;
}

static uint64_t
backoff_ms(struct group *g)
{
	unsigned shift;

	if (mono_ms(g->started, mono_now()) >= QUICK_MS)
		g->quick = 0;
	shift = g->quick++;
	if (shift > 8 || BACKOFF_FIRST_MS << shift > BACKOFF_MAX_MS)
		return BACKOFF_MAX_MS;
	return (uint64_t)BACKOFF_FIRST_MS << shift;
}

static void
start_later(struct monitor *m, struct group *g)
{
	uint64_t ms;

	if (g->again.active)
		return;
	loop_timer_stop(&g->kill);
	ms = m->reloading ? 0 : backoff_ms(g);
	if (!m->was_ready && m->core.quick > GIVE_UP_AFTER)
		give_up(m);
	loop_timer_start(m->loop, &g->again, ms);
}

static void
end_core(struct monitor *m, int sig)
{
	for (int w = 0; w < NCHILDREN; w++)
		if (is_core((enum who)w))
			tell(m, (enum who)w, sig);
	if (sig == SIGTERM && !m->core.kill.active)
		loop_timer_start(m->loop, &m->core.kill, KILL_AFTER_MS);
}

/* apid first: it may still need the others to finish what it has begun. */
static void
stop_step(struct monitor *m)
{
	bool left = false;

	loop_timer_stop(&m->core.again);
	loop_timer_stop(&m->egress.again);
	if (m->pid[APID] > 0) {
		if (m->told[APID])
			return;
		loop_timer_start(m->loop, &m->core.kill, STOP_AFTER_MS);
		/* SIGUSR1 to apid: end the sandboxes, then yourself. */
		tell(m, APID, m->opt->stop_sandboxes ? SIGUSR1 : SIGTERM);
		return;
	}
	for (int w = 0; w < NCHILDREN; w++) {
		left = left || m->pid[w] > 0;
		tell(m, (enum who)w, SIGTERM);
	}
	if (!left)
		loop_stop(m->loop);
	else if (!m->egress.kill.active)
		loop_timer_start(m->loop, &m->egress.kill, STOP_AFTER_MS);
}

/* Looks at what is and does the next thing; called after every change. */
static void
tend(struct monitor *m)
{
	bool whole = m->pid[APID] > 0 && m->pid[RULES] > 0 &&
		     m->pid[SPAWN] > 0 && m->pid[PROXYD] > 0;

	if (m->stopping) {
		stop_step(m);
		return;
	}
	/* The channels of the dead lead nowhere: all of the core anew. */
	if (!whole && any_core(m))
		end_core(m, SIGTERM);
	else if (!whole)
		start_later(m, &m->core);
	if (m->pid[EGRESSD] <= 0)
		start_later(m, &m->egress);
	if (m->stopping)
		stop_step(m);
}

static void
on_core_again(struct loop_timer *w)
{
	struct monitor *m = container_of(w, struct monitor, core.again);
	struct err e;

	if (start_core(m, &e) < 0) {
		log_error("core.start err=\"%s\"", e.msg);
		tend(m);
	}
	m->reloading = false;
}

static void
on_egress_again(struct loop_timer *w)
{
	struct monitor *m = container_of(w, struct monitor, egress.again);
	struct err e;

	if (start_egressd(m, &e) < 0) {
		log_error("egress.start err=\"%s\"", e.msg);
		tend(m);
	}
}

static void
on_core_kill(struct loop_timer *w)
{
	struct monitor *m = container_of(w, struct monitor, core.kill);

	log_warn("core.kill: SIGTERM was not enough");
	end_core(m, SIGKILL);
}

static void
on_egress_kill(struct loop_timer *w)
{
	struct monitor *m = container_of(w, struct monitor, egress.kill);

	for (int i = 0; i < NCHILDREN; i++)
		tell(m, (enum who)i, SIGKILL);
}

static void
say_end(const struct monitor *m, enum who w, int status)
{
	bool expected = m->told[w] || m->stopping;

	if (expected)
		log_debug("child.end name=\"%s\" status=%#x", names[w], status);
	else if (WIFSIGNALED(status))
		log_error("child.end name=\"%s\" signal=%d", names[w],
		    WTERMSIG(status));
	else
		log_error("child.end name=\"%s\" exit=%d", names[w],
		    WEXITSTATUS(status));
}

static void
reap(struct monitor *m)
{
	int status;
	pid_t pid;

	/* Orphans of ours, whole sandboxes among them, are reaped in passing */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < NCHILDREN; i++)
			if (m->pid[i] == pid) {
				say_end(m, (enum who)i, status);
				m->pid[i] = -1;
			}
	tend(m);
}

static void
on_chld(struct loop_signal *w, int signo)
{
	(void)signo;
	reap(container_of(w, struct monitor, chld));
}

static void
on_reap_time(struct loop_timer *w)
{
	struct monitor *m = container_of(w, struct monitor, reap);

	loop_timer_start(m->loop, w, os_reap_ms);
	reap(m);
}

/* --- signals
 * ----------------------------------------------------------------*/

static void
on_term(struct loop_signal *w, int signo)
{
	struct monitor *m = signo == SIGINT
				? container_of(w, struct monitor, intr)
				: container_of(w, struct monitor, term);

	if (m->stopping) /* asked twice: now */
		on_egress_kill(&m->egress.kill);
	log_info("coppiced.stop signal=%d", signo);
	m->stopping = true;
	tend(m);
}

/* privd rules reads the file at its start; before it is up it would not know
 * the signal. */
static void
site_step(struct monitor *m)
{
	if (!m->site_due || !m->core_ready || m->pid[RULES] <= 0)
		return;
	m->site_due = false;
	(void)kill(m->pid[RULES], SIGHUP);
}

/* A new certificate; if it is not usable, the old one serves on. */
static void
take_tls(struct monitor *m)
{
	struct err e;
	int fd, copy;

	if (m->tls < 0)
		return;
	fd = tls_open(&m->conf, &e);
	if (fd >= 0 && tls_same(fd, m->tls)) {
		(void)close(fd);
		return;
	}
	if (fd < 0 || tls_check(fd, m->dir, &e) < 0) {
		log_error(
		    "coppiced.reload err=\"%s\": the certificate stays", e.msg);
		drop_fd(&fd);
		return;
	}
	(void)close(m->tls);
	m->tls = fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || hand_over(m, CTL_PROXYD, "tls", copy, &e) < 0)
		log_error("coppiced.reload: the certificate stays");
	else
		log_info("coppiced.reload: another certificate");
}

/* What coppice-proxyd takes over while it runs. */
static void
reload_proxyd(struct monitor *m)
{
	struct err e;

	take_tls(m);
	if (hand_over(m, CTL_PROXYD,
		m->conf.access_log ? "access_log yes" : "access_log no", -1,
		&e) < 0)
		log_error("coppiced.reload err=\"%s\"", e.msg);
}

static void
on_hup(struct loop_signal *w, int signo)
{
	struct monitor *m = container_of(w, struct monitor, hup);
	enum reload what;

	(void)signo;
	if (m->stopping)
		return;
	what = reload_read(&m->conf, m->opt, &m->keys_file);
	if (what != RELOAD_BAD)
		reload_proxyd(m);
	switch (what) {
	case RELOAD_BAD:
	case RELOAD_NOTHING:
	case RELOAD_PROXY:
		return;
	case RELOAD_SITE:
		m->site_due = true;
		site_step(m);
		return;
	case RELOAD_ANEW:
		break;
	}
	m->reloading = true;
	/* It finishes what is under way; the privds end when it has gone. */
	loop_timer_start(m->loop, &m->core.kill, STOP_AFTER_MS);
	tell(m, APID, SIGTERM);
	tell(m, EGRESSD, SIGTERM);
}

/* --- running
 * ----------------------------------------------------------------*/

static void
watch_signals(struct monitor *m)
{
	m->chld.on_signal = on_chld;
	m->term.on_signal = m->intr.on_signal = on_term;
	m->hup.on_signal = on_hup;
	loop_signal_start(m->loop, &m->chld, SIGCHLD);
	m->reap.on_time = on_reap_time;
	if (os_reap_ms != 0)
		loop_timer_start(m->loop, &m->reap, os_reap_ms);
	loop_signal_start(m->loop, &m->term, SIGTERM);
	loop_signal_start(m->loop, &m->intr, SIGINT);
	loop_signal_start(m->loop, &m->hup, SIGHUP);
}

static void
monitor_init(
    struct monitor *m, const struct conf *c, const struct monitor_options *o)
{
	*m = (struct monitor){ .conf = *c, .opt = o };
	for (int i = 0; i < NCHILDREN; i++)
		m->pid[i] = -1;
	for (int i = 0; i < L_N; i++)
		m->listen.fd[i] = -1;
	for (int i = 0; i < NCTL; i++)
		m->ctl[i].io.fd = -1;
	m->ready.fd = m->tls = -1;
	m->core.again.on_time = on_core_again;
	m->core.kill.on_time = on_core_kill;
	m->egress.again.on_time = on_egress_again;
	m->egress.kill.on_time = on_egress_kill;
}

/* Before anything listens: a bad certificate is no way to begin. */
static int
begin_tls(struct monitor *m, struct err *e)
{
	if (m->conf.tls_listen[0] == '\0')
		return 0;
	m->tls = tls_open(&m->conf, e);
	return m->tls < 0 ? -1 : tls_check(m->tls, m->dir, e);
}

static int
begin(struct monitor *m, struct err *e)
{
	if (os_subreaper(e) < 0 || place_self(m->dir, sizeof(m->dir), e) < 0 ||
	    begin_tls(m, e) < 0 ||
	    listeners_open(&m->listen, &m->conf, BIND_WAIT_MS, e) < 0)
		return -1;
	m->loop = loop_new(e);
	if (m->loop == NULL)
		return -1;
	watch_signals(m);
	if (start_core(m, e) < 0 || start_egressd(m, e) < 0)
		return -1;
	return 0;
}

int
monitor_run(
    const struct conf *c, const struct monitor_options *o, struct err *e)
{
	static struct monitor m; /* libev keeps pointers into it */
	int rc;

	monitor_init(&m, c, o);
	rc = begin(&m, e);
	if (rc < 0) {
		for (int i = 0; i < NCHILDREN; i++)
			tell(&m, (enum who)i, SIGKILL);
	} else {
		loop_run(m.loop);
		if (m.failed)
			rc = err_set(e, ERR_SYS, "the daemons do not start");
	}
	listeners_close(&m.listen);
	os_resolver_end(c);
	drop_fd(&m.tls);
	loop_free(m.loop);
	return rc;
}
