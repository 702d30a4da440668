#include "code/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"

enum { READ_BYTES = 64 * 1024 };

static void
watch(struct peer *p)
{
	unsigned want = 0;

	if (p->io.fd < 0)
		return;
	if (!p->held)
		want |= LOOP_READ;
	if (p->out.len > 0)
		want |= LOOP_WRITE;
	loop_io_set(p->loop, &p->io, want);
}

static void
lost(struct peer *p, const char *why)
{
	peer_stop(p);
	p->on_lost(p, why);
}

/* --- reading --------------------------------------------------------------*/

static void
came_up(struct peer *p)
{
	p->up = true;
	if (strcmp(p->socket_type, "SUB") == 0 &&
	    (zmtp_put_subscribe(&p->out) < 0 || peer_flush(p) < 0)) {
		lost(p, "cannot subscribe");
		return;
	}
	p->on_up(p);
}

static void
use(struct peer *p, const char *at, size_t n)
{
	enum zmtp_what what;

	do {
		what = zmtp_next(&p->z, &at, &n);
		switch (what) {
		case ZMTP_MORE:
			break;
		case ZMTP_READY:
			came_up(p);
			break;
		case ZMTP_MESSAGE:
			p->on_message(p, p->z.parts, p->z.nparts);
			break;
		case ZMTP_SKIPPED:
			p->on_skipped(p, p->z.skipped);
			break;
		case ZMTP_PING:
			(void)zmtp_put_pong(
			    &p->out, p->z.parts[0].p, p->z.parts[0].n);
			break;
		case ZMTP_BAD:
			lost(p, p->z.why);
			break;
		}
	} while (what != ZMTP_MORE && what != ZMTP_BAD && !p->stopped);
}

static void
read_some(struct peer *p)
{
	static char scratch[READ_BYTES]; /* one loop, one thread */
	ssize_t n = read(p->io.fd, scratch, sizeof(scratch));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lost(p,
		    n == 0 ? "the kernel closed its socket" : strerror(errno));
		return;
	}
	p->reading = true;
	use(p, scratch, (size_t)n);
	p->reading = false;
	if (p->stopped)
		zmtp_fini(&p->z);
	else if (peer_flush(p) < 0)
		lost(p, "cannot write to the kernel");
}

/* --- writing --------------------------------------------------------------*/

int
peer_flush(struct peer *p)
{
	while (p->io.fd >= 0 && p->out.len > 0) {
		ssize_t n =
		    send(p->io.fd, p->out.data, p->out.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return -1;
		buf_consume(&p->out, (size_t)n);
	}
	if (p->out.len == 0 && p->out.cap > 1024 * 1024)
		buf_fini(&p->out);
	watch(p);
	return 0;
}

static void
on_ready(struct loop_io *w, unsigned events)
{
	struct peer *p = container_of(w, struct peer, io);

	if ((events & LOOP_WRITE) && peer_flush(p) < 0) {
		lost(p, "cannot write to the kernel");
		return;
	}
	if ((events & LOOP_READ) && !p->held)
		read_some(p);
}

/* --- connecting -----------------------------------------------------------*/

static int
dial(const struct sockaddr_un *to)
{
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	if (connect(
		fd, (const struct sockaddr *)(const void *)to, sizeof(*to)) < 0)
		return -1;
	return take_fd(&fd);
}

static void
try(struct peer *p)
{
	p->io.fd = dial(&p->addr[0]);
	if (p->io.fd < 0 && p->addr[1].sun_path[0] != '\0')
		p->io.fd = dial(&p->addr[1]);
	if (p->io.fd < 0) {
		/* Not there yet: the kernel is starting. */
		loop_timer_start(p->loop, &p->retry, PEER_RETRY_MS);
		return;
	}
	if (zmtp_put_hello(&p->out, p->socket_type) < 0 || peer_flush(p) < 0) {
		drop_fd(&p->io.fd);
		buf_reset(&p->out);
		loop_timer_start(p->loop, &p->retry, PEER_RETRY_MS);
	}
}

static void
on_retry(struct loop_timer *t)
{
	try(container_of(t, struct peer, retry));
}

static int
set_addr(struct sockaddr_un *to, const char *path, struct err *e)
{
	if (strlen(path) >= sizeof(to->sun_path))
		return err_set(
		    e, ERR_INVALID, "socket path is too long: %s", path);
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(to->sun_path, path, strlen(path) + 1);
	return 0;
}

int
peer_start(struct peer *p, struct loop *l, const char *socket_type,
    const char *path, const char *other, struct err *e)
{
	if (set_addr(&p->addr[0], path, e) < 0 ||
	    set_addr(&p->addr[1], other != NULL ? other : "", e) < 0)
		return -1;
	p->loop = l;
	p->socket_type = socket_type;
	p->io = (struct loop_io){ .on_ready = on_ready, .fd = -1 };
	p->retry = (struct loop_timer){ .on_time = on_retry };
	p->up = p->held = p->reading = p->stopped = false;
	zmtp_init(&p->z, p->in_max);
	buf_init(&p->out, PEER_OUT_MAX);
	try(p);
	return 0;
}

void
peer_hold(struct peer *p, bool hold)
{
	if (p->held == hold || p->stopped)
		return;
	p->held = hold;
	watch(p);
}

void
peer_stop(struct peer *p)
{
	if (p->stopped || p->loop == NULL)
		return;
	p->stopped = true;
	p->up = false;
	loop_timer_stop(&p->retry);
	loop_io_stop(&p->io);
	drop_fd(&p->io.fd);
	buf_fini(&p->out);
	/* Whoever is told of a message may stop us: it still reads it. */
	if (!p->reading)
		zmtp_fini(&p->z);
}
