/* Contexts: which there are, and what becomes of their kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/own.h"
#include "code/code.h"
#include "code/ctx_int.h"
#include "io/log.h"

enum {
	STARTS_MAX = 3, /* in vain, before those who wait are told */
	LIVES_MAX = 6,	/* short ones in a row, before it stays down */
	SHORT_LIFE_MS = 10000,
	FIRST_PAUSE_MS = 100, /* doubled each time */
};

/* A request that is answered when the kernel is ready. */
struct wait {
	struct wait *next;
	struct ctx *ctx; /* NULL: answered */
	struct http_req *r;
	bool created; /* its answer is the context, not null */
};

/* --- the list -------------------------------------------------------------*/

static int
make_id(char to[CODE_ID_TEXT], struct err *e)
{
	unsigned char r[16];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_sys(e, "random bytes");
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	(void)snprintf(to, CODE_ID_TEXT,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10],
	    r[11], r[12], r[13], r[14], r[15]);
	return 0;
}

static int
check_cwd(const char *cwd, struct err *e)
{
	struct stat st;

	if (stat(cwd, &st) < 0)
		return err_sys(e, "cwd '%.150s'", cwd);
	if (!S_ISDIR(st.st_mode))
		return err_set(
		    e, ERR_INVALID, "cwd '%.150s' is not a directory", cwd);
	return 0;
}

/* Says what is missing; 0 if nothing is.  spec: only its packages are left. */
static int
check_kernel(const struct code *c, const char *language,
    const struct lang *lang, char packages[SPEC_PACKAGES], struct err *e)
{
	struct spec spec;
	struct err why;
	int rc = spec_read(&spec, c->kernels.dirs,
	    lang != NULL ? lang->kernel : language, &why);

	memcpy(packages, spec.packages, SPEC_PACKAGES);
	if (packages[0] == '\0' && lang != NULL)
		(void)snprintf(packages, SPEC_PACKAGES, "%s", lang->packages);
	if (rc == 0) {
		spec_free(&spec);
		return 0;
	}
	if (packages[0] == '\0')
		return err_set(e, ERR_NOTFOUND,
		    "language \"%s\" is not known: %.120s", language, why.msg);
	return err_set(e, ERR_NOTFOUND,
	    "language \"%s\" is not installed in this sandbox; it needs "
	    "Debian's %s",
	    language, packages);
}

static void on_again(struct loop_timer *t);

struct ctx *
ctx_new(struct code *c, const char *language, const char *cwd, bool is_default,
    struct err *e)
{
	const struct lang *lang = lang_find(language);
	char packages[SPEC_PACKAGES];
	struct ctx *x;

	if (c->nctx >= CODE_CONTEXTS_MAX) {
		err_set(
		    e, ERR_LIMIT, "there are %zu contexts already", c->nctx);
		return NULL;
	}
	if (check_kernel(c, language, lang, packages, e) < 0 ||
	    check_cwd(cwd, e) < 0)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (x == NULL || (x->cwd = strdup(cwd)) == NULL ||
	    make_id(x->id, e) < 0) {
		err_set(e, ERR_SYS, "no memory for a context");
		free(x);
		return NULL;
	}
	(void)snprintf(x->language, sizeof(x->language), "%s", language);
	memcpy(x->packages, packages, sizeof(packages));
	x->code = c;
	x->lang = lang;
	x->is_default = is_default;
	x->again.on_time = on_again;
	run_init(x);
	x->prev = c->last;
	*(c->last != NULL ? &c->last->next : &c->first) = x;
	c->last = x;
	c->nctx++;
	return x;
}

struct ctx *
ctx_find(struct code *c, const char *id)
{
	struct ctx *x;

	if (strcmp(id, "default") == 0)
		id = "";
	for (x = c->first; x != NULL; x = x->next)
		if (*id == '\0'
			? x->is_default && strcmp(x->language, "python") == 0
			: strcmp(x->id, id) == 0)
			return x;
	return NULL;
}

