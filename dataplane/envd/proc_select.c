/* Everything that names a process and does something to it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/own.h"
#include "envd/proc_int.h"
#include "envd/text.h"

struct selector {
	pid_t pid;	 /* -1: none that there can be */
	uint32_t asked;	 /* the same, as it came */
	const char *tag; /* NULL: by pid */
};

/* -1: the rpc has failed. */
static int
selector(struct rpc *c, const json_t *in, struct selector *out)
{
	static const char *const members[] = { "pid", "tag" };
	const json_t *sel = NULL;
	const char *tag = NULL;
	uint64_t pid = 0;
	struct err e;
	int has_pid, has_tag;

	*out = (struct selector){ 0 };
	if (field_object(in, "process", NULL, &sel, &e) < 0 ||
	    field_one_of(sel, members, countof(members), &e) < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	has_pid = field_uint(sel, "pid", NULL, UINT32_MAX, &pid, &e);
	has_tag = has_pid < 0 ? -1 : field_text(sel, "tag", NULL, &tag, &e);
	if (has_pid < 0 || has_tag < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	if (!has_pid && !has_tag) {
		rpc_fail(c, RPC_UNIMPLEMENTED, "invalid process selector");
		return -1;
	}
	out->pid = pid <= INT32_MAX ? (pid_t)pid : -1;
	out->asked = (uint32_t)pid;
	out->tag = tag;
	return 0;
}

static void
not_found(struct rpc *c, const struct selector *s)
{
	if (s->tag != NULL)
		rpc_fail(c, RPC_NOT_FOUND, "process with tag %.200s not found",
		    s->tag);
	else
		rpc_fail(c, RPC_NOT_FOUND, "process with pid %u not found",
		    s->asked);
}

static struct proc *
find(struct rpc *c, const struct selector *s)
{
	return s->tag != NULL ? proc_by_tag(c->d->procs, s->tag)
			      : proc_by_pid(c->d->procs, s->pid);
}

struct proc *
proc_selected(struct rpc *c, const json_t *in)
{
	struct selector s;
	struct proc *p;

	if (selector(c, in, &s) < 0)
		return NULL;
	p = find(c, &s);
	if (p == NULL)
		not_found(c, &s);
	return p;
}

/* --- Connect --------------------------------------------------------------*/

/* Too late for the output, in time for the end. */
static void
tell_ended(struct rpc *c, const struct ended *x)
{
	sub_start_event(c, x->pid);
	(void)rpc_send(c, x->event, strlen(x->event));
	rpc_end(c);
}

void
proc_connect(struct rpc *c, const json_t *in)
{
	struct selector s;
	const struct ended *x;
	struct proc *p;

	if (selector(c, in, &s) < 0)
		return;
	p = find(c, &s);
	if (p != NULL) {
		if (sub_new(p, c) == NULL) {
			rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
			return;
		}
		sub_start_event(c, p->pid);
		return;
	}
	x = ended_find(c->d->procs, s.pid, s.tag);
	if (x != NULL)
		tell_ended(c, x);
	else
		not_found(c, &s);
}

/* --- List -----------------------------------------------------------------*/

static int
put_process(struct buf *b, const struct proc *p)
{
	int rc =
	    buf_printf(b, "{\"config\":%s,\"pid\":%d", p->config, (int)p->pid);

	if (rc == 0 && p->tag != NULL) {
		rc = buf_puts(b, ",\"tag\":");
		if (rc == 0)
			rc = json_put(b, p->tag);
	}
	return rc == 0 ? buf_puts(b, "}") : rc;
}

void
proc_list(struct rpc *c, const json_t *in)
{
	struct buf b;
	int rc;

	(void)in;
	if (c->d->procs->first == NULL) {
		rpc_reply(c, "{}", 2);
		return;
	}
	buf_init(&b, ENVD_LISTING_MAX);
	rc = buf_puts(&b, "{\"processes\":[");
	for (const struct proc *p = c->d->procs->first; p != NULL && rc == 0;
	     p = p->next) {
		rc = put_process(&b, p);
		if (rc == 0 && p->next != NULL)
			rc = buf_puts(&b, ",");
	}
	if (rc == 0)
		rc = buf_puts(&b, "]}");
	if (rc == 0)
		rpc_reply(c, b.data, b.len);
	else
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "the list is too long");
	buf_fini(&b);
}

/* --- Update ---------------------------------------------------------------*/

static int
window_size(const json_t *in, struct winsize *ws, bool *given, struct err *e)
{
	const json_t *pty = NULL, *size = NULL;
	uint64_t cols = 0, rows = 0;
	int rc = field_object(in, "pty", NULL, &pty, e);

	*given = rc > 0;
	if (rc <= 0)
		return rc;
	if (field_object(pty, "size", NULL, &size, e) < 0 ||
	    field_uint(size, "cols", NULL, UINT32_MAX, &cols, e) < 0 ||
	    field_uint(size, "rows", NULL, UINT32_MAX, &rows, e) < 0)
		return -1;
	ws->ws_col = (unsigned short)cols;
	ws->ws_row = (unsigned short)rows;
	return 0;
}

void
proc_update(struct rpc *c, const json_t *in)
{
	struct proc *p = proc_selected(c, in);
	struct winsize ws = { 0 };
	bool given;
	struct err e;

	if (p == NULL)
		return;
	if (window_size(in, &ws, &given, &e) < 0)
		rpc_fail_err(c, &e);
	else if (!given)
		rpc_reply(c, "{}", 2);
	else if (!p->pty)
		rpc_fail(c, RPC_INTERNAL,
		    "error resizing tty: tty not assigned to process");
	else if (ioctl(p->in.fd, TIOCSWINSZ, &ws) < 0)
		rpc_fail(
		    c, RPC_INTERNAL, "error resizing tty: %s", strerror(errno));
	else
		rpc_reply(c, "{}", 2);
}

/* --- SendSignal -----------------------------------------------------------*/

/* -1 of a wrong type, 0 what we do not send. */
static int
signal_of(const json_t *in)
{
	const json_t *v = field(in, "signal", NULL);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;

	if (v != NULL && !json_is_string(v) && !json_is_integer(v))
		return -1;
	if (json_is_string(v)) {
		const char *s = json_string_value(v);

		n = strcmp(s, "SIGNAL_SIGKILL") == 0   ? SIGKILL
		    : strcmp(s, "SIGNAL_SIGTERM") == 0 ? SIGTERM
						       : 0;
	}
	return n == SIGKILL || n == SIGTERM ? (int)n : 0;
}

void
proc_send_signal(struct rpc *c, const json_t *in)
{
	struct proc *p = proc_selected(c, in);
	int sig = signal_of(in);

	if (p == NULL)
		return;
	if (sig < 0)
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "field \"signal\" is not a signal");
	else if (sig == 0)
		rpc_fail(c, RPC_UNIMPLEMENTED,
		    "invalid signal: only "
		    "SIGNAL_SIGKILL and "
		    "SIGNAL_SIGTERM are sent");
	else if (!p->reaped && kill(p->pid, sig) < 0)
		rpc_fail(c, RPC_INTERNAL, "error sending signal: %s",
		    strerror(errno));
	else {
		p->cut = true;
		rpc_reply(c, "{}", 2);
		/* It has ended already, and somebody holds its output. */
		proc_maybe_end(p);
	}
}

