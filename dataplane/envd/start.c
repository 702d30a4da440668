#include "envd/start.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/own.h"
#include "envd/journal.h"
#include "envd/proc_int.h"
#include "envd/text.h"
#include "io/log.h"

/* What was asked for; the strings are of `body`. */
struct wish {
	json_t *body;
	const char *cmd, *ready, *user, *cwd;
	uint64_t within_ms;
	bool restart;
};

/* The end of what a process said on stderr. */
struct tail {
	char text[START_TAIL_MAX + 1];
	size_t n;
};

enum state { NOTHING, STARTING, READY };

struct start {
	struct envd *d;
	enum state state;
	struct wish w;
	struct proc *proc, *probe; /* NULL: does not run */
	struct tail said, probe_said;
	bool done; /* it has ended well, leaving behind what it set up */
	int probe_status;
	uint64_t look_ms, again_ms;
	struct mono since; /* it runs */
	struct loop_timer deadline, look, again;
	struct waiter *waiters;
};

struct waiter {
	struct waiter *next;
	struct start *s;
	struct http_req *r;
};

/* --- answers --------------------------------------------------------------*/

static void
answer(struct http_req *r, int status, const char *text)
{
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply(r, status,
	    status == 204 ? NULL : "text/plain; charset=utf-8", text,
	    strlen(text));
}

static void
on_gone(struct http_req *r)
{
	struct waiter *w = http_req_data(r), **at = &w->s->waiters;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w);
}

static void
answer_all(struct start *s, int status, const char *text)
{
	while (s->waiters != NULL) {
		struct waiter *w = s->waiters;

		s->waiters = w->next;
		http_req_on_gone(w->r, NULL);
		answer(w->r, status, text);
		free(w);
	}
}

static void
wait_for_it(struct start *s, struct http_req *r)
{
	struct waiter *w = malloc(sizeof(*w));

	if (w == NULL) {
		answer(r, 500, "no memory\n");
		return;
	}
	*w = (struct waiter){ s->waiters, s, r };
	s->waiters = w;
	http_req_set_data(r, w);
	http_req_on_gone(r, on_gone);
}

static void
ended_how(int status, char to[48])
{
	if (WIFSIGNALED(status))
		(void)snprintf(
		    to, 48, "was killed by signal %d", WTERMSIG(status));
	else
		(void)snprintf(
		    to, 48, "exited with status %d", WEXITSTATUS(status));
}

/* --- processes ------------------------------------------------------------*/

static void
tail_add(struct tail *t, const char *p, size_t n)
{
	size_t keep;

	if (n > START_TAIL_MAX) {
		p += n - START_TAIL_MAX;
		n = START_TAIL_MAX;
	}
	keep = START_TAIL_MAX - n < t->n ? START_TAIL_MAX - n : t->n;
	memmove(t->text, t->text + t->n - keep, keep);
	memcpy(t->text + keep, p, n);
	t->n = keep + n;
	t->text[t->n] = '\0';
}

static void
on_said(void *ctx, const char *kind, const void *p, size_t n)
{
	if (strcmp(kind, "stderr") == 0)
		tail_add(ctx, p, n);
}

static struct proc *
run(struct start *s, const char *command, const char *tag,
    void (*on_reaped)(void *ctx, int status), struct tail *said, struct err *e)
{
	const char *shell =
	    access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
	struct proc *p = NULL;
	struct user u;
	json_t *in = json_pack("{s:{s:s,s:[s,s,s],s:s},s:s,s:b}", "process",
	    "cmd", shell, "args", "-l", "-c", command, "cwd", s->w.cwd, "tag",
	    tag, "stdin", 0);

	said->n = 0;
	said->text[0] = '\0';
	if (in == NULL)
		err_set(e, ERR_INVALID, "the command is not text");
	else if (user_find(s->w.user, &u, e) == 0)
		p = proc_begin(s->d, in, &u, e);
	json_decref(in);
	if (p != NULL) {
		p->on_said = on_said;
		p->said_ctx = said;
		p->on_reaped = on_reaped;
		p->reaped_ctx = s;
	}
	return p;
}