struct ctx *
ctx_default(struct code *c, const char *language, struct err *e)
{
	for (struct ctx *x = c->first; x != NULL; x = x->next)
		if (x->is_default && strcmp(x->language, language) == 0)
			return x;
	return ctx_new(c, language, c->home, true, e);
}

int
ctx_put(struct buf *b, const struct ctx *c)
{
	if (buf_printf(b, "{\"id\":\"%s\",\"language\":", c->id) < 0 ||
	    jv_put_text(b, c->language, strlen(c->language)) < 0 ||
	    buf_puts(b, ",\"cwd\":") < 0 ||
	    jv_put_text(b, c->cwd, strlen(c->cwd)) < 0)
		return -1;
	return buf_puts(b, "}");
}

void
ctx_list(struct ctx *c)
{
	c->listed = true;
}

bool
ctx_listed(const struct ctx *c)
{
	return c->listed;
}

struct ctx *
ctx_next(const struct ctx *c)
{
	return c->next;
}

/* --- who waits for a kernel -----------------------------------------------*/

static void
on_wait_gone(struct http_req *r)
{
	struct wait *w = http_req_data(r), **at;

	/* The context stays: others may know it by now. */
	if (w->ctx != NULL) {
		at = &w->ctx->waits;
		while (*at != NULL && *at != w)
			at = &(*at)->next;
		if (*at == w)
			*at = w->next;
	}
	free(w);
}

void
ctx_wait(struct ctx *c, struct http_req *r, bool created)
{
	struct wait *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		reply_text(r, 500, "no memory");
		return;
	}
	*w = (struct wait){ c->waits, c, r, created };
	c->waits = w;
	http_req_set_data(r, w);
	http_req_on_gone(r, on_wait_gone);
}

static struct wait *
take_wait(struct ctx *c)
{
	struct wait *w = c->waits;

	if (w != NULL) {
		c->waits = w->next;
		w->ctx = NULL;
	}
	return w;
}

static void
answer_waits(struct ctx *c)
{
	struct wait *w;
	struct buf b;

	buf_init(&b, 64 * 1024);
	while ((w = take_wait(c)) != NULL) {
		int rc;

		buf_reset(&b);
		rc = w->created ? ctx_put(&b, c) : buf_puts(&b, "null");
		if (rc == 0)
			reply_json(w->r, 200, &b);
		else
			reply_text(w->r, 500, "no memory");
	}
	buf_fini(&b);
}

static void
refuse_waits(struct ctx *c, const char *why)
{
	struct wait *w;

	while ((w = take_wait(c)) != NULL)
		reply_text(w->r, 500, why);
}

/* --- kernels --------------------------------------------------------------*/

static void
serve(struct code *c)
{
	void (*on_ready)(struct code *) = c->on_ready;

	c->on_ready = NULL;
	if (on_ready != NULL)
		on_ready(c);
}

void
ctx_is_ready(struct ctx *c)
{
	struct exec *x, *next;

	log_debug("code.ready context=%s language=%s ms=%llu", c->id,
	    c->language, (unsigned long long)mono_ms(c->started, mono_now()));
	c->listed = true;
	answer_waits(c);
	/* Who has left meanwhile leaves the queue here. */
	for (x = c->queue; x != NULL; x = next) {
		next = x->next;
		stream_begin(&x->stream);
	}
	serve(c->code);
	run_next(c);
}

/*
 * It will not come up; who waits is told, and the next one tries again.  c
 * may be gone then.
 */
static void
give_up(struct ctx *c, const char *why)
{
	log_error("code.kernel context=%s language=%s error=\"%s\"", c->id,
	    c->language, why);
	c->fails = 0;
	run_cancel(c, "ContextRestarting", why);
	run_refuse_all(c, "ContextRestarting", why);
	refuse_waits(c, why);
	serve(c->code);
	/* Nobody has heard of it. */
	if (!c->listed && !c->is_default)
		ctx_delete(c);
}

static void
start_in(struct ctx *c, const char *cwd)
{
	struct err e;

	loop_timer_stop(&c->again);
	c->started = mono_now();
	c->step = STEP_START;
	c->kernel = kernel_start(&c->code->kernels,
	    c->lang != NULL ? c->lang->kernel : c->language, cwd,
	    &ctx_kernel_owner, c, &e);
	if (c->kernel == NULL)
		give_up(c, e.msg);
}