/* --- input ----------------------------------------------------------------*/

static void
feeder_gone(struct rpc *c)
{
	struct feeder *f = c->data;

	if (f->waiting != NULL)
		f->waiting->from = NULL;
	free(f);
}

static struct feeder *
feeder_of(struct rpc *c)
{
	struct feeder *f = c->data;

	if (f != NULL)
		return f;
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		rpc_fail(c, RPC_RESOURCE_EXHAUSTED, "no memory");
		return NULL;
	}
	f->c = c;
	c->data = f;
	c->on_gone = feeder_gone;
	return f;
}

/* 1: bytes are there.  -1: the rpc has failed. */
static int
input_bytes(struct rpc *c, const json_t *in, const struct proc *p, char **out,
    size_t *n)
{
	static const char *const members[] = { "stdin", "pty" };
	const json_t *input = NULL;
	struct err e;
	bool pty = false;
	int rc = field_object(in, "input", NULL, &input, &e);

	if (rc >= 0)
		rc = field_one_of(input, members, countof(members), &e);
	if (rc >= 0)
		rc = field_bytes(input, "stdin", out, n, &e);
	if (rc == 0) {
		pty = true;
		rc = field_bytes(input, "pty", out, n, &e);
	}
	if (rc < 0) {
		rpc_fail_err(c, &e);
		return -1;
	}
	if (rc == 0) {
		rpc_fail(c, RPC_UNIMPLEMENTED, "invalid input type");
		return -1;
	}
	if (pty == p->pty)
		return 1;
	free(*out);
	rpc_fail(c, RPC_INTERNAL,
	    pty ? "error writing to tty: tty not assigned to process"
		: "error writing to stdin: tty assigned to process");
	return -1;
}

