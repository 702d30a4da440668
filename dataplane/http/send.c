/* What leaves a connection: a queue, and behind it perhaps a file. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/own.h"
#include "http/http_int.h"

void
conn_count(struct http_conn *c)
{
	c->srv->queued += c->out.len - c->counted;
	c->counted = c->out.len;
}

static void
broke(struct http_conn *c)
{
	c->broken = true;
	buf_reset(&c->out);
	conn_count(c);
	drop_fd(&c->file_fd);
	server_kick(c);
}

void
conn_queue(struct http_conn *c, const void *p, size_t n)
{
	if (c->broken)
		return;
	if (buf_add(&c->out, p, n) < 0)
		broke(c); /* its reader is too slow, or we have no memory */
	conn_count(c);
}

static bool
would_wait(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS;
}

static void
send_queue(struct http_conn *c)
{
	int more = c->file_fd >= 0 ? send_file_follows : 0;

	while (c->out.len > 0) {
		ssize_t n = send(
		    c->io.fd, c->out.data, c->out.len, MSG_NOSIGNAL | more);

		if (n < 0) {
			if (!would_wait())
				broke(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (c->out.cap > 2 * SCRATCH_BYTES)
		buf_fini(&c->out);
}

/* For what sendfile(2) cannot read: a pipe, some file systems of /proc. */
static ssize_t
copy_some(struct http_conn *c, size_t n)
{
	char *to = buf_room(&c->out, n);
	ssize_t got;

	if (to == NULL) {
		errno = ENOMEM;
		return -1;
	}
	got = pread(c->file_fd, to, n, (off_t)c->file_off);
	if (got > 0) {
		buf_added(&c->out, (size_t)got);
		c->file_off += got;
	}
	return got;
}

static ssize_t
send_some(struct http_conn *c, size_t n)
{
	ssize_t sent = file_to_socket(c->io.fd, c->file_fd, c->file_off, n);

	if (sent < 0 && (errno == EINVAL || errno == ENOSYS))
		return copy_some(c, n < SCRATCH_BYTES ? n : SCRATCH_BYTES);
	if (sent > 0)
		c->file_off += sent;
	return sent;
}

static void
send_file(struct http_conn *c)
{
	int64_t round = FILE_ROUND_BYTES;

	while (c->file_left > 0 && round > 0 && c->out.len == 0) {
		int64_t n = c->file_left < round ? c->file_left : round;
		ssize_t sent = send_some(c, (size_t)n);

		if (sent < 0) {
			if (!would_wait())
				broke(c);
			return;
		}
		/* Shorter than when we promised its length. */
		if (sent == 0) {
			broke(c);
			return;
		}
		c->file_left -= sent;
		round -= sent;
		send_queue(c);
	}
}

void
conn_send(struct http_conn *c)
{
	if (c->broken || c->dead)
		return;
	send_queue(c);
	if (c->out.len == 0 && c->file_fd >= 0 && !c->broken)
		send_file(c);
	conn_count(c);
}

void
conn_send2(
    struct http_conn *c, const void *p, size_t n, const void *p2, size_t n2)
{
	struct iovec v[2] = {
		{ unconst(p), n },
		{ unconst(p2), n2 },
	};
	struct msghdr m = { .msg_iov = v, .msg_iovlen = n2 > 0 ? 2 : 1 };
	ssize_t sent = 0;
	size_t done;

	if (c->broken)
		return;
	if (!c->corked && c->out.len == 0) {
		sent = sendmsg(c->io.fd, &m, MSG_NOSIGNAL);
		if (sent < 0 && !would_wait()) {
			broke(c);
			return;
		}
	}
	done = sent > 0 ? (size_t)sent : 0;
	if (done < n)
		conn_queue(c, (const char *)p + done, n - done);
	done = done > n ? done - n : 0;
	if (done < n2)
		conn_queue(c, (const char *)p2 + done, n2 - done);
	if (c->out.len > 0)
		server_kick(c);
}
