/* What goes into a process and comes out of it, and when that is over. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/journal.h"
#include "envd/proc_int.h"

/* --- out ------------------------------------------------------------------*/

static void
close_source(struct source *s)
{
	loop_io_stop(&s->io);
	drop_fd(&s->io.fd);
}

/* 1: something came.  0: nothing now.  -1: the end. */
static int
read_once(struct source *s)
{
	static char chunk[PROC_PIPE_CHUNK];
	/* With many listeners all of their queues are short. */
	size_t most = subs_share(s->p->all) / 2;
	ssize_t n = read(s->io.fd, chunk, s->chunk < most ? s->chunk : most);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A terminal whose other end is closed says EIO. */
	if (n <= 0) {
		close_source(s);
		return -1;
	}
	s->bytes += (uint64_t)n;
	if (s->p->on_said != NULL)
		s->p->on_said(s->p->said_ctx, s->kind, chunk, (size_t)n);
	subs_data(s->p, s->kind, chunk, (size_t)n);
	return 1;
}

static void
on_readable(struct loop_io *w, unsigned events)
{
	struct source *s = container_of(w, struct source, io);
	struct proc *p = s->p;

	(void)events;
	if (read_once(s) < 0) {
		proc_maybe_end(p);
		return;
	}
	/* Slow readers slow the process, as a pipe to them would. */
	if (subs_all_full(p))
		for (unsigned i = 0; i < countof(p->src); i++)
			loop_io_stop(&p->src[i].io);
}

void
proc_read_more(struct proc *p)
{
	for (unsigned i = 0; i < countof(p->src); i++)
		if (p->src[i].io.fd >= 0 && !subs_all_full(p))
			loop_io_set(p->all->d->loop, &p->src[i].io, LOOP_READ);
}

void
proc_drain(struct proc *p)
{
	for (unsigned i = 0; i < countof(p->src); i++)
		for (unsigned n = 0; n < PROC_DRAIN_READS; n++)
			if (p->src[i].io.fd < 0 || subs_all_full(p) ||
			    read_once(&p->src[i]) <= 0)
				break;
}

/* --- the end --------------------------------------------------------------*/

static const char *
signal_text(int sig, char to[32])
{
	static const char *const names[] = {
		[SIGHUP] = "hangup",
		[SIGINT] = "interrupt",
		[SIGQUIT] = "quit",
		[SIGILL] = "illegal instruction",
		[SIGTRAP] = "trace/breakpoint trap",
		[SIGABRT] = "aborted",
		[SIGBUS] = "bus error",
		[SIGFPE] = "floating point exception",
		[SIGKILL] = "killed",
		[SIGUSR1] = "user defined signal 1",
		[SIGSEGV] = "segmentation fault",
		[SIGUSR2] = "user defined signal 2",
		[SIGPIPE] = "broken pipe",
		[SIGALRM] = "alarm clock",
		[SIGTERM] = "terminated",
	};
	/* 0 has no name. */
	const size_t at = sig > 0 ? (size_t)sig : 0;

	if (at < countof(names) && names[at] != NULL)
		return names[at];
	(void)snprintf(to, 32, "signal %d", sig);
	return to;
}

static void
end_event(const struct proc *p, char *to, size_t cap)
{
	char name[32];
	int st = p->status;

	if (WIFSIGNALED(st)) {
		const char *core = WCOREDUMP(st) ? " (core dumped)" : "";
		const char *text = signal_text(WTERMSIG(st), name);

		(void)snprintf(to, cap,
		    "{\"event\":{\"end\":{\"exitCode\":-1,"
		    "\"status\":\"signal: %s%s\",\"error\":\"signal: %s%s\"}}}",
		    text, core, text, core);
	} else if (WEXITSTATUS(st) == 0)
		(void)snprintf(to, cap,
		    "{\"event\":{\"end\":{\"exited\":true,"
		    "\"status\":\"exit status 0\"}}}");
	else
		(void)snprintf(to, cap,
		    "{\"event\":{\"end\":{\"exitCode\":%d,\"exited\":true,"
		    "\"status\":\"exit status %d\","
		    "\"error\":\"exit status %d\"}}}",
		    WEXITSTATUS(st), WEXITSTATUS(st), WEXITSTATUS(st));
}

static void
note_end(const struct proc *p, const char *event)
{
	static const char front[] = "{\"event\":{\"end\":";
	struct journal *j = p->all->d->journal;

	journal_begin(j, J_INFO, "process", "process ended");
	journal_text(j, "event_type", "process_end");
	journal_number(j, "pid", p->pid);
	/* The event's innermost object. */
	journal_json(j, "process_result", event + sizeof(front) - 1,
	    strlen(event) - (sizeof(front) - 1) - 2);
	journal_number(
	    j, "stdout_bytes", p->pty ? 0 : (int64_t)p->src[0].bytes);
	journal_number(j, "stderr_bytes", (int64_t)p->src[1].bytes);
	journal_number(j, "pty_bytes", p->pty ? (int64_t)p->src[0].bytes : 0);
	journal_end(j);
}

