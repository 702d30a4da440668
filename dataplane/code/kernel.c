#include "code/kernel.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "code/kernel_int.h"
#include "io/log.h"

enum {
	DRAIN_MS = 200, /* what a dead kernel said is read for so long */
	CUT_MS = 300,	/* it may be dying: then that is the reason */
	ENVIRON_MAX = 4096,
};

static void
free_words(char **w)
{
	for (size_t i = 0; w != NULL && w[i] != NULL; i++)
		free(w[i]);
	free(w);
}

/* Processes that we have told to end. */
struct ended {
	struct ended *next;
	struct kernels *all;
	pid_t pid;
	struct loop_timer kill;
};

void *
kernel_data(const struct kernel *k)
{
	return k->data;
}

void
kernel_id(struct kernel *k, char to[MSG_ID_TEXT])
{
	(void)snprintf(to, MSG_ID_TEXT, "%s-%u", k->id, ++k->nrequests);
}

/* --- ends -----------------------------------------------------------------*/

static void
tell_end(struct kernel *k, enum kernel_end how)
{
	loop_timer_stop(&k->start);
	loop_timer_stop(&k->end);
	k->t->close(k);
	k->owner->on_end(k, how);
}

static void
on_end_time(struct loop_timer *t)
{
	struct kernel *k = container_of(t, struct kernel, end);

	tell_end(k, k->exited ? KERNEL_DIED : KERNEL_CUT);
}

static void
on_start_time(struct loop_timer *t)
{
	struct kernel *k = container_of(t, struct kernel, start);

	log_warn("kernel.slow pid=%d name=%s", (int)k->pid, k->spec.dir);
	tell_end(k, KERNEL_STUCK);
}

void
kernel_is_ready(struct kernel *k)
{
	if (k->ready)
		return;
	k->ready = true;
	loop_timer_stop(&k->start);
	k->owner->on_ready(k);
}

/* Called by the transport, which may still be on the stack: not now. */
void
kernel_is_cut(struct kernel *k, const char *why)
{
	if (k->cut)
		return;
	log_debug("kernel.cut pid=%d because=\"%s\"", (int)k->pid, why);
	k->cut = true;
	loop_timer_start(k->all->loop, &k->end, k->exited ? 0 : CUT_MS);
}

static void
kernel_exited(struct kernel *k, int status)
{
	log_info("kernel.exited pid=%d status=%d signal=%d spec=%s",
	    (int)k->pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0, k->spec.dir);
	k->pid = -1;
	k->exited = true;
	loop_timer_start(k->all->loop, &k->end, k->cut ? 0 : DRAIN_MS);
}

void
kernels_reaped(struct kernels *all, pid_t pid, int status)
{
	struct ended **at, *e;

	for (struct kernel *k = all->first; k != NULL; k = k->next)
		if (k->pid == pid) {
			kernel_exited(k, status);
			return;
		}
	for (at = &all->ended; *at != NULL; at = &(*at)->next)
		if ((*at)->pid == pid) {
			e = *at;
			*at = e->next;
			loop_timer_stop(&e->kill);
			free(e);
			return;
		}
}

static void
on_kill_time(struct loop_timer *t)
{
	struct ended *e = container_of(t, struct ended, kill);

	(void)kill(-e->pid, SIGKILL);
}

/* It has been asked to end; see to it that it does. */
static void
let_end(struct kernel *k)
{
	struct ended *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		(void)kill(-k->pid, SIGKILL);
		return;
	}
	e->all = k->all;
	e->pid = k->pid;
	e->kill.on_time = on_kill_time;
	e->next = k->all->ended;
	k->all->ended = e;
	/* One that never got ready, or does not listen, will not obey. */
	if (!k->ready || k->cut)
		(void)kill(-k->pid, SIGKILL);
	else
		loop_timer_start(k->all->loop, &e->kill, KERNEL_END_MS);
}

static void
ask_to_end(struct kernel *k)
{
	char id[MSG_ID_TEXT];
	struct buf content;

	buf_init(&content, 64);
	kernel_id(k, id);
	if (buf_puts(&content, "{\"restart\":false}") == 0)
		(void)k->t->request(k, "shutdown_request", id, &content);
	buf_fini(&content);
}

void
kernel_free(struct kernel *k)
{
	struct kernel **at = &k->all->first;

	loop_timer_stop(&k->start);
	loop_timer_stop(&k->end);
	if (k->ready && !k->exited && !k->cut)
		ask_to_end(k);
	k->t->close(k);
	if (k->pid > 0)
		let_end(k);
	while (*at != NULL && *at != k)
		at = &(*at)->next;
	if (*at == k)
		*at = k->next;
	spec_free(&k->spec);
	free_words(k->env);
	free(k);
}

/* --- start ----------------------------------------------------------------*/

static char **
make_argv(const struct kernel *k)
{
	char **argv = calloc(k->spec.nargv + 1, sizeof(*argv));

	for (size_t i = 0; argv != NULL && i < k->spec.nargv; i++) {
		argv[i] = spec_word(&k->spec, i, k->wire.file);
		if (argv[i] == NULL) {
			free_words(argv);
			return NULL;
		}
	}
	return argv;
}

static bool
is_ours(const char *var)
{
	return strncmp(var, "COPPICE_", 8) == 0 ||
	       strncmp(var, "HOME=", 5) == 0;
}

static int
add_var(char **env, size_t *n, const char *var)
{
	const char *eq = strchr(var, '=');
	char *copy;
	size_t i;

	if (eq == NULL)
		return 0; /* whoever made it meant no variable */
	copy = strdup(var);
	if (copy == NULL)
		return -1;
	for (i = 0; i < *n; i++)
		if (strncmp(env[i], var, (size_t)(eq - var) + 1) == 0)
			break;
	if (i < *n)
		free(env[i]);
	else if (*n == ENVIRON_MAX) {
		free(copy);
		return -1;
	} else
		(*n)++;
	env[i] = copy;
	return 0;
}