/* Whatever becomes of it is not our business any more. */
static void
let_go(struct proc **at, bool kill_it)
{
	struct proc *p = *at;

	*at = NULL;
	if (p == NULL)
		return;
	p->on_said = NULL;
	p->on_reaped = NULL;
	if (kill_it) {
		p->cut = true;
		(void)kill(p->pid, SIGKILL);
	}
}

/* --- ready ----------------------------------------------------------------*/

static void on_reaped(void *ctx, int status);

/* Not what it said: that may be anything. */
static void
note(const struct start *s, enum journal_level level, const char *message,
    const char *how)
{
	struct journal *j = s->d->journal;

	journal_begin(j, level, "start", message);
	journal_text(j, "command", s->w.cmd);
	journal_text(j, "how", how);
	journal_end(j);
}

static void
failed(struct start *s, int status, const char *text)
{
	note(s, J_ERROR, "the template's start command failed",
	    status == 504 ? "its time is over" : NULL);
	log_warn("start.failed status=%d why=\"%.200s\"", status, text);
	s->state = NOTHING;
	loop_timer_stop(&s->deadline);
	loop_timer_stop(&s->look);
	let_go(&s->probe, true);
	let_go(&s->proc, true);
	answer_all(s, status, text);
}

static void
is_ready(struct start *s)
{
	s->state = READY;
	loop_timer_stop(&s->deadline);
	loop_timer_stop(&s->look);
	s->again_ms = START_AGAIN_MIN_MS;
	log_debug("start.ready");
	note(s, J_INFO, "the template's start command is ready", NULL);
	answer_all(s, 204, "");
}

static void
on_probed(void *ctx, int status)
{
	struct start *s = ctx;

	let_go(&s->probe, false);
	s->probe_status = status;
	if (status == 0) {
		is_ready(s);
		return;
	}
	loop_timer_start(s->d->loop, &s->look, s->look_ms);
	s->look_ms = s->look_ms * 2 < START_READY_MAX_MS ? s->look_ms * 2
							 : START_READY_MAX_MS;
}

static void
on_look(struct loop_timer *t)
{
	struct start *s = container_of(t, struct start, look);
	struct err e;

	s->probe = run(s, s->w.ready, "_ready", on_probed, &s->probe_said, &e);
	if (s->probe == NULL)
		failed(s, 500, e.msg);
}

static void
on_deadline(struct loop_timer *t)
{
	struct start *s = container_of(t, struct start, deadline);
	char text[START_TAIL_MAX + 256], how[48] = "did not end";

	if (s->probe == NULL)
		ended_how(s->probe_status, how);
	(void)snprintf(text, sizeof(text),
	    "the template's ready command %s: not ready within %llu ms%s%s\n",
	    how, (unsigned long long)s->w.within_ms,
	    s->probe_said.n > 0 ? ": " : "", s->probe_said.text);
	failed(s, 504, text);
}

/* --- the command ----------------------------------------------------------*/

static int
begin(struct start *s, struct err *e)
{
	s->since = mono_now();
	s->proc = run(s, s->w.cmd, "_start", on_reaped, &s->said, e);
	return s->proc != NULL ? 0 : -1;
}

static void
again_later(struct start *s)
{
	if (mono_ms(s->since, mono_now()) > START_CALM_MS)
		s->again_ms = START_AGAIN_MIN_MS;
	loop_timer_start(s->d->loop, &s->again, s->again_ms);
	s->again_ms = s->again_ms * 2 < START_AGAIN_MAX_MS ? s->again_ms * 2
							   : START_AGAIN_MAX_MS;
}

static void
on_again(struct loop_timer *t)
{
	struct start *s = container_of(t, struct start, again);
	struct err e;

	if (begin(s, &e) == 0)
		return;
	log_warn("start.again error=\"%s\"", e.msg);
	again_later(s);
}

/*
 * Before it is ready, an end is a failure, unless it is a good one: then it
 * was there to set something up, and is not started again.
 */
