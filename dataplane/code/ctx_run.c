/*
 * What a context's kernel does, one thing after the other:
 *
 *   START, WARM, IDLE, then for each execution
 *   [FETCH,] [SET,] RUN, [RESTORE,] IDLE
 *
 * SET and RESTORE are executions of our own, silent and not counted, so that
 * line numbers in the user's tracebacks are the user's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "code/code.h"
#include "code/ctx_int.h"
#include "code/event.h"
#include "io/log.h"

enum {
	/* A kernel that has answered, but whose "idle" was lost. */
	SETTLE_MS = 3000,
	/* An interrupt may come too early, or be caught. */
	NAG_MS = 1000,
	SNIPPET_MAX = 32 * 1024 * 1024,
};

static void run_user_code(struct ctx *c);

static void
clear_request(struct ctx *c)
{
	c->request[0] = '\0';
	c->accepted = c->idle = c->replied = c->aborted = false;
	loop_timer_stop(&c->settle);
}

/* --- executions of our own
 * ----------------------------------------------------*/

/* -1: the kernel does not take it. */
static int
send_ours(
    struct ctx *c, enum ctx_step step, enum msg_how how, const struct buf *code)
{
	struct buf json;
	int rc = -1;

	buf_init(&json, SNIPPET_MAX);
	clear_request(c);
	c->step = step;
	if (jv_put_text(&json, code->data, code->len) == 0)
		rc = kernel_execute(c->kernel,
		    (struct jv){ json.data, json.len }, how, c->request);
	buf_fini(&json);
	return rc;
}

static int
put_vars(struct buf *b, const struct lang *lang, const struct varlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (lang->put_var(b, l->v[i].name, l->v[i].value) < 0)
			return -1;
	return 0;
}

/* What the kernel was started with; a first execution need not set it. */
static bool
has_already(const struct ctx *c, const struct var *v)
{
	const char *born = kernel_getenv(c->kernel, v->name);

	return born != NULL && v->value != NULL && strcmp(born, v->value) == 0;
}

static int
put_globals(struct buf *b, const struct ctx *c)
{
	for (size_t i = 0; i < c->globals.n; i++) {
		const struct var *v = &c->globals.v[i];

		if ((c->lang->properties || !has_already(c, v)) &&
		    c->lang->put_var(b, v->name, v->value) < 0)
			return -1;
	}
	return 0;
}

/* 0: there is nothing to do.  1: the kernel does it. */
static int
send_vars(
    struct ctx *c, enum ctx_step step, bool globals, const struct varlist *vars)
{
	struct buf code;
	int rc = 0;

	buf_init(&code, SNIPPET_MAX / 4);
	if (c->lang != NULL && (!globals || put_globals(&code, c) == 0) &&
	    put_vars(&code, c->lang, vars) == 0 && code.len > 0)
		rc = send_ours(c, step, MSG_SILENT, &code) == 0;
	buf_fini(&code);
	return rc;
}

/* --- the end of an execution ----------------------------------------------*/

static void
go_idle(struct ctx *c)
{
	clear_request(c);
	c->step = STEP_IDLE;
	run_next(c);
}

/* What the last execution's variables were before it. */
static void
note_undo(struct ctx *c, const struct varlist *vars)
{
	varlist_free(&c->undo);
	for (size_t i = 0; i < vars->n; i++) {
		const char *name = vars->v[i].name;
		const struct var *global = varlist_get(&c->globals, name);
		const char *was = global != NULL ? global->value : NULL;

		/* PATH, say, must not be missing from then on. */
		if (was == NULL && c->lang != NULL && !c->lang->properties)
			was = kernel_getenv(c->kernel, name);
		(void)varlist_set(&c->undo, name, was);
	}
}

static struct exec *
let_go(struct ctx *c)
{
	struct exec *x = c->current;

	loop_timer_stop(&c->nag);
	http_call_cancel(&c->call);
	c->current = NULL;
	c->interrupting = false;
	return x;
}

/* The kernel is done with the current one; name, value: an error, or NULL. */
static void
end_run(struct ctx *c, const char *name, const char *value)
{
	struct exec *x = let_go(c);

	kernel_hold(c->kernel, false);
	note_undo(c, &x->vars);
	if (send_vars(c, STEP_RESTORE, false, &c->undo) == 0) {
		clear_request(c);
		c->step = STEP_IDLE;
	}
	exec_finish(x, name, value);
	run_next(c);
}

