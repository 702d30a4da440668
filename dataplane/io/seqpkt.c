#include "io/seqpkt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"

/* Messages handled in one go before the others get their turn. */
#define READ_BUDGET 64

struct seqpkt_out {
	struct seqpkt_out *next;
	size_t len, nfds;
	int fds[SEQPKT_FDS_MAX];
	char msg[];
};

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(SEQPKT_FDS_MAX * sizeof(int))];
};

int
seqpkt_pair(int fd[2], struct err *e)
{
	int room = 4 * 1024 * 1024;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fd) < 0)
		return err_sys(e, "socketpair");
	for (int i = 0; i < 2; i++) {
#ifdef SO_SNDBUFFORCE
		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &room,
			sizeof(room)) == 0)
			continue;
#endif
		(void)setsockopt(
		    fd[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	return 0;
}

int
seqpkt_send(int fd, const void *msg, size_t len, const int *fds, size_t nfds,
    struct err *e)
{
	struct iovec iov = { unconst(msg), len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control ctl;

	if (nfds > SEQPKT_FDS_MAX)
		return err_set(
		    e, ERR_BUG, "message with %zu descriptors", nfds);
	if (nfds > 0) {
		struct cmsghdr *c;

		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	while (sendmsg(fd, &mh, MSG_NOSIGNAL) < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return 1;
		if (errno != EINTR)
			return err_sys(e, "send");
	}
	return 0;
}

static size_t
collect(struct msghdr *mh, int fds[SEQPKT_FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL;
	     c = CMSG_NXTHDR(mh, c)) {
		size_t have;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		have = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < have; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < SEQPKT_FDS_MAX)
				fds[n++] = fd;
			else
				(void)close(fd);
		}
	}
	return n;
}

ssize_t
seqpkt_recv(int fd, void *msg, size_t cap, int fds[SEQPKT_FDS_MAX],
    size_t *nfds, struct err *e)
{
	struct iovec iov = { msg, cap };
	union control ctl;
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};
	ssize_t n;

	e->kind = ERR_NONE;
	*nfds = 0;
	while ((n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC)) < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return -1;
		if (errno == ECONNRESET)
			return 0;
		if (errno != EINTR)
			return err_sys(e, "receive");
	}
	*nfds = collect(&mh, fds);
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < *nfds; i++)
			(void)close(fds[i]);
		*nfds = 0;
		return err_set(
		    e, ERR_BUG, "message longer than %zu bytes", cap);
	}
	return n;
}

static void
out_free(struct seqpkt_out *o)
{
	for (size_t i = 0; i < o->nfds; i++)
		(void)close(o->fds[i]);
	free(o);
}

void
seqpkt_close(struct seqpkt *c)
{
	struct seqpkt_out *o;

	loop_io_stop(&c->io);
	if (c->io.fd >= 0)
		(void)close(c->io.fd);
	c->io.fd = -1;
	while ((o = c->head) != NULL) {
		c->head = o->next;
		out_free(o);
	}
	c->tail = &c->head;
	c->nqueued = 0;
}

static void
peer_gone(struct seqpkt *c)
{
	seqpkt_close(c);
	c->on_close(c);
}

/* 0, or -1 if the channel is no more. */
static int
flush(struct seqpkt *c)
{
	struct seqpkt_out *o;
	struct err e;

	while ((o = c->head) != NULL) {
		int rc =
		    seqpkt_send(c->io.fd, o->msg, o->len, o->fds, o->nfds, &e);

		if (rc == 1)
			return 0;
		if (rc < 0) {
			peer_gone(c);
			return -1;
		}
		c->head = o->next;
		if (c->head == NULL)
			c->tail = &c->head;
		c->nqueued--;
		out_free(o);
	}
	loop_io_set(c->io.loop, &c->io, LOOP_READ);
	return 0;
}

/* Room for the largest message; one thread, and on_msg may not drain. */
static char inbox[SEQPKT_MSG_MAX];

/* 1 if a message was handled, 0 if there is none, -1 if the peer is gone. */
static int
take_one(struct seqpkt *c, char *room)
{
	int fds[SEQPKT_FDS_MAX];
	size_t nfds;
	struct err e;
	ssize_t n = seqpkt_recv(c->io.fd, room, SEQPKT_MSG_MAX, fds, &nfds, &e);

	if (n < 0 && e.kind == ERR_NONE)
		return 0;
	if (n <= 0) {
		peer_gone(c);
		return -1;
	}
	c->on_msg(c, room, (size_t)n, fds, nfds);
	return c->io.fd < 0 ? -1 : 1;
}

static void
on_ready(struct loop_io *w, unsigned events)
{
	struct seqpkt *c = container_of(w, struct seqpkt, io);

	if ((events & LOOP_WRITE) && flush(c) < 0)
		return;
	if (events & LOOP_READ)
		for (int i = 0; i < READ_BUDGET; i++)
			if (take_one(c, inbox) <= 0)
				return;
}

void
seqpkt_drain(struct seqpkt *c)
{
	/* May be called from another channel's on_msg, which uses inbox. */
	autofree char *room = NULL;

	if (c->io.fd < 0)
		return;
	/* Usually there is nothing: find out before asking for memory. */
	if (recv(c->io.fd, &(char){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
		return;
	room = malloc(SEQPKT_MSG_MAX);
	if (room == NULL)
		return;
	while (c->io.fd >= 0 && take_one(c, room) > 0)
		;
}

void
seqpkt_open(struct loop *l, struct seqpkt *c, int fd)
{
	c->head = NULL;
	c->tail = &c->head;
	c->nqueued = 0;
	c->io = (struct loop_io){ .on_ready = on_ready, .fd = fd };
	loop_io_set(l, &c->io, LOOP_READ);
}

static void
close_all(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

static int
enqueue(struct seqpkt *c, const void *msg, size_t len, const int *fds,
    size_t nfds, struct err *e)
{
	struct seqpkt_out *o;

	if (c->nqueued >= SEQPKT_QUEUE_MAX)
		return err_set(e, ERR_BUSY, "%d messages are waiting already",
		    SEQPKT_QUEUE_MAX);
	o = malloc(sizeof(*o) + len);
	if (o == NULL)
		return err_sys(e, "message");
	o->next = NULL;
	o->len = len;
	o->nfds = nfds;
	memcpy(o->msg, msg, len);
	if (nfds > 0)
		memcpy(o->fds, fds, nfds * sizeof(int));
	*c->tail = o;
	c->tail = &o->next;
	c->nqueued++;
	loop_io_set(c->io.loop, &c->io, LOOP_READ | LOOP_WRITE);
	return 0;
}

int
seqpkt_post(struct seqpkt *c, const void *msg, size_t len, const int *fds,
    size_t nfds, struct err *e)
{
	int rc = 1;

	if (c->io.fd < 0)
		rc = err_set(e, ERR_BUSY, "the other process is restarting");
	else if (len > SEQPKT_MSG_MAX || nfds > SEQPKT_FDS_MAX)
		rc = err_set(e, ERR_BUG, "message of %zu bytes", len);
	else if (c->head == NULL)
		rc = seqpkt_send(c->io.fd, msg, len, fds, nfds, e);
	if (rc == 1 && (rc = enqueue(c, msg, len, fds, nfds, e)) == 0)
		return 0; /* the queue owns the descriptors now */
	close_all(fds, nfds);
	return rc;
}