void
proc_send_input(struct rpc *c, const json_t *in)
{
	struct proc *p = proc_selected(c, in);
	struct feeder *f;
	char *bytes;
	size_t n;

	if (p == NULL || input_bytes(c, in, p, &bytes, &n) < 0)
		return;
	f = feeder_of(c);
	if (f == NULL) {
		free(bytes);
		return;
	}
	if (proc_feed(p, f, bytes, n))
		proc_write(p);
}

static bool
stream_start(struct rpc *c, const json_t *start)
{
	struct proc *p = proc_selected(c, start);
	struct feeder *f;

	if (p == NULL)
		return false;
	f = feeder_of(c);
	if (f == NULL)
		return false;
	f->pid = p->pid;
	return true;
}

static bool
stream_data(struct rpc *c, const json_t *data)
{
	struct feeder *f = c->data;
	struct proc *p;
	char *bytes;
	size_t n;

	if (f == NULL) {
		rpc_fail(c, RPC_INVALID_ARGUMENT,
		    "input came before the start message");
		return false;
	}
	p = proc_by_pid(c->d->procs, f->pid);
	if (p == NULL) {
		rpc_fail(c, RPC_NOT_FOUND, "process with pid %d not found",
		    (int)f->pid);
		return false;
	}
	if (input_bytes(c, data, p, &bytes, &n) < 0 ||
	    !proc_feed(p, f, bytes, n))
		return false;
	rpc_pause(c); /* until it is written */
	return true;
}

bool
proc_stream_input(struct rpc *c, const json_t *in)
{
	static const char *const members[] = { "start", "data", "keepalive" };
	const json_t *start = NULL, *data = NULL;
	struct err e;
	int one;

	if (in == NULL) {
		rpc_reply(c, "{}", 2);
		return false;
	}
	one = field_one_of(in, members, countof(members), &e);
	if (one < 0 || field_object(in, "start", NULL, &start, &e) < 0 ||
	    field_object(in, "data", NULL, &data, &e) < 0) {
		rpc_fail_err(c, &e);
		return false;
	}
	if (start != NULL)
		return stream_start(c, start);
	if (data != NULL)
		return stream_data(c, data);
	if (one > 0)
		return true; /* keepalive */
	rpc_fail(c, RPC_UNIMPLEMENTED, "invalid event type");
	return false;
}

void
proc_close_stdin(struct rpc *c, const json_t *in)
{
	struct proc *p = proc_selected(c, in);

	if (p == NULL)
		return;
	if (p->pty) {
		rpc_fail(c, RPC_UNKNOWN,
		    "error closing stdin: cannot close stdin for PTY process, "
		    "send Ctrl+D (0x04) instead");
		return;
	}
	if (p->in.fd >= 0)
		proc_close_in(p);
	rpc_reply(c, "{}", 2);
}
