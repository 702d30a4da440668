#include "io/seqpkt.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"
#include "io/seqpkt_int.h"

enum {
	READ_BUDGET = 64, /* handled in one go before others get their turn */
	REST_MS = 5000,	  /* for the rest of a message, outside of a loop */
	ROOM_MIN = 64 * 1024,
	ROOM_WANTED = 4 * 1024 * 1024,
};

struct seqpkt_out {
	struct seqpkt_out *next;
	size_t len, at; /* at: so much has gone, and the descriptors with it */
	size_t nfds;
	int fds[SEQPKT_FDS_MAX];
	char msg[];
};

/* The beginning of a message whose rest has not come. */
struct seqpkt_in {
	size_t len, nfds;
	int fds[SEQPKT_FDS_MAX];
	char msg[SEQPKT_MSG_MAX];
};

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(SEQPKT_FDS_MAX * sizeof(int))];
};

/* As much as the system lets us have. */
static void
make_room(int fd, int what)
{
	for (int room = ROOM_WANTED; room >= ROOM_MIN; room /= 2)
		if (setsockopt(fd, SOL_SOCKET, what, &room, sizeof(room)) == 0)
			return;
}

int
seqpkt_pair(int fd[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fd) < 0)
		return err_sys(e, "socketpair");
	for (int i = 0; i < 2; i++) {
#ifdef SO_SNDBUFFORCE
		int room = ROOM_WANTED;

		if (setsockopt(fd[i], SOL_SOCKET, SO_SNDBUFFORCE, &room,
			sizeof(room)) == 0)
			continue;
#endif
		make_room(fd[i], SO_SNDBUF);
		/* Where the receiver's room is what counts. */
		make_room(fd[i], SO_RCVBUF);
	}
	return 0;
}

/*
 * Bytes that went, all of them but where a message may go in pieces; 0 if it
 * would wait, -1 on error.
 */
static ssize_t
send_some(int fd, const void *msg, size_t len, const int *fds, size_t nfds,
    struct err *e)
{
	struct iovec iov = { unconst(msg), len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control ctl;
	ssize_t n;

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
	/* The end of a message, for systems that do not know it by itself. */
	while ((n = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_EOR)) < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return 0;
		if (errno != EINTR)
			return err_sys(e, "send");
	}
	return n;
}

static int
wait_for(int fd, short what, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = what };
	int rc;

	while ((rc = poll(&p, 1, REST_MS)) < 0)
		if (errno != EINTR)
			return err_sys(e, "poll");
	if (rc == 0)
		return err_set(
		    e, ERR_BUSY, "a message stays half for %d ms", REST_MS);
	return 0;
}

int
seqpkt_send(int fd, const void *msg, size_t len, const int *fds, size_t nfds,
    struct err *e)
{
	const char *p = msg;
	ssize_t n = send_some(fd, p, len, fds, nfds, e);

	if (n <= 0)
		return n == 0 ? 1 : -1;
	/* What has begun is not taken back. */
	for (size_t at = (size_t)n; at < len; at += (size_t)n) {
		if (wait_for(fd, POLLOUT, e) < 0)
			return -1;
		n = send_some(fd, p + at, len - at, NULL, 0, e);
		if (n < 0)
			return -1;
	}
	return 0;
}

static void
close_all(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
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

/*
 * As seqpkt_recv(), but what comes may be a piece: *whole says whether a
 * message ends with it.
 */
static ssize_t
recv_some(int fd, void *msg, size_t cap, int fds[SEQPKT_FDS_MAX], size_t *nfds,
    bool *whole, struct err *e)
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
	*whole = seqpkt_ends(&mh);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (!*whole && (size_t)n == cap)) {
		close_all(fds, *nfds);
		*nfds = 0;
		return err_set(
		    e, ERR_BUG, "message longer than %zu bytes", cap);
	}
	return n;
}

