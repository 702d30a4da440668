/*
 * privd_main.c - coppice-privd: `rules` or `spawn`, each a process of its own
 * with the capabilities of its own.  See privd.h.
 */
#include "privd.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/log.h"

static int
usage(void)
{
	fprintf(stderr,
	    "usage: coppice-privd rules [-f FILE] [-k KEY=VALUE] [--remove]\n"
	    "       coppice-privd spawn [-f FILE] [-k KEY=VALUE]\n");
	return 2;
}

int
main(int argc, char **argv)
{
	enum log_level level = LOG_L_INFO;
	const char *what = argc > 1 ? argv[1] : "";
	struct conf_args a = { .path = NULL };
	bool remove = false;
	static struct conf cf;
	struct err e = { 0 };
	int rc;

	for (int i = 2; i < argc; i++) {
		if (conf_arg(&a, argv[i], argv[i + 1]))
			i++;
		else if (strcmp(argv[i], "--remove") == 0)
			remove = true;
		else
			return usage();
	}
	if (conf_read_args(&cf, &a) < 0)
		return 1;
	(void)log_level_from(cf.log_level, &level);
	(void)signal(SIGPIPE, SIG_IGN);

	if (strcmp(what, "rules") == 0) {
		log_open("privd-rules", level);
		rc = remove ? rules_remove(&cf, &e)
			    : rules_main(&cf, a.path, &e);
	} else if (strcmp(what, "spawn") == 0 && !remove) {
		log_open("privd-spawn", level);
		rc = spawn_main(&cf, &e);
	} else {
		return usage();
	}
	if (rc < 0)
		log_error("%s.failed err=\"%s\"", what, e.msg);
	return rc < 0 ? 1 : 0;
}