void
proc_maybe_end(struct proc *p)
{
	bool open = p->src[0].io.fd >= 0 || p->src[1].io.fd >= 0;
	char event[256];
	struct sub *subs;

	if (!p->reaped || (open && !p->cut))
		return;
	close_source(&p->src[0]);
	close_source(&p->src[1]);
	proc_fail_inputs(p, "process has ended");
	proc_close_in(p);
	end_event(p, event, sizeof(event));
	if (!p->ours)
		note_end(p, event);
	/* Off the list first: whoever hears the end may ask for it. */
	subs = p->subs;
	p->subs = NULL;
	for (struct sub *s = subs; s != NULL; s = s->next)
		s->p = NULL;
	proc_remove(p, event);
	while (subs != NULL) {
		struct sub *s = subs;

		subs = s->next;
		(void)rpc_send(s->c, event, strlen(event));
		rpc_end(s->c);
	}
}

/* --- in -------------------------------------------------------------------*/

static void
input_done(struct proc *p)
{
	struct input *x = p->inputs;
	struct feeder *f = x->from;

	p->inputs = x->next;
	if (p->inputs == NULL)
		p->inputs_end = &p->inputs;
	p->input_bytes -= x->n;
	free(x->bytes);
	free(x);
	if (f == NULL)
		return;
	f->waiting = NULL;
	if (f->c->m->kind == RPC_UNARY)
		rpc_reply(f->c, "{}", 2);
	else
		rpc_resume(f->c);
}

static void
input_failed(struct proc *p, const char *why)
{
	struct input *x = p->inputs;
	struct feeder *f = x->from;

	p->inputs = x->next;
	if (p->inputs == NULL)
		p->inputs_end = &p->inputs;
	p->input_bytes -= x->n;
	free(x->bytes);
	free(x);
	if (f == NULL)
		return;
	f->waiting = NULL;
	rpc_fail(f->c, RPC_INTERNAL, "error writing to %s: %s",
	    p->pty ? "tty" : "stdin", why);
}

void
proc_fail_inputs(struct proc *p, const char *why)
{
	while (p->inputs != NULL)
		input_failed(p, why);
}

static void
really_close(struct proc *p)
{
	loop_io_stop(&p->in);
	drop_fd(&p->in.fd);
}

void
proc_write(struct proc *p)
{
	while (p->inputs != NULL) {
		struct input *x = p->inputs;
		ssize_t n = x->off < x->n ? write(p->in.fd, x->bytes + x->off,
						x->n - x->off)
					  : 0;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			char why[64];

			(void)snprintf(why, sizeof(why), "%s", strerror(errno));
			proc_fail_inputs(p, why);
			break;
		}
		x->off += (size_t)n;
		if (x->off == x->n)
			input_done(p);
	}
	if (p->inputs != NULL)
		loop_io_set(p->all->d->loop, &p->in, LOOP_WRITE);
	else if (p->in_closing)
		really_close(p);
	else
		loop_io_stop(&p->in);
}

static void
on_writable(struct loop_io *w, unsigned events)
{
	struct proc *p = container_of(w, struct proc, in);

	(void)events;
	proc_write(p);
}

bool
proc_feed(struct proc *p, struct feeder *f, char *bytes, size_t n)
{
	struct input *x;

	if (p->in.fd < 0 || p->in_closing || p->reaped) {
		free(bytes);
		rpc_fail(f->c, RPC_INTERNAL,
		    "error writing to stdin: stdin not enabled or closed");
		return false;
	}
	x = p->input_bytes + n <= PROC_INPUT_MAX ? calloc(1, sizeof(*x)) : NULL;
	if (x == NULL) {
		free(bytes);
		rpc_fail(f->c, RPC_RESOURCE_EXHAUSTED,
		    "too much input waits for process %d", (int)p->pid);
		return false;
	}
	*x = (struct input){ .from = f, .bytes = bytes, .n = n };
	f->waiting = x;
	*p->inputs_end = x;
	p->inputs_end = &x->next;
	p->input_bytes += n;
	/* The caller is not to be answered from in here; see proc_write(). */
	loop_io_set(p->all->d->loop, &p->in, LOOP_WRITE);
	return true;
}

void
proc_close_in(struct proc *p)
{
	p->in_closing = true;
	if (p->inputs == NULL)
		really_close(p);
}

void
proc_watch(struct proc *p)
{
	p->in.on_ready = on_writable;
	p->inputs_end = &p->inputs;
	for (unsigned i = 0; i < countof(p->src); i++) {
		p->src[i].p = p;
		p->src[i].io.on_ready = on_readable;
		if (p->src[i].io.fd >= 0)
			loop_io_set(p->all->d->loop, &p->src[i].io, LOOP_READ);
	}
}
