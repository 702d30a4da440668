#include "ctl/sandbox/chan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"

_Static_assert(
    sizeof(struct rules_hdr) == sizeof(struct spawn_hdr) &&
	offsetof(struct rules_hdr, seq) == offsetof(struct spawn_hdr, seq),
    "one header for both");

struct chan_pending {
	uint32_t seq; /* 0: free */
	uint32_t who, n;
	chan_done done;
	void *ctx;
};

static void
close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

static void
reply(struct chan *c, uint32_t seq, const void *body, size_t len,
    const int *fds, size_t nfds)
{
	struct chan_pending *slot = &c->pending[seq % CHAN_PENDING_MAX], p;
	struct chan_reply r = { .fd = -1 };

	if (slot->seq != seq || len != c->reply_len) {
		log_error(
		    "%s.unasked_reply seq=%u bytes=%zu", c->name, seq, len);
		close_all(fds, nfds);
		return;
	}
	memcpy(&r.u, body, len);
	p = *slot;
	slot->seq = 0;
	c->npending--;
	if (nfds > 0)
		r.fd = fds[0];
	if (nfds > 1)
		close_all(fds + 1, nfds - 1);
	if (p.done != NULL)
		p.done(p.ctx, p.who, p.n, &r);
	else
		drop_fd(&r.fd);
}

static void
on_msg(
    struct seqpkt *sp, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct chan *c = container_of(sp, struct chan, sp);
	const char *body = (const char *)msg + sizeof(struct spawn_hdr);
	struct spawn_hdr h;

	if (len < sizeof(h)) {
		log_error("%s.bad_message bytes=%zu", c->name, len);
		close_all(fds, nfds);
		return;
	}
	memcpy(&h, msg, sizeof(h));
	if (h.seq != 0) {
		reply(c, h.seq, body, len - sizeof(h), fds, nfds);
		return;
	}
	close_all(fds, nfds);
	c->on_event(c, h.type, body, len - sizeof(h));
}

static void
on_close(struct seqpkt *sp)
{
	struct chan *c = container_of(sp, struct chan, sp);

	c->on_close(c);
}

int
chan_open(struct chan *c, struct loop *l, int fd, struct err *e)
{
	c->pending = calloc(CHAN_PENDING_MAX, sizeof(c->pending[0]));
	if (c->pending == NULL) {
		own_close(&fd);
		return err_sys(e, "channel %s", c->name);
	}
	c->sp.on_msg = on_msg;
	c->sp.on_close = on_close;
	seqpkt_open(l, &c->sp, fd);
	return 0;
}

void
chan_fini(struct chan *c)
{
	if (c->pending == NULL)
		return;
	seqpkt_close(&c->sp);
	free(c->pending);
	c->pending = NULL;
}

/* The message of the moment; one thread, and posting copies. */
static char outbox[SEQPKT_MSG_MAX];

static size_t
put_together(const struct chan_ask *a, uint32_t seq)
{
	struct spawn_hdr h = {
		.type = a->type,
		.pad = a->pad,
		.len = (uint32_t)(a->head_len + a->tail_len),
		.seq = seq,
	};
	char *to = outbox;

	memcpy(to, &h, sizeof(h));
	to += sizeof(h);
	if (a->head_len > 0)
		memcpy(to, a->head, a->head_len);
	to += a->head_len;
	if (a->tail_len > 0)
		memcpy(to, a->tail, a->tail_len);
	return sizeof(h) + a->head_len + a->tail_len;
}

int
chan_ask(struct chan *c, const struct chan_ask *a, struct err *e)
{
	struct chan_pending *slot;
	uint32_t seq = c->seq + 1 == 0 ? 1 : c->seq + 1;
	size_t room = sizeof(outbox) - sizeof(struct spawn_hdr);
	int rc;

	slot = &c->pending[seq % CHAN_PENDING_MAX];
	if (slot->seq != 0 || a->head_len > room ||
	    a->tail_len > room - a->head_len) {
		own_close(&a->fd);
		return slot->seq != 0
			   ? err_set(e, ERR_BUSY,
				 "%d requests are waiting already",
				 CHAN_PENDING_MAX)
			   : err_set(e, ERR_BUG, "request of %zu bytes",
				 a->head_len + a->tail_len);
	}
	rc = seqpkt_post(&c->sp, outbox, put_together(a, seq), &a->fd,
	    a->fd >= 0 ? 1 : 0, e);
	if (rc < 0)
		return err_wrap(e, "%s", c->name);
	c->seq = seq;
	*slot = (struct chan_pending){ seq, a->who, a->n, a->done, a->ctx };
	c->npending++;
	return 0;
}
