/*
 * Kernels of Jupyter: a connection file names five sockets; we use three.
 * Requests go to shell, interrupts to control, output comes from iopub.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "code/kernel_int.h"
#include "io/log.h"

/* Sockets of a connection file, by "port": of the prefix and a number. */
enum { SHELL = 1, IOPUB, STDIN, CONTROL, HEARTBEAT };

enum {
	NUDGE_MS = 100,
	NUDGES = 2, /* a kernel that then published nothing never does */
};

/* ipykernel joins prefix and port by the one, IRkernel by the other. */
static const char joints[] = "-:";

static int
write_file(const char *path, const struct buf *b, struct err *e)
{
	autoclose int fd =
	    open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "%s", path);
	if (write(fd, b->data, b->len) != (ssize_t)b->len)
		return err_sys(e, "%s", path);
	return 0;
}

static int
zmq_prepare(struct kernel *k, int *fd3, struct err *e)
{
	struct wire *w = &k->wire;
	struct buf b;
	int rc;

	(void)fd3;
	(void)snprintf(
	    w->prefix, sizeof(w->prefix), "%s/%s", k->all->sockets, k->id);
	(void)snprintf(w->file, sizeof(w->file), "%s.json", w->prefix);
	buf_init(&b, 1024);
	rc = buf_printf(&b,
	    "{\"transport\":\"ipc\",\"ip\":\"%s\",\"shell_port\":%d,"
	    "\"iopub_port\":%d,\"stdin_port\":%d,\"control_port\":%d,"
	    "\"hb_port\":%d,\"signature_scheme\":\"hmac-sha256\",\"key\":\"\","
	    "\"kernel_name\":\"\"}\n",
	    w->prefix, SHELL, IOPUB, STDIN, CONTROL, HEARTBEAT);
	rc = rc == 0 ? write_file(w->file, &b, e)
		     : err_set(e, ERR_INVALID, "a socket path is too long");
	buf_fini(&b);
	return rc;
}

/* --- ready ----------------------------------------------------------------*/

/*
 * The subscription takes effect some time after it was sent, and what is
 * published before is lost: the kernel is ready when it was asked something
 * and both answered and published that it did.
 */
static void
ask_info(struct kernel *k)
{
	struct buf none;

	buf_init(&none, 8);
	kernel_id(k, k->wire.asked);
	if (buf_puts(&none, "{}") < 0 ||
	    k->t->request(k, "kernel_info_request", k->wire.asked, &none) < 0)
		kernel_is_cut(k, "cannot ask the kernel");
	buf_fini(&none);
}

static void
maybe_ready(struct kernel *k)
{
	struct wire *w = &k->wire;

	if (k->ready || !w->replied)
		return;
	if (w->published || w->nudges == NUDGES) {
		loop_timer_stop(&w->nudge);
		kernel_is_ready(k);
	} else if (!w->nudge.active)
		loop_timer_start(k->all->loop, &w->nudge, NUDGE_MS);
}

static void
on_nudge(struct loop_timer *t)
{
	struct kernel *k = container_of(t, struct kernel, wire.nudge);

	k->wire.nudges++;
	k->wire.replied = false;
	ask_info(k);
}

static void
on_up(struct peer *p)
{
	struct kernel *k = p->owner;

	if (!k->ready && k->wire.shell.up && k->wire.iopub.up &&
	    k->wire.control.up)
		ask_info(k);
}

/* --- messages -------------------------------------------------------------*/

static void
on_message(struct peer *p, const struct zmtp_part *parts, size_t n)
{
	struct kernel *k = p->owner;
	struct msg m;

	if (msg_from_frames(parts, n, &m) < 0) {
		log_warn(
		    "kernel.message pid=%d error=\"malformed\"", (int)k->pid);
		return;
	}
	if (k->ready) {
		k->owner->on_msg(k, &m);
		return;
	}
	if (!jv_is(m.id, k->wire.asked))
		return;
	k->wire.replied |= m.type == MSG_INFO_REPLY;
	k->wire.published |= p == &k->wire.iopub;
	maybe_ready(k);
}

static void
on_skipped(struct peer *p, uint64_t bytes)
{
	struct kernel *k = p->owner;

	k->owner->on_skipped(k, bytes);
}

static void
on_lost(struct peer *p, const char *why)
{
	kernel_is_cut(p->owner, why);
}

static int
open_one(
    struct kernel *k, struct peer *p, const char *type, int port, struct err *e)
{
	char path[2][SOCKET_PATH + 8];

	p->owner = k;
	p->in_max = KERNEL_MSG_MAX;
	p->on_up = on_up;
	p->on_message = on_message;
	p->on_skipped = on_skipped;
	p->on_lost = on_lost;
	for (int i = 0; i < 2; i++)
		(void)snprintf(path[i], sizeof(path[i]), "%s%c%d",
		    k->wire.prefix, joints[i], port);
	return peer_start(p, k->all->loop, type, path[0], path[1], e);
}

static int
zmq_open(struct kernel *k, struct err *e)
{
	struct wire *w = &k->wire;

	w->nudge.on_time = on_nudge;
	if (open_one(k, &w->shell, "DEALER", SHELL, e) < 0 ||
	    open_one(k, &w->iopub, "SUB", IOPUB, e) < 0)
		return -1;
	return open_one(k, &w->control, "DEALER", CONTROL, e);
}

static int
zmq_request(struct kernel *k, const char *type, const char *id,
    const struct buf *content)
{
	bool control = strcmp(type, "shutdown_request") == 0 ||
		       strcmp(type, "interrupt_request") == 0;
	struct peer *p = control ? &k->wire.control : &k->wire.shell;

	if (!p->up || msg_put_frames(&p->out, type, k->id, id, content) < 0)
		return -1;
	return peer_flush(p);
}

/* As a terminal does: the kernel, and what it waits for. */
static void
zmq_interrupt(struct kernel *k)
{
	char id[MSG_ID_TEXT];
	struct buf none;

	if (!k->spec.ask_interrupt) {
		(void)kill(-k->pid, SIGINT);
		return;
	}
	buf_init(&none, 8);
	kernel_id(k, id);
	if (buf_puts(&none, "{}") == 0)
		(void)zmq_request(k, "interrupt_request", id, &none);
	buf_fini(&none);
}

static void
zmq_hold(struct kernel *k, bool hold)
{
	peer_hold(&k->wire.iopub, hold);
}

static void
zmq_close(struct kernel *k)
{
	struct wire *w = &k->wire;

	loop_timer_stop(&w->nudge);
	peer_stop(&w->shell);
	peer_stop(&w->iopub);
	peer_stop(&w->control);
	(void)unlink(w->file);
	for (int i = 0; i < 2 * HEARTBEAT; i++) {
		char path[SOCKET_PATH + 16];

		(void)snprintf(path, sizeof(path), "%s%c%d", w->prefix,
		    joints[i % 2], i / 2 + SHELL);
		(void)unlink(path);
	}
}

const struct transport transport_zmq = {
	.prepare = zmq_prepare,
	.open = zmq_open,
	.request = zmq_request,
	.interrupt = zmq_interrupt,
	.hold = zmq_hold,
	.close = zmq_close,
};