/* As after a restart: where all begin. */
static void
on_again(struct loop_timer *t)
{
	struct ctx *c = container_of(t, struct ctx, again);

	start_in(c, c->listed ? c->code->home : c->cwd);
}

void
ctx_start(struct ctx *c)
{
	if (c->step == STEP_OFF && !c->again.active)
		start_in(c, c->cwd);
}

static void
forget_vars(struct ctx *c)
{
	varlist_free(&c->globals);
	c->globals_known = c->globals_set = false;
}

static void
drop_kernel(struct ctx *c)
{
	struct kernel *k = c->kernel;

	loop_timer_stop(&c->again);
	c->kernel = NULL;
	if (k != NULL)
		kernel_free(k);
	forget_vars(c);
}

static const char *
name_of(enum kernel_end how)
{
	switch (how) {
	case KERNEL_CUT:
		return "WebSocketError";
	case KERNEL_DIED:
	case KERNEL_STUCK:
		break;
	}
	return "ContextRestarting";
}

static const char *
text_of(enum kernel_end how)
{
	switch (how) {
	case KERNEL_CUT:
		return "The connection to the kernel was lost";
	case KERNEL_DIED:
	case KERNEL_STUCK:
		break;
	}
	return "Context was restarted";
}

void
ctx_lost_kernel(struct ctx *c, enum kernel_end how)
{
	bool was_ready = c->step != STEP_START && c->step != STEP_WARM;
	uint64_t pause = FIRST_PAUSE_MS;

	drop_kernel(c);
	if (was_ready && mono_ms(c->started, mono_now()) > SHORT_LIFE_MS)
		c->fails = 0;
	c->fails++;
	run_cancel(c, name_of(how), text_of(how));
	if (how == KERNEL_STUCK || (!was_ready && c->fails >= STARTS_MAX)) {
		char why[320];

		(void)snprintf(why, sizeof(why), "The kernel for %s %s%s%s",
		    c->language,
		    how == KERNEL_STUCK ? "did not start in time"
					: "ends as soon as it starts",
		    c->packages[0] != '\0' ? "; it needs Debian's " : "",
		    c->packages);
		give_up(c, why);
		return;
	}
	if (c->fails >= LIVES_MAX && c->queue == NULL && c->waits == NULL) {
		c->fails = 0;
		return; /* until somebody wants it */
	}
	for (unsigned i = 1; i < c->fails && i < 6; i++)
		pause *= 2;
	loop_timer_start(c->code->loop, &c->again, c->fails == 1 ? 0 : pause);
}

/* --- requests -------------------------------------------------------------*/

static bool
takes_executions(const struct ctx *c)
{
	return c->step >= STEP_IDLE;
}

void
ctx_add(struct ctx *c, struct exec *x)
{
	struct exec **at = &c->queue;

	x->ctx = c;
	while (*at != NULL)
		at = &(*at)->next;
	*at = x;
	if (takes_executions(c)) {
		stream_begin(&x->stream);
		run_next(c);
	} else
		ctx_start(c);
}

void
ctx_restart(struct ctx *c)
{
	drop_kernel(c);
	c->fails = 0;
	run_cancel(c, "ContextRestarting", "Context was restarted");
	start_in(c, c->code->home);
}

void
ctx_delete(struct ctx *c)
{
	static const char gone[] =
	    "Connection to the execution was closed before the execution was "
	    "finished";
	struct code *all = c->code;

	drop_kernel(c);
	run_cancel(c, "UnexpectedEndOfExecution", gone);
	run_refuse_all(c, "UnexpectedEndOfExecution", gone);
	refuse_waits(c, "the context was removed");
	*(c->prev != NULL ? &c->prev->next : &all->first) = c->next;
	*(c->next != NULL ? &c->next->prev : &all->last) = c->prev;
	all->nctx--;
	free(c->cwd);
	free(c);
}
