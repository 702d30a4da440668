/* coppice-code - the code interpreter's server inside a sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "code/code.h"
#include "io/inside.h"
#include "io/log.h"

enum { WARM_MAX = 8 };

struct options {
	int port, envd_port;
	const char *dirs, *sockets, *home;
	const char *warm[WARM_MAX]; /* languages started beside python */
	size_t nwarm;
	enum log_level level;
};

static struct server {
	struct code code;
	struct options o;
	int listen_fd; /* bound; listening when the first kernel is ready */
	int lock_fd;
} server;

static void
usage(FILE *to)
{
	(void)fputs(
	    "usage: coppice-code [-v] [-p PORT] [-k DIR:DIR] [-d SOCKET-DIR]\n"
	    "           [-u ENVD-PORT] [-C DIR] [-w LANGUAGE]...\n",
	    to);
}

static int
number(const char *name, const char *text, long min, int *out)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v < min || v > 65535) {
		(void)fprintf(stderr,
		    "coppice-code: -%s wants a number from %ld to 65535, not "
		    "\"%s\"\n",
		    name, min, text);
		return -1;
	}
	*out = (int)v;
	return 0;
}

static int
one_option(struct options *o, int c)
{
	switch (c) {
	case 'p':
		return number("p", optarg, 1, &o->port);
	case 'u':
		return number("u", optarg, 0, &o->envd_port);
	case 'k':
		o->dirs = optarg;
		return 0;
	case 'd':
		o->sockets = optarg;
		return 0;
	case 'C':
		o->home = optarg;
		return 0;
	case 'v':
		o->level = LOG_L_DEBUG;
		return 0;
	case 'w':
		if (o->nwarm < WARM_MAX) {
			o->warm[o->nwarm++] = optarg;
			return 0;
		}
		(void)fprintf(
		    stderr, "coppice-code: -w: at most %d\n", WARM_MAX);
		return -1;
	default:
		usage(stderr);
		return -1;
	}
}

static int
read_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .port = CODE_PORT,
		.envd_port = CODE_ENVD_PORT,
		.dirs = "/usr/lib/coppice/kernels:/usr/share/jupyter/kernels:"
			"/usr/local/share/jupyter/kernels",
		.sockets = "/run/coppice-code",
		.home = CODE_HOME,
		.level = LOG_L_INFO };
	while ((c = getopt(argc, argv, "p:u:k:d:C:w:v")) != -1)
		if (one_option(o, c) < 0)
			return -1;
	if (optind < argc) {
		usage(stderr);
		return -1;
	}
	return 0;
}

/* --- start ----------------------------------------------------------------*/

/* Two servers would remove each other's sockets. */
static int
lock_sockets(const char *dir, struct err *e)
{
	char path[300];
	autoclose int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_CONFLICT,
		    "%s: another coppice-code runs there", dir);
	return take_fd(&fd);
}

static void
more_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= 16384)
		return;
	/* Not all that it may: kernels inherit it, and some close them all. */
	r.rlim_cur = r.rlim_max < 16384 ? r.rlim_max : 16384;
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

static void
on_child(struct loop_signal *w, int signo)
{
	pid_t pid;
	int status;

	(void)w;
	(void)signo;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		kernels_reaped(&server.code.kernels, pid, status);
}

/* The kernels go with us: they are told by the system. */
static void
on_term(struct loop_signal *w, int signo)
{
	(void)signo;
	loop_stop(w->loop);
}

static void
warm_others(struct code *c)
{
	for (size_t i = 0; i < server.o.nwarm; i++) {
		char language[LANG_NAME_MAX];
		struct err e;
		struct ctx *x = NULL;

		if (lang_name(server.o.warm[i], language) == 0)
			x = ctx_default(c, language, &e);
		if (x != NULL)
			ctx_start(x);
	}
}

static void
on_ready(struct code *c)
{
	struct err e;

	if (listen(server.listen_fd, SOMAXCONN) < 0 ||
	    http_server_listen(c->http, take_fd(&server.listen_fd), &e) < 0) {
		log_error("code.listen error=\"%s\"", strerror(errno));
		exit(1);
	}
	log_info("code.listening port=%d", server.o.port);
	warm_others(c);
}

/* As clients expect to find them; one that is not installed is not there. */
static struct ctx *
first_context(struct code *c, const char *language)
{
	struct err e;
	struct ctx *x = ctx_default(c, language, &e);

	if (x != NULL)
		ctx_list(x);
	else
		log_warn("code.context error=\"%s\"", e.msg);
	return x;
}

static void
first_contexts(struct code *c)
{
	struct ctx *python = first_context(c, "python");

	(void)first_context(c, "javascript");
	if (python != NULL) {
		ctx_start(python);
		return;
	}
	c->on_ready = NULL;
	on_ready(c);
}

static int
set_up(struct code *c, const struct options *o, struct err *e)
{
	struct http_handler h = { .on_request = code_on_request,
		.on_bad_request = code_on_bad_request,
		.ctx = c };
	struct http_limits lim = { .head_timeout_ms = 60000,
		.idle_timeout_ms = 640000,
		/* Who takes nothing for so long will not come back. */
		.body_timeout_ms = 600000,
		.conns_max = CODE_CONNS_MAX };

	c->envd_port = (uint16_t)o->envd_port;
	c->home = o->home;
	c->on_ready = on_ready;
	c->loop = loop_new(e);
	if (c->loop == NULL)
		return -1;
	c->kernels = (struct kernels){ .loop = c->loop,
		.dirs = o->dirs,
		.sockets = o->sockets,
		.env = environ };
	server.listen_fd = inside_bind((uint16_t)o->port, e);
	if (server.listen_fd < 0)
		return -1;
	if (mkdir(o->sockets, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "%s", o->sockets);
	server.lock_fd = lock_sockets(o->sockets, e);
	if (server.lock_fd < 0 || kernels_clean(&c->kernels, e) < 0)
		return -1;
	c->http = http_server_new(c->loop, h, lim, e);
	return c->http != NULL ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct loop_signal child = { .on_signal = on_child };
	struct loop_signal term = { .on_signal = on_term };
	struct err e;

	inside_fill_stdio();
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	if (read_options(&server.o, argc, argv) < 0)
		return 2;
	log_open("code", server.o.level);
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	more_files();
	if (set_up(&server.code, &server.o, &e) < 0) {
		log_error("code.start error=\"%s\"", e.msg);
		return 1;
	}
	loop_signal_start(server.code.loop, &child, SIGCHLD);
	loop_signal_start(server.code.loop, &term, SIGTERM);
	first_contexts(&server.code);
	loop_run(server.code.loop);
	return 0;
}