static void
on_reaped(void *ctx, int status)
{
	struct start *s = ctx;
	char text[START_TAIL_MAX + 128], how[48];

	ended_how(status, how);
	let_go(&s->proc, false);
	if (status == 0 && (s->state == STARTING || s->w.ready[0] == '\0'))
		s->done = true;
	if (s->done)
		return;
	if (s->state == STARTING) {
		(void)snprintf(text, sizeof(text),
		    "the template's start command %s%s%s\n", how,
		    s->said.n > 0 ? ": " : "", s->said.text);
		failed(s, 500, text);
		return;
	}
	note(s, J_WARN, "the template's start command ended", how);
	log_warn("start.ended how=\"%s\" again=%d said=\"%s\"", how,
	    s->w.restart, s->said.text);
	if (s->w.restart)
		again_later(s);
}

static void
start(struct start *s)
{
	struct err e;

	s->state = STARTING;
	s->done = false;
	s->look_ms = START_READY_MIN_MS;
	s->again_ms = START_AGAIN_MIN_MS;
	s->probe_status = 0;
	loop_timer_stop(&s->again);
	if (s->w.cmd[0] != '\0' && begin(s, &e) < 0) {
		failed(s, 500, e.msg);
	} else if (s->w.ready[0] == '\0') {
		is_ready(s);
	} else {
		loop_timer_start(s->d->loop, &s->deadline, s->w.within_ms);
		on_look(&s->look);
	}
}

/* --- the request ----------------------------------------------------------*/

static int
take_wish(json_t *o, struct wish *w, struct err *e)
{
	*w = (struct wish){ .body = o,
		.cmd = "",
		.ready = "",
		.user = "root",
		.cwd = "",
		.within_ms = START_WITHIN_MS,
		.restart = true };
	if (field_text(o, "cmd", NULL, &w->cmd, e) < 0 ||
	    field_text(o, "ready", NULL, &w->ready, e) < 0 ||
	    field_text(o, "user", NULL, &w->user, e) < 0 ||
	    field_text(o, "cwd", NULL, &w->cwd, e) < 0 ||
	    field_uint(o, "timeoutMs", NULL, START_WITHIN_MAX_MS, &w->within_ms,
		e) < 0 ||
	    field_bool(o, "restart", NULL, &w->restart, e) < 0)
		return -1;
	if (w->cmd[0] == '\0' && w->ready[0] == '\0')
		return err_set(
		    e, ERR_INVALID, "neither \"cmd\" nor \"ready\" is given");
	return 0;
}

static struct start *
ours(struct envd *d)
{
	struct start *s = d->start;

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->d = d;
	s->deadline.on_time = on_deadline;
	s->look.on_time = on_look;
	s->again.on_time = on_again;
	d->start = s;
	return s;
}

/* Takes o. */
static void
asked(struct http_req *r, struct start *s, json_t *o)
{
	struct wish w;
	struct err e;

	if (take_wish(o, &w, &e) < 0) {
		json_decref(o);
		answer(r, 400, e.msg);
	} else if (s->state != NOTHING && !json_equal(o, s->w.body)) {
		json_decref(o);
		answer(r, 409, "another command was started already\n");
	} else if (s->state != NOTHING) {
		json_decref(o);
		if (s->state == READY)
			answer(r, 204, "");
		else
			wait_for_it(s, r);
	} else {
		json_decref(s->w.body);
		s->w = w;
		wait_for_it(s, r);
		start(s);
	}
}

static void
on_body(struct http_req *r, const char *body, size_t n)
{
	struct start *s = ours(http_req_server_ctx(r));
	json_error_t je;
	json_t *o;

	if (body == NULL) {
		answer(r, 413, "the body is too long\n");
		return;
	}
	if (s == NULL) {
		answer(r, 500, "no memory\n");
		return;
	}
	o = json_loadb(body, n, 0, &je);
	if (!json_is_object(o)) {
		json_decref(o);
		answer(r, 400, "the body is not a JSON object\n");
		return;
	}
	asked(r, s, o);
}

void
rest_start(struct http_req *r, struct envd *d)
{
	if (!from_control(r, d)) {
		answer(r, 401, "unauthorized\n");
		return;
	}
	http_req_collect(r, START_BODY_MAX, on_body);
}
