/* process.Process/Start: from the request to a running program. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/journal.h"
#include "envd/proc_int.h"
#include "envd/text.h"

/* A request, taken apart. */
struct wish {
	const json_t *args, *envs; /* may be NULL */
	const char *cmd, *cwd, *tag;
	bool pty, no_stdin;
	struct winsize size;
};

/* Both ends, while neither has found its owner. */
struct ends {
	int ours[3], theirs[3];
};

static int
strings_only(const json_t *v, const char *name, struct err *e)
{
	if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++)
			if (!json_is_string(json_array_get(v, i)))
				return err_set(e, ERR_INVALID,
				    "field \"%s\"[%zu] is not a string", name,
				    i);
	} else if (json_is_object(v)) {
		const char *key;
		json_t *x;

		json_object_foreach ((json_t *)unconst(v), key, x)
			if (!json_is_string(x))
				return err_set(e, ERR_INVALID,
				    "field \"%s\".%.64s is not a string", name,
				    key);
	}
	return 0;
}

static int
read_config(const json_t *in, struct wish *w, struct err *e)
{
	const json_t *o = NULL;

	w->cmd = "";
	w->cwd = "";
	if (field_object(in, "process", NULL, &o, e) < 0 ||
	    field_text(o, "cmd", NULL, &w->cmd, e) < 0 ||
	    field_text(o, "cwd", NULL, &w->cwd, e) < 0 ||
	    field_object(o, "envs", NULL, &w->envs, e) < 0)
		return -1;
	w->args = field(o, "args", NULL);
	if (w->args != NULL && !json_is_array(w->args))
		return err_set(e, ERR_INVALID, "field \"args\" is not a list");
	if (strings_only(w->args, "args", e) < 0)
		return -1;
	return strings_only(w->envs, "envs", e);
}

static int
read_wish(const json_t *in, struct wish *w, struct err *e)
{
	const json_t *pty = NULL, *size = NULL;
	uint64_t cols = 0, rows = 0;
	bool with_stdin = true; /* absent counts as true */

	*w = (struct wish){ 0 };
	if (read_config(in, w, e) < 0 ||
	    field_text(in, "tag", NULL, &w->tag, e) < 0 ||
	    field_bool(in, "stdin", NULL, &with_stdin, e) < 0 ||
	    field_object(in, "pty", NULL, &pty, e) < 0 ||
	    field_object(pty, "size", NULL, &size, e) < 0 ||
	    field_uint(size, "cols", NULL, UINT32_MAX, &cols, e) < 0 ||
	    field_uint(size, "rows", NULL, UINT32_MAX, &rows, e) < 0)
		return -1;
	w->pty = pty != NULL;
	w->no_stdin = !with_stdin;
	w->size.ws_col = (unsigned short)cols;
	w->size.ws_row = (unsigned short)rows;
	return 0;
}

/* --- what List will say ---------------------------------------------------*/

static int
put_args(struct buf *b, const json_t *args)
{
	int rc = buf_puts(b, ",\"args\":[");

	for (size_t i = 0; i < json_array_size(args) && rc == 0; i++) {
		if (i > 0)
			rc = buf_puts(b, ",");
		if (rc == 0)
			rc = json_put(
			    b, json_string_value(json_array_get(args, i)));
	}
	return rc == 0 ? buf_puts(b, "]") : rc;
}

static int
put_envs(struct buf *b, const json_t *envs)
{
	int rc = buf_puts(b, ",\"envs\":{");
	const char *key, *comma = "";
	json_t *v;

	json_object_foreach ((json_t *)unconst(envs), key, v) {
		if (rc == 0)
			rc = buf_puts(b, comma);
		if (rc == 0)
			rc = json_put(b, key);
		if (rc == 0)
			rc = buf_puts(b, ":");
		if (rc == 0)
			rc = json_put(b, json_string_value(v));
		comma = ",";
	}
	return rc == 0 ? buf_puts(b, "}") : rc;
}

/* NULL without memory. */
static char *
config_text(const struct wish *w, const json_t *in)
{
	const json_t *cwd = field(field(in, "process", NULL), "cwd", NULL);
	struct buf b;
	char *text;
	int rc;

	buf_init(&b, ENVD_LISTING_MAX);
	rc = buf_puts(&b, "{\"cmd\":");
	if (rc == 0)
		rc = json_put(&b, w->cmd);
	if (rc == 0 && json_array_size(w->args) > 0)
		rc = put_args(&b, w->args);
	if (rc == 0 && json_object_size(w->envs) > 0)
		rc = put_envs(&b, w->envs);
	if (rc == 0 && cwd != NULL) {
		rc = buf_puts(&b, ",\"cwd\":");
		if (rc == 0)
			rc = json_put(&b, w->cwd);
	}
	if (rc == 0)
		rc = buf_puts(&b, "}");
	text = rc == 0 ? strdup(buf_str(&b)) : NULL;
	buf_fini(&b);
	return text;
}

/* --- arguments and environment --------------------------------------------*/

