#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "io/place.h"

enum { LOCK_MS = 20 };

/* A directory of that owner and mode; one that is there is put right. */
static int
make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e)
{
	struct stat st;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_sys(e, "%s", path);
	if (lstat(path, &st) < 0)
		return err_sys(e, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_SYS, "%s is not a directory", path);
	if (lchown(path, uid, gid) < 0 || chmod(path, mode) < 0)
		return err_sys(e, "%s", path);
	return 0;
}

static int
make_parents(const char *path, struct err *e)
{
	char up[CONF_TEXT_MAX];

	(void)snprintf(up, sizeof(up), "%s", path);
	for (char *p = up + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		if (mkdir(up, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "%s", up);
		*p = '/';
	}
	return 0;
}

int
prepare_state(const struct conf *c, struct err *e)
{
	const struct passwd *pw = getpwnam("_coppice");
	char path[CONF_TEXT_MAX + 16];

	if (pw == NULL)
		return err_set(e, ERR_NOTFOUND, "there is no user _coppice");
	if (make_parents(c->state_dir, e) < 0)
		return -1;
	/* Others may pass, to what is theirs below, and may not look. */
	if (make_dir(c->state_dir, 0711, 0, 0, e) < 0)
		return err_wrap(e, "state_dir");
	(void)snprintf(path, sizeof(path), "%s/db", c->state_dir);
	if (make_dir(path, 0700, pw->pw_uid, pw->pw_gid, e) < 0)
		return err_wrap(e, "state_dir");
	return 0;
}

int
prepare_lock(const struct conf *c, unsigned wait_ms, struct err *e)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[CONF_TEXT_MAX + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/lock", c->state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "%s", path);
	for (unsigned ms = 0; fcntl(fd, F_SETLK, &l) < 0; ms += LOCK_MS) {
		if ((errno == EAGAIN || errno == EACCES) && ms < wait_ms) {
			(void)usleep(LOCK_MS * 1000);
			continue;
		}
		err_sys(e, "%s", path);
		(void)close(fd);
		return err_wrap(e, "another coppiced has this state_dir");
	}
	return 0; /* the lock goes when we do, and so fd stays open */
}

/* Beside us, where `make install` puts it, or in the source tree. */
static int
find_mktemplate(char *to, size_t cap, struct err *e)
{
	static const char *const places[] = { "mktemplate",
		"../libexec/coppice/mktemplate", "../../../tools/mktemplate" };
	char dir[4096];

	if (place_self(dir, sizeof(dir), e) < 0)
		return -1;
	for (size_t i = 0; i < countof(places); i++) {
		int n = snprintf(to, cap, "%s/%s", dir, places[i]);

		if (n > 0 && (size_t)n < cap && access(to, X_OK) == 0)
			return 0;
	}
	return err_set(e, ERR_NOTFOUND, "mktemplate is not near %s", dir);
}

static int
have_template(const struct conf *c)
{
	char path[CONF_TEXT_MAX + 64];

	(void)snprintf(path, sizeof(path),
	    "%s/templates/coppicebase000000000/rootfs", c->state_dir);
	return access(path, F_OK) == 0;
}

/*
 * Builds the base template when there is none, or when its recipe is another
 * by now.  An old one is better than none: then it is only a warning.
 */
int
prepare_template(const struct conf *c, struct err *e)
{
	char path[4096 + 64];
	int status;
	pid_t pid;

	if (find_mktemplate(path, sizeof(path), e) < 0) {
		if (have_template(c))
			return 0;
		return err_wrap(e, "there is no base template");
	}
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		(void)execl(
		    path, "mktemplate", "base", c->state_dir, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for mktemplate");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (have_template(c)) {
		log_warn("template.old: a new one could not be built");
		return 0;
	}
	return err_set(e, ERR_SYS,
	    "the base template could not be built: the lines above say why");
}