void
run_cancel(struct ctx *c, const char *name, const char *value)
{
	struct exec *x = let_go(c);

	clear_request(c);
	varlist_free(&c->undo);
	c->globals_set = false;
	c->step = STEP_OFF;
	if (x != NULL)
		exec_finish(x, name, value);
}

void
run_refuse_all(struct ctx *c, const char *name, const char *value)
{
	while (c->queue != NULL) {
		struct exec *x = c->queue;

		c->queue = x->next;
		exec_finish(x, name, value);
	}
}

/* --- interrupts -----------------------------------------------------------*/

static void
interrupt(struct ctx *c)
{
	kernel_interrupt(c->kernel);
	loop_timer_start(c->code->loop, &c->nag, NAG_MS);
}

static void
on_nag(struct loop_timer *t)
{
	struct ctx *c = container_of(t, struct ctx, nag);

	if (c->kernel != NULL && c->interrupting)
		interrupt(c);
}

static void
leave_queue(struct ctx *c, const struct exec *x)
{
	struct exec **at = &c->queue;

	for (; *at != NULL; at = &(*at)->next)
		if (*at == x) {
			*at = x->next;
			return;
		}
}

void
ctx_left(struct ctx *c, struct exec *x)
{
	if (c->current != x) {
		leave_queue(c, x);
		exec_free(x);
		return;
	}
	if (c->step != STEP_RUN)
		return; /* it ends before its code is run */
	/* What nobody reads must not keep the kernel from its end. */
	kernel_hold(c->kernel, false);
	c->interrupting = true;
	/* Before the kernel has begun, it would take no notice. */
	if (c->accepted)
		interrupt(c);
}

void
ctx_room(struct ctx *c, struct exec *x)
{
	if (c->current == x && c->step == STEP_RUN)
		kernel_hold(c->kernel, false);
}

/* --- the beginning of an execution ----------------------------------------*/

static void
run_user_code(struct ctx *c)
{
	struct exec *x = c->current;

	if (x->stream.r == NULL) {
		end_run(c, NULL, NULL); /* nobody waits for it any more */
		return;
	}
	clear_request(c);
	c->step = STEP_RUN;
	if (kernel_execute(c->kernel, (struct jv){ x->code, x->ncode },
		MSG_COUNTED, c->request) < 0)
		end_run(c, "WebSocketError",
		    "The execution request could not be sent");
}

static void
set_vars(struct ctx *c)
{
	bool globals = !c->globals_set;

	c->globals_set = true;
	if (send_vars(c, STEP_SET, globals, &c->current->vars) == 0)
		run_user_code(c);
}

static void
on_envs(struct http_call *call, int status, const char *body, size_t n,
    const struct err *e)
{
	struct ctx *c = container_of(call, struct ctx, call);
	struct jv all;

	if (status == 200 && jv_parse(body, n, &all, NULL) == 0 &&
	    jv_type(all) == JV_OBJECT) {
		varlist_free(&c->globals);
		(void)varlist_from(&c->globals, all, NULL);
		c->globals_known = true;
		c->globals_set = false;
	} else
		log_debug("code.envs status=%d error=\"%s\"", status,
		    e != NULL ? e->msg : "");
	set_vars(c);
}

/* -1: there is nobody to ask, or no need. */
static int
fetch_envs(struct ctx *c)
{
	const struct exec *x = c->current;
	char header[4200] = "";
	struct err e;
	int fd;

	if (c->globals_known || c->lang == NULL || c->code->envd_port == 0)
		return -1;
	if (x->token != NULL && strlen(x->token) < 4096)
		(void)snprintf(
		    header, sizeof(header), "X-Access-Token: %s\r\n", x->token);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	c->step = STEP_FETCH;
	c->call.on_done = on_envs;
	if (http_call_start(c->code->loop, &c->call, fd, c->code->envd_port,
		"GET", "/envs", header, NULL, 0, CODE_ENVS_MAX, CODE_ENVS_MS,
		&e) == 0)
		return 0;
	log_debug("code.envs error=\"%s\"", e.msg);
	return -1;
}

void
run_next(struct ctx *c)
{
	if (c->step != STEP_IDLE || c->queue == NULL)
		return;
	c->current = c->queue;
	c->queue = c->current->next;
	c->current->next = NULL;
	c->interrupting = false;
	if (fetch_envs(c) < 0)
		set_vars(c);
}

