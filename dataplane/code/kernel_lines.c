/*
 * Kernels of our own: one JSON object a line, both ways, on the kernel's
 * descriptor 3; types and contents are Jupyter's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "code/kernel_int.h"
#include "io/log.h"

enum { READ_BYTES = 64 * 1024 };

static int
lines_prepare(struct kernel *k, int *fd3, struct err *e)
{
	int pair[2];

	k->lines.io.fd = -1;
	buf_init(&k->lines.in, KERNEL_MSG_MAX);
	buf_init(&k->lines.out, PEER_OUT_MAX);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socket pair");
	k->lines.io.fd = pair[0];
	*fd3 = pair[1];
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "socket pair");
	return 0;
}

static void
watch(struct kernel *k)
{
	struct lines *l = &k->lines;
	unsigned want = 0;

	if (l->io.fd < 0)
		return;
	if (!l->held)
		want |= LOOP_READ;
	if (l->out.len > 0)
		want |= LOOP_WRITE;
	loop_io_set(k->all->loop, &l->io, want);
}

static void
stop(struct kernel *k, const char *why)
{
	loop_io_stop(&k->lines.io);
	drop_fd(&k->lines.io.fd);
	kernel_is_cut(k, why);
}

static int
flush(struct kernel *k)
{
	struct lines *l = &k->lines;

	while (l->io.fd >= 0 && l->out.len > 0) {
		ssize_t n =
		    send(l->io.fd, l->out.data, l->out.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return -1;
		buf_consume(&l->out, (size_t)n);
	}
	if (l->out.len == 0 && l->out.cap > 1024 * 1024)
		buf_fini(&l->out);
	watch(k);
	return 0;
}

/* --- what it says ---------------------------------------------------------*/

static void
one_line(struct kernel *k, const char *p, size_t n)
{
	struct msg m;

	if (n == 0)
		return;
	/* User code can write there as well: no reason to give up. */
	if (msg_from_line(p, n, &m) < 0) {
		log_warn(
		    "kernel.message pid=%d error=\"malformed\"", (int)k->pid);
		return;
	}
	if (m.type == MSG_READY)
		kernel_is_ready(k);
	else if (k->ready)
		k->owner->on_msg(k, &m);
}

/* Until its end, nothing of a line that is too long is kept. */
static void
skip(struct kernel *k, const char **p, size_t *n)
{
	struct lines *l = &k->lines;
	const char *end = memchr(*p, '\n', *n);
	size_t used = end != NULL ? (size_t)(end - *p) + 1 : *n;

	l->skipped += used;
	*p += used;
	*n -= used;
	if (end == NULL)
		return;
	if (k->ready)
		k->owner->on_skipped(k, l->skipped);
	l->skipped = 0;
}

static void
use(struct kernel *k, const char *p, size_t n)
{
	struct lines *l = &k->lines;

	while (n > 0 && !k->cut) {
		const char *end;
		size_t len;

		if (l->skipped > 0) {
			skip(k, &p, &n);
			continue;
		}
		end = memchr(p, '\n', n);
		len = end != NULL ? (size_t)(end - p) : n;
		if (end != NULL && l->in.len == 0)
			one_line(k, p, len);
		else if (buf_add(&l->in, p, len) < 0) {
			l->skipped = l->in.len;
			buf_fini(&l->in);
			continue;
		} else if (end != NULL) {
			one_line(k, l->in.data, l->in.len);
			if (l->in.cap > 1024 * 1024)
				buf_fini(&l->in);
			else
				buf_reset(&l->in);
		}
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
}

static void
on_lines(struct loop_io *w, unsigned events)
{
	static char scratch[READ_BYTES]; /* one loop, one thread */
	struct kernel *k = container_of(w, struct kernel, lines.io);
	ssize_t n;

	if ((events & LOOP_WRITE) && flush(k) < 0) {
		stop(k, strerror(errno));
		return;
	}
	if (!(events & LOOP_READ) || k->lines.held)
		return;
	n = read(w->fd, scratch, sizeof(scratch));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stop(k, n == 0 ? "the kernel closed its end" : strerror(errno));
		return;
	}
	use(k, scratch, (size_t)n);
}

/* --- operations -----------------------------------------------------------*/

static int
lines_open(struct kernel *k, struct err *e)
{
	(void)e;
	k->lines.io.on_ready = on_lines;
	watch(k);
	return 0;
}

static int
lines_request(struct kernel *k, const char *type, const char *id,
    const struct buf *content)
{
	if (k->lines.io.fd < 0 ||
	    msg_put_line(&k->lines.out, type, id, content) < 0)
		return -1;
	return flush(k);
}

static void
lines_interrupt(struct kernel *k)
{
	(void)kill(k->pid, SIGINT);
}

static void
lines_hold(struct kernel *k, bool hold)
{
	k->lines.held = hold;
	watch(k);
}

static void
lines_close(struct kernel *k)
{
	loop_io_stop(&k->lines.io);
	drop_fd(&k->lines.io.fd);
	buf_fini(&k->lines.in);
	buf_fini(&k->lines.out);
}

const struct transport transport_lines = {
	.prepare = lines_prepare,
	.open = lines_open,
	.request = lines_request,
	.interrupt = lines_interrupt,
	.hold = lines_hold,
	.close = lines_close,
};
