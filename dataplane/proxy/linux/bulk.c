#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/own.h"
#include "proxy/proxy_int.h"

/*
 * A pipe between two splice(2).  Only empty pipes go back to the spares, so
 * that no client ever reads what was another's.
 */
static int
take_pipe(struct conn *c)
{
	struct proxy *p = c->p;

	if (p->npipes > 0) {
		p->npipes--;
		c->pipe[0] = p->pipes[p->npipes][0];
		c->pipe[1] = p->pipes[p->npipes][1];
		return 0;
	}
	if (pipe2(c->pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
		c->pipe[0] = c->pipe[1] = -1;
		errno = ENOSYS; /* copying needs no pipe */
		return -1;
	}
	(void)fcntl(c->pipe[0], F_SETPIPE_SZ, SIDE_MAX * 4);
	return 0;
}

ssize_t
bulk_fill(struct conn *c, size_t max)
{
	ssize_t n;

	if (c->c.tls != NULL) {
		errno = ENOSYS; /* it has to be encrypted here */
		return -1;
	}
	if (c->pipe[0] < 0 && take_pipe(c) < 0)
		return -1;
	do
		n = splice(c->u.io.fd, NULL, c->pipe[1], NULL, max,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		c->piped += (size_t)n;
	return n;
}

int
bulk_flush(struct conn *c)
{
	while (c->piped > 0) {
		ssize_t n = splice(c->pipe[0], NULL, c->c.io.fd, NULL, c->piped,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -1;
		if (n == 0)
			return -1;
		c->piped -= (size_t)n;
		c->sent += (uint64_t)n;
		conn_progress(c);
	}
	return 0;
}

void
bulk_end(struct conn *c)
{
	struct proxy *p = c->p;

	if (c->pipe[0] < 0)
		return;
	if (c->piped == 0 && p->npipes < countof(p->pipes)) {
		p->pipes[p->npipes][0] = take_fd(&c->pipe[0]);
		p->pipes[p->npipes++][1] = take_fd(&c->pipe[1]);
		return;
	}
	drop_fd(&c->pipe[0]);
	drop_fd(&c->pipe[1]);
	c->piped = 0;
}
