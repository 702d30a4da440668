/* coppice-apid - the E2B control API, the life of sandboxes, the store. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/api/api.h"
#include "ctl/sandbox/fsm.h"
#include "ctl/sandbox/pool.h"
#include "ctl/site/site_conf.h"
#include "io/child.h"
#include "io/conf.h"
#include "io/log.h"
#include "io/seqpkt.h"
#include "link/addr.h"

enum {
	TICK_MS = 20,
	FINISH_WITHIN_MS = 8000, /* what is under way, after SIGTERM */
};

struct apid {
	struct loop *loop;
	struct api *api;
	struct engine *en;
	const char *conf_path; /* NULL: defaults */
	struct conf *conf;     /* what holds */
	struct seqpkt ctl;
	struct loop_signal term, intr, usr1;
	struct loop_timer tick;
	struct mono told;
	bool kill_all, failed;
};

static void
usage(void)
{
	fputs("usage: coppice-apid [-f FILE] [-k KEY=VALUE]\n"
	      "       coppice-apid --dump-fsm | --version\n",
	    stderr);
	exit(2);
}

static void
parse(struct conf_args *a, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--dump-fsm") == 0) {
		fsm_dump(stdout);
		exit(0);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		puts("coppice-apid " COP_VERSION);
		exit(0);
	}
	/* argv ends with a NULL */
	for (int i = 1; i < argc; i += 2)
		if (!conf_arg(a, argv[i], argv[i + 1]))
			usage();
}

/* --- ending
 * -----------------------------------------------------------------*/

static bool
anything_left(const struct apid *d)
{
	struct engine_counts n = engine_count(d->en);

	if (d->kill_all && n.running + n.paused + n.other > 0)
		return true;
	/* Nobody's: the next run would destroy them. */
	if (engine_pool_left(d->en) > 0)
		return true;
	return api_busy(d->api) > 0;
}

static void
on_tick(struct loop_timer *w)
{
	struct apid *d = container_of(w, struct apid, tick);

	if (!anything_left(d) ||
	    mono_ms(d->told, mono_now()) > FINISH_WITHIN_MS)
		loop_stop(d->loop);
	else
		loop_timer_start(d->loop, w, TICK_MS);
}

/* Sandboxes live on; requests that are under way are finished. */
static void
finish(struct apid *d)
{
	if (d->tick.active)
		return;
	d->told = mono_now();
	engine_pool_end(d->en);
	d->tick.on_time = on_tick;
	loop_timer_start(d->loop, &d->tick, 0);
}

static void
on_term(struct loop_signal *w, int signo)
{
	struct apid *d = signo == SIGTERM ? container_of(w, struct apid, term)
					  : container_of(w, struct apid, intr);

	log_info("apid.stop signal=%d", signo);
	finish(d);
}

/* End all sandboxes, then ourselves. */
static void
on_usr1(struct loop_signal *w, int signo)
{
	struct apid *d = container_of(w, struct apid, usr1);

	log_info("apid.stop_all signal=%d", signo);
	d->kill_all = true;
	engine_kill_all(d->en);
	finish(d);
}

/* --- what the engine says
 * ------------------------------------------------------*/

static void
on_ready(void *ctx)
{
	int fd = child_fd("ready");

	(void)ctx;
	log_info("apid.ready");
	if (fd < 0)
		return;
	if (write(fd, "\n", 1) < 0)
		log_warn("apid.ready err=\"%s\"", strerror(errno));
	(void)close(fd);
}

static void
on_lost(void *ctx, const char *which)
{
	struct apid *d = ctx;

	/* One way to recover: all of us start again. */
	log_error("apid.lost channel=%s", which);
	d->failed = true;
	loop_stop(d->loop);
}

static int
on_envd(void *ctx, const struct envd_ask *q, struct err *e)
{
	const struct apid *d = ctx;

	return api_envd(d->api, q, e);
}

static void *
on_logs(void *ctx, const struct sb_record *r, struct sb_ref ref, int fd,
    uint64_t after, struct err *e)
{
	const struct apid *d = ctx;

	return api_envd_logs(d->api, r, ref, fd, after, e);
}

static void
on_logs_stop(void *ctx, void *conn)
{
	const struct apid *d = ctx;

	if (d->api != NULL) /* else it took them with it */
		api_envd_logs_stop(conn);
}

/* From the file, as privd does: it may say something else by now. */
static int
on_site(void *ctx, struct np_site *out, struct err *e)
{
	struct apid *d = ctx;
	static struct conf now;

	if (conf_read(&now, d->conf_path, stderr) < 0)
		return err_set(e, ERR_INVALID, "configuration: see above");
	conf_take_site(d->conf, &now);
	return site_from_conf(d->conf, out, e);
}

/* --- starting
 * --------------------------------------------------------------------*/

static uint32_t
memory_mb(const struct conf *c)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (c->host_memory_mb > 0)
		return c->host_memory_mb;
	if (pages <= 0 || size <= 0)
		return 1024;
	return (uint32_t)((uint64_t)pages * (uint64_t)size / 5 * 4 >> 20);
}