void
run_begin(struct ctx *c)
{
	struct buf code;
	int rc = -1;

	if (c->lang != NULL && c->lang->warm != NULL) {
		buf_init(&code, 64 * 1024);
		if (buf_puts(&code, c->lang->warm) == 0)
			rc = send_ours(c, STEP_WARM, MSG_UNCOUNTED, &code);
		buf_fini(&code);
	}
	if (rc == 0)
		return;
	c->step = STEP_IDLE;
	ctx_is_ready(c);
}

/* --- what the kernel says -------------------------------------------------*/

static void
step_done(struct ctx *c)
{
	switch (c->step) {
	case STEP_WARM:
		clear_request(c);
		c->step = STEP_IDLE;
		ctx_is_ready(c);
		break;
	case STEP_SET:
		run_user_code(c);
		break;
	case STEP_RUN:
		if (c->aborted)
			end_run(
			    c, "ExecutionAborted", "The execution was aborted");
		else
			end_run(c, NULL, NULL);
		break;
	case STEP_RESTORE:
		go_idle(c);
		break;
	case STEP_OFF:
	case STEP_START:
	case STEP_IDLE:
	case STEP_FETCH:
		break;
	}
}

static void
tell_client(struct ctx *c, const struct msg *m)
{
	struct stream *s = &c->current->stream;

	if (s->r == NULL)
		return;
	if (event_put(&s->out, m) < 0)
		log_warn("code.event error=\"no room for it\"");
	stream_send(s);
	/* It may have found that the client is gone. */
	if (c->current != NULL && &c->current->stream == s && s->full)
		kernel_hold(c->kernel, true);
}

static void
note(struct ctx *c, const struct msg *m)
{
	if (m->type == MSG_STATUS)
		c->idle |= jv_is(jv_get(m->content, "execution_state"), "idle");
	else if (m->type == MSG_REPLY) {
		c->replied = true;
		c->aborted = jv_is(jv_get(m->content, "status"), "aborted");
		if (!c->idle)
			loop_timer_start(c->code->loop, &c->settle, SETTLE_MS);
	} else if (m->type == MSG_INPUT && !c->accepted) {
		c->accepted = true;
		if (c->interrupting)
			interrupt(c);
	}
}

static void
on_msg(struct kernel *k, const struct msg *m)
{
	struct ctx *c = kernel_data(k);
	bool ours = c->request[0] != '\0' && jv_is(m->id, c->request);

	/* What a thread of an earlier cell still prints is nobody's. */
	if (!ours)
		return;
	note(c, m);
	if (c->step == STEP_RUN)
		tell_client(c, m);
	if (!c->idle)
		return;
	if (c->step != STEP_RUN || c->accepted || c->replied)
		step_done(c);
}

static void
on_settle(struct loop_timer *t)
{
	struct ctx *c = container_of(t, struct ctx, settle);

	if (c->current != NULL && c->current->stream.full) {
		loop_timer_start(c->code->loop, t, SETTLE_MS);
		return;
	}
	log_warn("code.settle context=%s", c->id);
	step_done(c);
}

static void
on_skipped(struct kernel *k, uint64_t bytes)
{
	struct ctx *c = kernel_data(k);
	char text[160];

	log_warn("code.skipped context=%s bytes=%llu", c->id,
	    (unsigned long long)bytes);
	if (c->step != STEP_RUN || c->current->stream.r == NULL)
		return;
	(void)snprintf(text, sizeof(text),
	    "[an output of %llu bytes was left out: the limit is %d MiB]\n",
	    (unsigned long long)bytes, KERNEL_MSG_MAX >> 20);
	(void)event_put_stderr(&c->current->stream.out, text);
	stream_send(&c->current->stream);
}

static void
on_kernel_ready(struct kernel *k)
{
	run_begin(kernel_data(k));
}

static void
on_kernel_end(struct kernel *k, enum kernel_end how)
{
	ctx_lost_kernel(kernel_data(k), how);
}

const struct kernel_owner ctx_kernel_owner = {
	.on_ready = on_kernel_ready,
	.on_msg = on_msg,
	.on_skipped = on_skipped,
	.on_end = on_kernel_end,
};

void
run_init(struct ctx *c)
{
	c->nag.on_time = on_nag;
	c->settle.on_time = on_settle;
	c->step = STEP_OFF;
}
