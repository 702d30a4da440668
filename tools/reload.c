/* reload.c - what the operator's command does with coppiced.conf: has coppiced
 * read it again, and looks below its state_dir. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/conf.h"
#include "io/place.h"
#include "tools/coppice_int.h"

/* coppiced holds a lock below state_dir for as long as it lives; 0: nobody. */
static pid_t
holder(const struct conf *c)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[CONF_TEXT_MAX + 16];
	autoclose int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/lock", c->state_dir);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fcntl(fd, F_GETLK, &l) < 0) {
		if (errno == ENOENT)
			return 0;
		fprintf(stderr, "coppice: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return l.l_type == F_UNLCK ? 0 : l.l_pid;
}

static const char *
or_default(const char *path)
{
	if (path == NULL && access(place_conf, R_OK) == 0)
		return place_conf;
	return path;
}

/* coppice-privd keeps "TIMES WHEN WHY" there. */
void
print_lost(const char *path)
{
	static struct conf c;
	char file[CONF_TEXT_MAX + 16], why[200] = "", when[32] = "";
	unsigned long long times = 0;
	FILE *f;

	if (conf_read(&c, or_default(path), stderr) < 0)
		return;
	(void)snprintf(file, sizeof(file), "%s/rules-lost", c.state_dir);
	f = fopen(file, "re");
	if (f == NULL && errno != ENOENT) {
		printf("rules      unknown: %s: %s\n", file, strerror(errno));
		return;
	}
	if (f != NULL) {
		if (fscanf(f, "%llu %31s %199[^\n]", &times, when, why) < 1)
			times = 0;
		(void)fclose(f);
	}
	if (times == 0)
		puts("rules      never changed by others");
	else
		printf("rules      repaired %llu times, last %s: %s\n", times,
		    when, why);
}

int
reload(const char *path)
{
	static struct conf c;
	pid_t pid;

	path = or_default(path);
	/* coppiced would refuse it as well, but into its log. */
	if (conf_read(&c, path, stderr) < 0) {
		fputs("coppice: nothing was changed\n", stderr);
		return 1;
	}
	pid = holder(&c);
	if (pid < 0)
		return 1;
	if (pid == 0) {
		fprintf(stderr, "coppice: no coppiced runs with state_dir %s\n",
		    c.state_dir);
		return 1;
	}
	if (kill(pid, SIGHUP) < 0) {
		fprintf(stderr, "coppice: coppiced, process %ld: %s\n",
		    (long)pid, strerror(errno));
		return 1;
	}
	printf("coppiced, process %ld, reads %s again: its log says what "
	       "changes\n",
	    (long)pid, path != NULL ? path : "its configuration");
	return 0;
}