/* Freed by free(); one place in front is for the interpreter of a script. */
static char **
make_argv(const struct wish *w)
{
	size_t n = json_array_size(w->args);
	char **all = calloc(n + 3, sizeof(*all));

	if (all == NULL)
		return NULL;
	all[1] = unconst(w->cmd);
	for (size_t i = 0; i < n; i++)
		all[i + 2] =
		    unconst(json_string_value(json_array_get(w->args, i)));
	return all;
}

static int
copy_vars(struct vars *to, const struct vars *from)
{
	for (size_t i = 0; i < from->n; i++) {
		char *eq = strchr(from->v[i], '=');
		int rc;

		*eq = '\0';
		rc = vars_set(to, from->v[i], eq + 1);
		*eq = '=';
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* Nothing of our own environment is passed on. */
static int
make_env(const struct envd *d, const struct user *u, const json_t *envs,
    struct vars *out, struct err *e)
{
	const char *key;
	json_t *v;
	int rc = vars_set(out, "PATH", ENVD_DEFAULT_PATH);

	rc |= vars_set(out, "HOME", u->home);
	rc |= vars_set(out, "USER", u->name);
	rc |= vars_set(out, "LOGNAME", u->name);
	rc |= copy_vars(out, &d->user_vars);
	rc |= copy_vars(out, &d->internal);
	/* Whatever the names are: what is odd, nobody will find. */
	json_object_foreach ((json_t *)unconst(envs), key, v)
		rc |= vars_set(out, key, json_string_value(v));
	return rc == 0 ? 0 : err_set(e, ERR_LIMIT, "too many variables");
}

static int
check_cwd(const struct envd *d, const struct user *u, const char *asked,
    char cwd[PATH_MAX], struct err *e)
{
	struct stat st;

	if (path_resolve(asked, u->home, d->default_workdir, cwd, e) < 0)
		return -1;
	if (stat(cwd, &st) < 0)
		return err_set(
		    e, ERR_INVALID, "cwd '%.200s' does not exist", cwd);
	if (!S_ISDIR(st.st_mode))
		return err_set(
		    e, ERR_INVALID, "cwd '%.200s' is not a directory", cwd);
	return 0;
}

/* --- descriptors ----------------------------------------------------------*/

static void
close_ends(struct ends *x)
{
	for (int i = 0; i < 3; i++) {
		drop_fd(&x->ours[i]);
		drop_fd(&x->theirs[i]);
	}
}

static int
one_pipe(int *ours, int *theirs, bool in, const struct user *u)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	*ours = p[in ? 1 : 0];
	*theirs = p[in ? 0 : 1];
	(void)fcntl(*ours, F_SETFL, O_NONBLOCK);
	return proc_pipe_give(*theirs, u);
}

static int
make_pipes(
    const struct wish *w, const struct user *u, struct ends *x, struct err *e)
{
	int rc = 0;

	if (!w->no_stdin)
		rc = one_pipe(&x->ours[0], &x->theirs[0], true, u);
	else
		x->theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (rc < 0 || x->theirs[0] < 0 ||
	    one_pipe(&x->ours[1], &x->theirs[1], false, u) < 0 ||
	    one_pipe(&x->ours[2], &x->theirs[2], false, u) < 0)
		return err_sys(e, "error creating pipes");
	return 0;
}

static int
make_pty(
    const struct wish *w, const struct user *u, struct ends *x, struct err *e)
{
	if (proc_tty(u, &x->ours[1], &x->theirs[0]) < 0)
		goto failed;
	x->ours[0] = fcntl(x->ours[1], F_DUPFD_CLOEXEC, 3);
	if (x->ours[0] < 0)
		goto failed;
	(void)ioctl(x->ours[1], TIOCSWINSZ, &w->size);
	for (int i = 1; i < 3; i++)
		x->theirs[i] = fcntl(x->theirs[0], F_DUPFD_CLOEXEC, 3);
	if (x->theirs[1] >= 0 && x->theirs[2] >= 0)
		return 0;
failed:
	err_sys(e, "error starting pty");
	e->kind = ERR_INVALID;
	return -1;
}

/* --- start ----------------------------------------------------------------*/

static int
spawn(const struct envd *d, const struct wish *w, const struct user *u,
    const char *cwd, const struct ends *x, pid_t *pid, struct err *e)
{
	struct vars env = { NULL, 0 };
	autofree char **argv = make_argv(w);
	struct spawn s = { .cmd = w->cmd,
		.cwd = cwd,
		.u = u,
		.nofile = &d->nofile,
		.tty = w->pty };
	int rc = -1;

	memcpy(s.fd, x->theirs, sizeof(s.fd));
	if (argv == NULL)
		return err_sys(e, "error starting process");
	if (make_env(d, u, w->envs, &env, e) < 0)
		goto out;
	s.argv = argv + 1;
	s.envp = env.v;
	s.path = vars_get(&env, "PATH");
	*pid = proc_spawn(&s);
	if (*pid > 0) {
		rc = 0;
		goto out;
	}
	if (s.err != 0)
		errno = s.err;
	err_sys(e, "error starting process in '%.100s'", cwd);
	if (s.err != 0)
		e->kind = ERR_INVALID;
out:
	vars_free(&env);
	return rc;
}

static void
on_kill_time(struct loop_timer *t)
{
	struct proc *p = container_of(t, struct proc, kill_at);

	p->cut = true;
	if (!p->reaped)
		(void)kill(p->pid, SIGKILL);
	else
		proc_maybe_end(p);
}

static struct proc *
proc_new(const struct wish *w, const json_t *in)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->config = config_text(w, in);
	p->tag = w->tag != NULL ? strdup(w->tag) : NULL;
	if (p->config == NULL || (w->tag != NULL && p->tag == NULL)) {
		free(p->config);
		free(p->tag);
		free(p);
		return NULL;
	}
	p->pty = w->pty;
	p->src[0].kind = w->pty ? "pty" : "stdout";
	p->src[1].kind = "stderr";
	p->src[0].chunk = w->pty ? PROC_PTY_CHUNK : PROC_PIPE_CHUNK;
	p->src[1].chunk = PROC_PIPE_CHUNK;
	p->kill_at.on_time = on_kill_time;
	return p;
}

