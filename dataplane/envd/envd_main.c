/* envd - the daemon inside a sandbox: options, and what pid 1 has to do. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/envd.h"
#include "envd/journal.h"
#include "envd/os.h"
#include "envd/proc_int.h"
#include "envd/watch.h"
#include "io/inside.h"
#include "io/log.h"

enum { TIDY_MS = 3000 };

struct options {
	int port;
	int listen_fd, boot_fd, oom_fd;
	const char *boot_file;
	enum log_level level;
};

static void
usage(FILE *to)
{
	(void)fputs("usage: envd [-listen-fd N | -port N] [-boot-fd N | -boot "
		    "FILE] [-oom-fd N] [-verbose]\n"
		    "       envd -version\n",
	    to);
}

static int
number(const char *name, const char *text, long min, long max, int *out)
{
	char *end;
	long v = text != NULL ? strtol(text, &end, 10) : 0;

	if (text == NULL || *text == '\0' || *end != '\0' || v < min ||
	    v > max) {
		(void)fprintf(stderr,
		    "envd: %s wants a number from %ld to %ld, not \"%s\"\n",
		    name, min, max, text != NULL ? text : "");
		return -1;
	}
	*out = (int)v;
	return 0;
}

/* Flags as the original's, with one dash or two. */
static int
one_option(struct options *o, char **argv, int *i)
{
	const char *name = argv[*i], *value = argv[*i + 1];

	name += name[0] == '-' && name[1] == '-';
	if (strcmp(name, "-verbose") == 0) {
		o->level = LOG_L_DEBUG;
		return 0;
	}
	if (strcmp(name, "-isnotfc") == 0 || strcmp(name, "-no-cgroups") == 0)
		return 0; /* always so here */
	(*i)++;
	if (strcmp(name, "-port") == 0)
		return number(name, value, 1, 65535, &o->port);
	if (strcmp(name, "-listen-fd") == 0)
		return number(name, value, 0, 1 << 20, &o->listen_fd);
	if (strcmp(name, "-boot-fd") == 0)
		return number(name, value, 0, 1 << 20, &o->boot_fd);
	if (strcmp(name, "-oom-fd") == 0)
		return number(name, value, 0, 1 << 20, &o->oom_fd);
	if (strcmp(name, "-boot") == 0 && value != NULL) {
		o->boot_file = value;
		return 0;
	}
	(void)fprintf(stderr, "envd: unknown option %s\n", argv[*i - 1]);
	usage(stderr);
	return -1;
}

static int
read_options(struct options *o, int argc, char **argv)
{
	*o = (struct options){ .port = ENVD_PORT,
		.listen_fd = -1,
		.boot_fd = -1,
		.oom_fd = -1,
		.level = LOG_L_INFO };
	for (int i = 1; i < argc; i++)
		if (one_option(o, argv, &i) < 0)
			return -1;
	return 0;
}

/* --- start ----------------------------------------------------------------*/

static int
read_boot(struct envd *d, const struct options *o, struct err *e)
{
	autoclose int fd = o->boot_fd;

	if (o->boot_file != NULL)
		fd = open(o->boot_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return o->boot_file != NULL ? err_sys(e, "%s", o->boot_file)
					    : 0;
	return boot_read(&d->boot, fd, e);
}

static int
listen_here(int port, struct err *e)
{
	autoclose int fd = inside_bind((uint16_t)port, e);

	if (fd >= 0 && listen(fd, SOMAXCONN) < 0)
		return err_sys(e, "listen on port %d", port);
	return take_fd(&fd);
}

static int
open_listener(const struct options *o, struct err *e)
{
	int fd = o->listen_fd;

	if (fd < 0)
		fd = listen_here(o->port, e);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "listening socket %d", fd);
	return fd;
}

static void
set_limits(struct envd *d)
{
	struct rlimit more;

	if (getrlimit(RLIMIT_NOFILE, &d->nofile) < 0)
		return;
	more = d->nofile;
	more.rlim_cur = more.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &more) < 0)
		log_warn("envd.limit error=\"%s\"", strerror(errno));
}