static char **
make_env(const struct kernel *k)
{
	char **env = calloc(ENVIRON_MAX + 1, sizeof(*env));
	size_t n = 0;
	int rc;

	if (env == NULL)
		return NULL;
	rc = add_var(env, &n, "HOME=/root");
	/* Without one, R knows no letters but ASCII's. */
	rc = rc == 0 ? add_var(env, &n, "LANG=C.UTF-8") : -1;
	for (char *const *v = k->all->env; *v != NULL && rc == 0; v++)
		if (!is_ours(*v))
			rc = add_var(env, &n, *v);
	for (size_t i = 0; i < k->spec.nenv && rc == 0; i++)
		rc = add_var(env, &n, k->spec.env[i]);
	if (rc == 0)
		return env;
	free_words(env);
	return NULL;
}

static int
spawn(struct kernel *k, const char *cwd, int fd3, struct err *e)
{
	char **argv = make_argv(k), **env = k->env = make_env(k);
	struct kernel_spawn s = {
		.argv = argv, .envp = env, .cwd = cwd, .fd3 = fd3
	};
	int rc = -1;

	if (argv == NULL || env == NULL)
		err_set(e, ERR_SYS, "no memory for a kernel");
	else {
		k->pid = kernel_spawn(&s, e);
		rc = k->pid > 0 ? 0 : -1;
	}
	free_words(argv);
	return rc;
}

static int
make_id(struct kernel *k, struct err *e)
{
	unsigned char r[6];
	size_t n;

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, "random bytes");
	n = (size_t)snprintf(
	    k->id, sizeof(k->id), "k%u-", k->all->nstarted++ % 100000);
	for (size_t i = 0; i < sizeof(r) && n + 3 <= sizeof(k->id); i++)
		n += (size_t)snprintf(
		    k->id + n, sizeof(k->id) - n, "%02x", r[i]);
	return 0;
}

static int
run(struct kernel *k, const char *cwd, struct err *e)
{
	autoclose int fd3 = -1;

	if (k->t->prepare(k, &fd3, e) < 0 || spawn(k, cwd, fd3, e) < 0)
		return -1;
	drop_fd(&fd3);
	return k->t->open(k, e);
}

struct kernel *
kernel_start(struct kernels *all, const char *name, const char *cwd,
    const struct kernel_owner *owner, void *data, struct err *e)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		err_sys(e, "kernel");
		return NULL;
	}
	k->all = all;
	k->owner = owner;
	k->data = data;
	k->pid = -1;
	k->lines.io.fd = -1;
	k->start.on_time = on_start_time;
	k->end.on_time = on_end_time;
	if (spec_read(&k->spec, all->dirs, name, e) < 0) {
		free(k);
		return NULL;
	}
	k->t = k->spec.lines ? &transport_lines : &transport_zmq;
	k->next = all->first;
	all->first = k;
	if (make_id(k, e) < 0 || run(k, cwd, e) < 0) {
		kernel_free(k);
		return NULL;
	}
	loop_timer_start(all->loop, &k->start, KERNEL_START_MS);
	log_debug("kernel.started pid=%d spec=%s", (int)k->pid, k->spec.dir);
	return k;
}

const char *
kernel_getenv(const struct kernel *k, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; k->env != NULL && k->env[i] != NULL; i++)
		if (strncmp(k->env[i], name, n) == 0 && k->env[i][n] == '=')
			return k->env[i] + n + 1;
	return NULL;
}

/* --- use ------------------------------------------------------------------*/

int
kernel_execute(struct kernel *k, struct jv code, enum msg_how how, char *id)
{
	struct buf content;
	int rc = -1;

	if (!k->ready || k->cut || k->exited)
		return -1;
	buf_init(&content, PEER_OUT_MAX - 64 * 1024);
	kernel_id(k, id);
	if (msg_put_execute(&content, code, how) == 0)
		rc = k->t->request(k, "execute_request", id, &content);
	buf_fini(&content);
	return rc;
}

void
kernel_interrupt(struct kernel *k)
{
	if (k->pid > 0 && k->ready)
		k->t->interrupt(k);
}

void
kernel_hold(struct kernel *k, bool hold)
{
	k->t->hold(k, hold);
}

/* --- the directory --------------------------------------------------------*/

static bool
is_left_over(const char *name)
{
	return name[0] == 'k' && name[1] >= '0' && name[1] <= '9';
}

int
kernels_clean(struct kernels *all, struct err *e)
{
	struct stat st;
	struct dirent *d;
	DIR *dir;

	/* A longer one does not fit into a socket's address. */
	if (strlen(all->sockets) > SOCKET_PATH - 40)
		return err_set(e, ERR_INVALID,
		    "socket directory %.200s: over "
		    "%d bytes",
		    all->sockets, SOCKET_PATH - 40);
	if (mkdir(all->sockets, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "%s", all->sockets);
	/* Who may enter may run code as we do. */
	if (lstat(all->sockets, &st) < 0)
		return err_sys(e, "%s", all->sockets);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_INVALID, "%s: not a directory of ours",
		    all->sockets);
	if ((st.st_mode & 077) != 0 && chmod(all->sockets, 0700) < 0)
		return err_sys(e, "%s", all->sockets);
	dir = opendir(all->sockets);
	if (dir == NULL)
		return err_sys(e, "%s", all->sockets);
	while ((d = readdir(dir)) != NULL)
		if (is_left_over(d->d_name))
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
	return 0;
}
