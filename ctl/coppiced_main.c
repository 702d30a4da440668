/* coppiced - starts Coppice's processes, and starts them again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/monitor/monitor.h"
#include "io/log.h"
#include "io/place.h"

static void
usage(void)
{
	fputs("usage: coppiced [-dnv] [-f FILE] [--stop-sandboxes]\n"
	      "       coppiced --man-rows | --version\n",
	    stderr);
	exit(2);
}

struct options {
	struct monitor_options m;
	bool check, print, debug;
};

static void
parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];

		if (strcmp(a, "--stop-sandboxes") == 0) {
			o->m.stop_sandboxes = true;
		} else if (strcmp(a, "--man-rows") == 0) {
			conf_print_man(stdout);
			exit(0);
		} else if (strcmp(a, "--version") == 0) {
			puts("coppiced " COP_VERSION);
			exit(0);
		} else if (strcmp(a, "-f") == 0 && i + 1 < argc) {
			o->m.conf_path = argv[++i];
		} else if (a[0] == '-' && a[1] != '\0' &&
			   a[1 + strspn(a + 1, "dnv")] == '\0') {
			o->debug = o->debug || strchr(a, 'd') != NULL;
			o->check = o->check || strchr(a, 'n') != NULL;
			o->print = o->print || strchr(a, 'v') != NULL;
		} else {
			usage();
		}
	}
	if (o->m.conf_path == NULL && access(place_conf, R_OK) == 0)
		o->m.conf_path = place_conf;
}

enum { NOFILE_WANTED = 524288, LOCK_WAIT_MS = 5000 };

/* A sandbox costs a few descriptors in more than one process. */
static void
raise_limits(void)
{
	struct rlimit r, more = { NOFILE_WANTED, NOFILE_WANTED };

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	if (r.rlim_max < NOFILE_WANTED && setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_warn("coppiced.nofile err=\"%s\"", strerror(errno));
}

static int
run(const struct conf *c, const struct options *o, struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, ERR_FORBIDDEN, "must run as root");
	if (spec_users(e) < 0)
		return -1;
	os_conf_notes(c);
	raise_limits();
	if (prepare_state(c, e) < 0 || prepare_lock(c, LOCK_WAIT_MS, e) < 0 ||
	    prepare_template(c, e) < 0)
		return -1;
	return monitor_run(c, &o->m, e);
}

int
main(int argc, char **argv)
{
	static struct options o;
	static struct conf c;
	enum log_level level = LOG_L_INFO;
	struct err e;

	parse(&o, argc, argv);
	if (conf_read(&c, o.m.conf_path, stderr) < 0)
		return 1;
	conf_environment(&c);
	if (o.print)
		conf_print(&c, stdout);
	if (o.check)
		return 0;

	/* What we were started with is nobody's business down the line. */
	closefrom(STDERR_FILENO + 1);
	if (o.debug)
		o.m.log_level = "debug";
	if (o.m.log_level != NULL)
		(void)snprintf(
		    c.log_level, sizeof(c.log_level), "%s", o.m.log_level);
	(void)log_level_from(c.log_level, &level);
	log_open("coppiced", level);
	if (run(&c, &o, &e) < 0) {
		log_error("coppiced.failed err=\"%s\"", e.msg);
		return 1;
	}
	return 0;
}