static int
set_vars(struct envd *d, struct err *e)
{
	if (vars_set(&d->internal, "E2B_SANDBOX", "true") < 0 ||
	    vars_set(&d->internal, "E2B_SANDBOX_ID", d->boot.id) < 0 ||
	    vars_set(&d->internal, "E2B_TEMPLATE_ID", d->boot.template_id) < 0)
		return err_sys(e, "variables");
	return 0;
}

static struct envd *running; /* for the signal callback, which has no more */

static void
on_child(struct loop_signal *w, int signo)
{
	pid_t pid;
	int status;

	(void)w;
	(void)signo;
	/* Ours, and everybody's who has lost a parent. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		procs_reaped(running->procs, pid, status);
}

/*
 * What a burst has left lying about goes back to the kernel: there may be a
 * thousand of us.  Without requests and connections nothing wakes up.
 */
static void
on_tidy(struct loop_timer *t)
{
	os_memory_give_back();
	if (http_server_nconns(running->http) > 0)
		loop_timer_start(running->loop, t, TIDY_MS);
}

static void
on_request(struct http_req *r, void *ctx)
{
	static struct loop_timer tidy = { .on_time = on_tidy };
	const struct envd *d = ctx;

	if (!tidy.active)
		loop_timer_start(d->loop, &tidy, TIDY_MS);
	envd_on_request(r, ctx);
}

static int
set_up(struct envd *d, const struct options *o, struct err *e)
{
	struct http_handler h = { .on_request = on_request,
		.on_bad_request = envd_on_bad_request,
		.ctx = d };
	struct http_limits lim = { .head_timeout_ms = 60000,
		.idle_timeout_ms = 640000,
		.collect_max = 2 * ENVD_MESSAGE_MAX,
		.conns_max = ENVD_CONNS_MAX };
	int fd;

	memcpy(d->default_user, "root", sizeof("root"));
	set_limits(d);
	if (read_boot(d, o, e) < 0 || set_vars(d, e) < 0)
		return -1;
	fd = open_listener(o, e);
	if (fd < 0)
		return -1;
	d->loop = loop_new(e);
	if (d->loop == NULL)
		return -1;
	d->metrics.at = mono_now();
	d->journal = journal_new(d, e);
	if (d->journal == NULL)
		return -1;
	d->procs = procs_new(d, e);
	d->watches = d->procs != NULL ? watches_new(d, e) : NULL;
	if (d->watches == NULL)
		return -1;
	d->http = http_server_new(d->loop, h, lim, e);
	if (d->http == NULL)
		return -1;
	return http_server_listen(d->http, fd, e);
}

int
main(int argc, char **argv)
{
	static struct envd d;
	struct loop_signal child = { .on_signal = on_child };
	struct options o;
	struct err e;

	os_hide();
	if (argc == 2 && (strcmp(argv[1], "-version") == 0 ||
			     strcmp(argv[1], "--version") == 0)) {
		(void)puts(ENVD_VERSION);
		return 0;
	}
	os_memory_set_up();
	inside_fill_stdio();
	/* Whatever else we were started with is not for our children. */
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	if (read_options(&o, argc, argv) < 0)
		return 2;
	log_open("envd", o.level);
	(void)umask(022);
	os_ignore_nothing();
	(void)signal(SIGPIPE, SIG_IGN);
	if (set_up(&d, &o, &e) < 0 || os_adopt_orphans(&e) < 0 ||
	    proc_fork_set_up(o.oom_fd, &e) < 0) {
		log_error("envd.start error=\"%s\"", e.msg);
		return 1;
	}
	if (boot_files(&d.boot, &e) < 0)
		log_warn("envd.files error=\"%s\"", e.msg);
	running = &d;
	loop_signal_start(d.loop, &child, SIGCHLD);
	log_debug("envd.ready version=%s", ENVD_VERSION);
	loop_run(d.loop);
	return 0;
}
