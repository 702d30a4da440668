#include "egress/denied.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"

enum {
	ROUND = 32,    /* then the resolver has its turn */
	QUEUE_MAX = 8, /* batches that apid has not taken */
};

static void
source_close(struct denied *d)
{
	loop_io_stop(&d->source);
	drop_fd(&d->source.fd);
	d->state = (struct source){ 0 };
	d->n = 0;
}

static uint64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Never waits: what apid does not take in time is counted and forgotten. */
static void
flush(struct denied *d)
{
	struct {
		struct denial_hdr h;
		struct denial v[DENIAL_BATCH_MAX];
	} m;
	struct err e;

	if (d->n == 0)
		return;
	m.h = (struct denial_hdr){ DENIAL_BATCH, d->n, d->dropped };
	memcpy(m.v, d->batch, d->n * sizeof(m.v[0]));
	if (d->chan.nqueued < QUEUE_MAX &&
	    seqpkt_post(&d->chan, &m, sizeof(m.h) + d->n * sizeof(m.v[0]), NULL,
		0, &e) == 0)
		d->dropped = 0;
	else
		d->dropped += d->n;
	d->n = 0;
}

static void
note(struct denied *d, const struct denial *x)
{
	d->batch[d->n] = *x;
	if (x->at_us == 0)
		d->batch[d->n].at_us = now_us();
	if (++d->n == DENIAL_BATCH_MAX)
		flush(d);
}

static void
take_all(struct denied *d, const uint8_t *p, size_t n)
{
	struct denial_in in = { p, n };
	enum denial_rc rc;
	struct denial x;

	while ((rc = source_next(&d->state, &d->nets, &in, &x)) != DENIED_END) {
		d->dropped += d->state.lost;
		d->state.lost = 0;
		if (rc == DENIED_ONE)
			note(d, &x);
	}
}

static void
on_source(struct loop_io *w, unsigned events)
{
	struct denied *d = container_of(w, struct denied, source);
	static uint8_t in[SOURCE_BYTES];

	(void)events;
	for (int i = 0; i < ROUND && w->fd >= 0; i++) {
		ssize_t n = source_read(&d->state, w->fd, in);

		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n <= 0) {
			log_error("denied.source err=\"%s\"",
			    n < 0 ? strerror(errno) : "closed");
			source_close(d);
			return;
		}
		take_all(d, in, (size_t)n);
	}
	flush(d);
}

static void
on_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct denied *d = container_of(c, struct denied, chan);
	struct denial_hdr h = { 0 };

	if (len == sizeof(h))
		memcpy(&h, msg, sizeof(h));
	if (len != sizeof(h) || h.type != DENIAL_SOURCE || nfds != 1) {
		log_error("denied.bad type=%u fds=%zu", h.type, nfds);
		for (size_t i = 0; i < nfds; i++)
			(void)close(fds[i]);
		return;
	}
	source_close(d);
	d->source.fd = fds[0];
	d->source.on_ready = on_source;
	loop_io_set(d->loop, &d->source, LOOP_READ);
	log_debug("denied.source fd=%d", fds[0]);
}

/*
 * The core is gone.  While our copy of its socket lives, its successor gets
 * none for this group.
 */
static void
on_close(struct seqpkt *c)
{
	source_close(container_of(c, struct denied, chan));
}

void
denied_init(struct denied *d, struct loop *l)
{
	d->loop = l;
	d->source.fd = d->chan.io.fd = -1;
}

void
denied_open(struct denied *d, int fd)
{
	denied_close(d);
	d->chan.on_msg = on_msg;
	d->chan.on_close = on_close;
	seqpkt_open(d->loop, &d->chan, fd);
}

void
denied_close(struct denied *d)
{
	source_close(d);
	if (d->chan.io.fd >= 0)
		seqpkt_close(&d->chan);
}
