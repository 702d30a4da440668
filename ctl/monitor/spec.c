#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "io/log.h"
#include "io/place.h"

static const char *const users[] = { "_coppice", "_coppice_px", "_coppice_eg" };

void
spec_arg(struct spec *s, const char *arg)
{
	/* Two places stay free: the program's name and the end. */
	if (s->nargs + 2 < SPEC_ARGS_MAX)
		s->args[s->nargs++] = arg;
}

void
spec_fd(struct spec *s, const char *name, int fd)
{
	if (fd < 0 || s->nfds == SPEC_FDS_MAX)
		return;
	s->fds[s->nfds].name = name;
	s->fds[s->nfds++].fd = fd;
}

int
spec_users(struct err *e)
{
	for (size_t i = 0; i < countof(users); i++)
		if (getpwnam(users[i]) == NULL)
			return err_set(e, ERR_NOTFOUND,
			    "there is no user %s: run %s, which makes the "
			    "users that Coppice's processes run as",
			    users[i], place_setup);
	return 0;
}

/* What the child is executed with; made before the fork. */
struct image {
	char path[4096];
	char *argv[SPEC_ARGS_MAX];
	struct buf env;
	char *envp[8];
	const struct passwd *pw;
};

static int
add_env(struct image *im, size_t *at, const char *name)
{
	const char *v = getenv(name);

	if (v == NULL)
		return 0;
	*at = im->env.len;
	if (buf_printf(&im->env, "%s=%s", name, v) < 0)
		return -1;
	return buf_add(&im->env, "", 1);
}

/* Offsets first, pointers last: the buffer moves while it grows. */
static int
make_env(struct image *im, const struct spec *s, struct err *e)
{
	size_t at[8], n = 0;

	at[n++] = im->env.len;
	if (buf_puts(&im->env, "COPPICE_FDS=") < 0)
		return err_sys(e, "environment");
	for (size_t i = 0; i < s->nfds; i++)
		if (buf_printf(&im->env, "%s%s=%d", i > 0 ? "," : "",
			s->fds[i].name, s->fds[i].fd) < 0)
			return err_sys(e, "environment");
	if (buf_add(&im->env, "", 1) < 0)
		return err_sys(e, "environment");
	for (size_t i = 0; i < 5; i++) {
		static const char *const pass[] = { "PATH", "COPPICE_API_KEYS",
			"COPPICE_API_KEYS_FILE", "ASAN_OPTIONS",
			"COPPICE_FAULT" };
		size_t where = SIZE_MAX;

		if (!s->keys && (i == 1 || i == 2))
			continue;
		if (add_env(im, &where, pass[i]) < 0)
			return err_sys(e, "environment");
		if (where != SIZE_MAX)
			at[n++] = where;
	}
	for (size_t i = 0; i < n; i++)
		im->envp[i] = im->env.data + at[i];
	im->envp[n] = NULL;
	return 0;
}

static int
make_image(
    struct image *im, const struct spec *s, const char *dir, struct err *e)
{
	int n = snprintf(im->path, sizeof(im->path), "%s/%s", dir, s->program);

	buf_init(&im->env, 256 * 1024);
	if (n < 0 || (size_t)n >= sizeof(im->path))
		return err_set(e, ERR_SYS, "%s: the path is too long", dir);
	if (access(im->path, X_OK) < 0)
		return err_sys(e, "%s", im->path);
	/* execve() does not write to them; it only does not say so. */
	memcpy(&im->argv[0], &s->program, sizeof(im->argv[0]));
	for (size_t i = 0; i < s->nargs; i++)
		memcpy(&im->argv[i + 1], &s->args[i], sizeof(im->argv[i + 1]));
	im->argv[s->nargs + 1] = NULL;
	im->pw = NULL;
	if (s->user != NULL) {
		im->pw = getpwnam(s->user);
		if (im->pw == NULL)
			return err_set(
			    e, ERR_NOTFOUND, "there is no user %s", s->user);
	}
	return make_env(im, s, e);
}

/* In the child: from root to the user, with no way back. */
static int
become(const struct passwd *pw)
{
	if (os_drop_bounding() < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0 ||
	    os_no_new_privs() < 0)
		return -1;
	/* Proof: what must not work does not. */
	return setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -1 : 0;
}

static void
in_child(const struct image *im, const struct spec *s, pid_t monitor)
{
	int null;
	sigset_t none;

	/* A terminal's Ctrl-C is for the monitor, which stops us in order. */
	(void)setpgid(0, 0);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(126);
	for (size_t i = 0; i < s->nfds; i++)
		if (fcntl(s->fds[i].fd, F_SETFD, 0) < 0)
			_exit(126);
	if (null > STDERR_FILENO)
		(void)close(null);
	if (im->pw != NULL && become(im->pw) < 0)
		_exit(126);
	/* Last: a change of user forgets it. */
	if (os_die_with_parent() < 0 || getppid() != monitor)
		_exit(126);
	(void)execve(im->path, im->argv, im->envp);
	log_error("child.exec path=%s user=%s err=\"%s\"", im->path,
	    s->user != NULL ? s->user : "root", strerror(errno));
	_exit(127);
}

pid_t
spec_start(const struct spec *s, const char *dir, struct err *e)
{
	pid_t self = getpid(), pid = -1;
	struct image *im = calloc(1, sizeof(*im));

	if (im == NULL)
		return err_sys(e, "start %s", s->program);
	if (make_image(im, s, dir, e) < 0) {
		err_wrap(e, "start %s", s->program);
	} else {
		pid = fork();
		if (pid == 0)
			in_child(im, s, self);
		if (pid < 0)
			err_sys(e, "start %s", s->program);
	}
	buf_fini(&im->env);
	free(im);
	return pid;
}