static int
make_ends(
    const struct wish *w, const struct user *u, struct ends *x, struct err *e)
{
	for (int i = 0; i < 3; i++)
		x->ours[i] = x->theirs[i] = -1;
	if ((w->pty ? make_pty(w, u, x, e) : make_pipes(w, u, x, e)) == 0)
		return 0;
	close_ends(x);
	return -1;
}

static void
adopt(struct envd *d, struct proc *p, struct ends *x)
{
	p->in.fd = take_fd(&x->ours[0]);
	p->src[0].io.fd = take_fd(&x->ours[1]);
	p->src[1].io.fd = take_fd(&x->ours[2]);
	proc_add(d->procs, p);
	proc_watch(p);
}

static void
note_start(const struct rpc *c, const struct wish *w, const struct proc *p)
{
	struct journal *j = c->d->journal;

	journal_begin(j, J_INFO, "process", "process started");
	journal_text(j, "event_type", "process_start");
	journal_number(j, "pid", p->pid);
	journal_text(j, "command", w->cmd);
	for (size_t i = 0; i < json_array_size(w->args); i++) {
		journal_more(j, " ");
		journal_more(j, json_string_value(json_array_get(w->args, i)));
	}
	if (c->has_timeout)
		journal_number(j, "request_timeout_ms", (int64_t)c->timeout_ms);
	journal_end(j);
}

static struct proc *
begin(struct envd *d, const struct rpc *c, const json_t *in,
    const struct wish *w, const struct user *u, struct err *e)
{
	struct ends x;
	char cwd[PATH_MAX];
	struct proc *p;
	pid_t pid = -1;

	if (check_cwd(d, u, w->cwd, cwd, e) < 0 || make_ends(w, u, &x, e) < 0)
		return NULL;
	p = proc_new(w, in);
	if (p == NULL) {
		close_ends(&x);
		err_set(e, ERR_LIMIT, "no memory");
		return NULL;
	}
	if (spawn(d, w, u, cwd, &x, &pid, e) < 0) {
		close_ends(&x);
		free(p->config);
		free(p->tag);
		free(p);
		return NULL;
	}
	p->pid = pid;
	/* Ours are the template's start and ready commands; start.c tells. */
	p->ours = c == NULL;
	if (c != NULL)
		note_start(c, w, p);
	adopt(d, p, &x);
	/* The deadline of the request is the life of the process as well. */
	if (c != NULL && c->has_timeout && c->timeout_ms > 0)
		loop_timer_start(d->loop, &p->kill_at, c->timeout_ms);
	close_ends(&x);
	return p;
}

static int
room(const struct envd *d, struct err *e)
{
	if (d->procs->n < ENVD_PROCS_MAX)
		return 0;
	return err_set(
	    e, ERR_LIMIT, "%d processes are running already", ENVD_PROCS_MAX);
}

struct proc *
proc_begin(
    struct envd *d, const json_t *in, const struct user *u, struct err *e)
{
	struct wish w;

	if (room(d, e) < 0 || read_wish(in, &w, e) < 0)
		return NULL;
	return begin(d, NULL, in, &w, u, e);
}

static struct proc *
start(struct rpc *c, const json_t *in, struct err *e)
{
	struct user u;
	struct wish w;

	if (room(c->d, e) < 0 || read_wish(in, &w, e) < 0 ||
	    request_user(c->d, c->r, &u, e) < 0)
		return NULL;
	return begin(c->d, c, in, &w, &u, e);
}

void
proc_start(struct rpc *c, const json_t *in)
{
	struct err e;
	struct proc *p = start(c, in, &e);

	if (p == NULL) {
		rpc_fail_err(c, &e);
		return;
	}
	if (c->has_timeout && c->timeout_ms == 0) {
		rpc_fail(c, RPC_DEADLINE_EXCEEDED, "context deadline exceeded");
		return;
	}
	if (sub_new(p, c) == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return;
	}
	sub_start_event(c, p->pid);
}