static bool
is_loopback(int fd)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t n = sizeof(ss);
	const struct sockaddr_in *v4 = (const void *)&ss;
	const struct sockaddr_in6 *v6 = (const void *)&ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return false;
	if (ss.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return ss.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int
start_api(struct apid *d, const struct conf *c, int fd, struct err *e)
{
	struct api_conf ac = {
		.default_timeout_s = c->default_timeout_s,
		.max_timeout_s = (uint64_t)c->max_timeout_h * 3600,
		.host_memory_mb = memory_mb(c),
		.require_secure = c->require_secure,
	};

	memcpy(ac.domain, c->domain, sizeof(ac.domain));
	memcpy(ac.api_keys, c->api_keys, sizeof(ac.api_keys));
	memcpy(ac.api_keys_file, c->api_keys_file, sizeof(ac.api_keys_file));
	d->api = api_new(d->loop, &ac, e);
	memset(ac.api_keys, 0, sizeof(ac.api_keys));
	if (d->api == NULL)
		return -1;
	if (!api_has_keys(d->api) && !is_loopback(fd))
		return err_set(e, ERR_INVALID,
		    "api_listen is not on loopback: then api_keys or "
		    "api_keys_file must be set");
	return 0;
}

static int
start_engine(struct apid *d, const struct conf *c, struct err *e)
{
	struct engine_conf ec = {
		.max_sandboxes = c->max_sandboxes,
		.pool_slots = c->pool_slots,
		.pool_size = c->pool_size,
		.pids_max = c->pids_max,
		.host_memory_mb = memory_mb(c),
		.max_life_s = (uint64_t)c->max_timeout_h * 3600,
		.policy_while_paused = c->policy_while_paused,
		.cpu_count = c->default_cpu_count,
		.memory_mb = c->default_memory_mb,
		.disk_mb = c->default_disk_mb,
	};
	struct engine_calls calls = {
		.envd = on_envd,
		.site = on_site,
		.on_ready = on_ready,
		.on_lost = on_lost,
		.logs = on_logs,
		.logs_stop = on_logs_stop,
		.ctx = d,
	};
	struct engine_fds fds = {
		.rules = child_fd("rules"),
		.spawn = child_fd("spawn"),
		.route = child_fd("route"),
	};
	struct link_addr nobody;

	/* Slot 0 is nobody's; its odd address is the resolver's. */
	link_addr(0, &c->net4, c->ipv6 ? &c->net6 : NULL, &nobody);
	ec.resolver4 = nobody.sb4;
	ec.resolver6 = nobody.sb6;
	memcpy(ec.state_dir, c->state_dir, sizeof(ec.state_dir));
	if (fds.rules < 0 || fds.spawn < 0)
		return err_set(e, ERR_INVALID,
		    "no channels in COPPICE_FDS: coppiced starts this program");
	d->en = engine_new(d->loop, &ec, &calls, fds, e);
	if (d->en == NULL)
		return -1;
	api_engine(d->api, d->en);
	return 0;
}

/* coppiced hands us an end of a channel to egressd, whenever one is new. */
static void
on_ctl(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	const struct apid *d = container_of(c, struct apid, ctl);
	struct child_handover h = { .name = "" };

	if (len == sizeof(h))
		memcpy(&h, msg, sizeof(h));
	h.name[sizeof(h.name) - 1] = '\0';
	if (nfds == 1 && strcmp(h.name, "denials") == 0) {
		engine_denials(d->en, fds[0]);
		return;
	}
	log_error("ctl.bad name=%s fds=%zu", h.name, nfds);
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

static void
on_ctl_close(struct seqpkt *c)
{
	on_lost(container_of(c, struct apid, ctl), "ctl");
}

static void
open_ctl(struct apid *d)
{
	int fd = child_fd("ctl");

	d->ctl.on_msg = on_ctl;
	d->ctl.on_close = on_ctl_close;
	if (fd >= 0)
		seqpkt_open(d->loop, &d->ctl, fd);
}

static void
watch_signals(struct apid *d)
{
	d->term.on_signal = d->intr.on_signal = on_term;
	d->usr1.on_signal = on_usr1;
	loop_signal_start(d->loop, &d->term, SIGTERM);
	loop_signal_start(d->loop, &d->intr, SIGINT);
	loop_signal_start(d->loop, &d->usr1, SIGUSR1);
}

static int
run(struct apid *d, const struct conf *c, struct err *e)
{
	int fd = child_fd("api");

	if (fd < 0)
		return err_set(e, ERR_INVALID,
		    "no listener in COPPICE_FDS: coppiced starts this program");
	d->loop = loop_new(e);
	if (d->loop == NULL)
		return -1;
	if (start_api(d, c, fd, e) < 0 || start_engine(d, c, e) < 0 ||
	    api_listen(d->api, fd, e) < 0)
		return -1;
	open_ctl(d);
	watch_signals(d);
	loop_run(d->loop);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct apid d;
	static struct conf c;
	static struct conf_args a;
	enum log_level level = LOG_L_INFO;
	struct err e = { .kind = ERR_NONE };
	int rc;

	parse(&a, argc, argv);
	d.conf_path = a.path;
	d.conf = &c;
	if (conf_read_args(&c, &a) < 0)
		return 1;
	conf_environment(&c);
	(void)unsetenv("COPPICE_API_KEYS");
	(void)log_level_from(c.log_level, &level);
	log_open("coppice-apid", level);
	(void)signal(SIGPIPE, SIG_IGN);

	rc = run(&d, &c, &e);
	if (rc < 0)
		log_error("apid.failed err=\"%s\"", e.msg);
	api_free(d.api);
	d.api = NULL;
	engine_free(d.en);
	loop_free(d.loop);
	return rc < 0 || d.failed;
}