/* The rest of a message comes at once, from whoever has sent its beginning. */
static ssize_t
recv_rest(int fd, char *msg, size_t have, size_t cap, struct err *e)
{
	bool whole = false;

	while (!whole) {
		int fds[SEQPKT_FDS_MAX];
		size_t nfds;
		ssize_t n;

		if (wait_for(fd, POLLIN, e) < 0)
			return -1;
		n = recv_some(
		    fd, msg + have, cap - have, fds, &nfds, &whole, e);
		close_all(fds, nfds); /* they come with the first piece */
		if (n < 0 && e->kind == ERR_NONE)
			continue;
		if (n <= 0)
			return n;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

ssize_t
seqpkt_recv(int fd, void *msg, size_t cap, int fds[SEQPKT_FDS_MAX],
    size_t *nfds, struct err *e)
{
	bool whole = true;
	ssize_t n = recv_some(fd, msg, cap, fds, nfds, &whole, e);

	if (n <= 0 || whole)
		return n;
	n = recv_rest(fd, msg, (size_t)n, cap, e);
	if (n <= 0) {
		close_all(fds, *nfds);
		*nfds = 0;
	}
	return n;
}

static void
out_free(struct seqpkt_out *o)
{
	close_all(o->fds, o->nfds);
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
	if (c->part != NULL)
		close_all(c->part->fds, c->part->nfds);
	free(c->part);
	c->part = NULL;
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
		ssize_t n = send_some(c->io.fd, o->msg + o->at, o->len - o->at,
		    o->fds, o->nfds, &e);

		if (n == 0)
			return 0;
		if (n < 0) {
			peer_gone(c);
			return -1;
		}
		o->at += (size_t)n;
		close_all(o->fds, o->nfds);
		o->nfds = 0;
		if (o->at < o->len)
			continue;
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

/* A piece: it waits for its rest, and the descriptors with it. */
static int
keep_part(
    struct seqpkt *c, const char *msg, size_t len, const int *fds, size_t nfds)
{
	if (c->part == NULL)
		c->part = calloc(1, sizeof(*c->part));
	if (c->part == NULL || c->part->nfds + nfds > SEQPKT_FDS_MAX) {
		close_all(fds, nfds);
		return -1;
	}
	memcpy(c->part->msg, msg, len);
	c->part->len = len;
	if (nfds > 0)
		memcpy(
		    c->part->fds + c->part->nfds, fds, nfds * sizeof(fds[0]));
	c->part->nfds += nfds;
	return 0;
}

/* What had come of a message, into room; its length. */
static size_t
take_part(const struct seqpkt *c, char *room)
{
	if (c->part == NULL)
		return 0;
	memcpy(room, c->part->msg, c->part->len);
	return c->part->len;
}

/*
 * 1 if a message, or a piece of one, was handled, 0 if there is none, -1 if
 * the peer is gone.
 */
static int
take_one(struct seqpkt *c, char *room)
{
	int fds[SEQPKT_FDS_MAX];
	size_t nfds, have = take_part(c, room);
	struct seqpkt_in *part;
	bool whole = true;
	struct err e;
	ssize_t n = recv_some(c->io.fd, room + have, SEQPKT_MSG_MAX - have, fds,
	    &nfds, &whole, &e);

	if (n < 0 && e.kind == ERR_NONE)
		return 0;
	if (n <= 0 ||
	    (!whole && keep_part(c, room, have + (size_t)n, fds, nfds) < 0)) {
		peer_gone(c);
		return -1;
	}
	if (!whole)
		return 1;
	part = c->part;
	c->part = NULL;
	if (part != NULL && nfds == 0) {
		nfds = part->nfds;
		memcpy(fds, part->fds, nfds * sizeof(fds[0]));
	} else if (part != NULL) {
		close_all(part->fds, part->nfds);
	}
	free(part);
	c->on_msg(c, room, have + (size_t)n, fds, nfds);
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
	c->part = NULL;
	c->io = (struct loop_io){ .on_ready = on_ready, .fd = fd };
	loop_io_set(l, &c->io, LOOP_READ);
}

static int
enqueue(struct seqpkt *c, const void *msg, size_t len, const int *fds,
    size_t nfds, size_t at, struct err *e)
{
	struct seqpkt_out *o;

	if (at == 0 && c->nqueued >= SEQPKT_QUEUE_MAX)
		return err_set(e, ERR_BUSY, "%d messages are waiting already",
		    SEQPKT_QUEUE_MAX);
	o = malloc(sizeof(*o) + len);
	if (o == NULL)
		return err_sys(e, "message");
	o->next = NULL;
	o->len = len;
	o->at = at;
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
	ssize_t n = 0;
	int rc = 0;

	if (c->io.fd < 0)
		rc = err_set(e, ERR_BUSY, "the other process is restarting");
	else if (len > SEQPKT_MSG_MAX || nfds > SEQPKT_FDS_MAX)
		rc = err_set(e, ERR_BUG, "message of %zu bytes", len);
	else if (c->head == NULL)
		n = send_some(c->io.fd, msg, len, fds, nfds, e);
	if (rc == 0 && n == 0 &&
	    (rc = enqueue(c, msg, len, fds, nfds, 0, e)) == 0)
		return 0; /* the queue owns the descriptors now */
	close_all(fds, nfds);
	if (rc < 0 || n < 0)
		return -1;
	if (n > 0 && (size_t)n < len)
		rc = enqueue(c, msg, len, NULL, 0, (size_t)n, e);
	return rc;
}
