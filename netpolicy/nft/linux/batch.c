#include "nft/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/own.h"
#include "attr.h"
#include "batch_int.h"
#include "dump.h"

void
nft_batch_init(struct nft_batch *b, size_t max)
{
	*b = (struct nft_batch){ .max = max };
}

void
nft_batch_fini(struct nft_batch *b)
{
	free(b->data);
	nft_batch_init(b, b->max);
}

/* Room for one more message of any length, so that none can be cut. */
static char *
room(struct nft_batch *b)
{
	size_t need = b->len + NFT_MSG_ROOM, cap = b->cap;
	char *p;

	if (b->failed)
		return NULL;
	if (need <= b->cap)
		return b->data + b->len;
	cap = cap == 0 ? (size_t)2 * NFT_MSG_ROOM : cap;
	while (cap < need)
		cap *= 2;
	p = need > b->max ? NULL : realloc(b->data, cap);
	if (p == NULL) {
		b->failed = true;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	return p + b->len;
}

static struct nlmsghdr *
header(struct nft_batch *b, uint16_t type, uint16_t flags, uint8_t family,
    uint16_t res_id)
{
	char *at = room(b);
	struct nlmsghdr *h;
	struct nfgenmsg *g;

	if (at == NULL)
		return NULL;
	h = mnl_nlmsg_put_header(at);
	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = b->seq++;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(res_id);
	return h;
}

void
nft_msg_end(struct nft_batch *b, struct nlmsghdr *h)
{
	if (h != NULL)
		b->len += (h->nlmsg_len + 3u) & ~(size_t)3;
}

struct nlmsghdr *
nft_msg(struct nft_batch *b, uint16_t type, uint16_t flags, uint16_t table_attr)
{
	uint16_t full = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	struct nlmsghdr *h = header(b, full, flags, NFPROTO_INET, 0);

	if (h == NULL)
		return NULL;
	b->last = b->len;
	b->nmsgs++;
	mnl_attr_put_strz(
	    h, table_attr, b->table != NULL ? b->table : NFT_TABLE);
	return h;
}

void
nft_batch_begin(struct nft_batch *b)
{
	b->len = b->nmsgs = b->last = 0;
	b->failed = false;
	b->table = NULL;
	b->first = b->seq;
	nft_msg_end(b, header(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC,
			   NFNL_SUBSYS_NFTABLES));
}

void
nft_end_batch(struct nft_batch *b)
{
	nft_msg_end(b,
	    header(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
}

/* --- sending ----------------------------------------------------------------
 */

int
nft_sock_init(struct nft_sock *s, int fd, struct err *e)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	socklen_t len = sizeof(me);
	int on = 1, out = 64 * 1024 * 1024, in = 4 * 1024 * 1024;

	*s = (struct nft_sock){ .fd = fd, .seq = 1 };
	s->room = malloc(NFT_ANSWER_ROOM);
	if (s->room == NULL ||
	    bind(fd, (struct sockaddr *)&me, sizeof(me)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&me, &len) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0) {
		err_sys(e, "nftables socket");
		nft_sock_fini(s);
		return -1;
	}
	s->portid = me.nl_pid;
	/* A batch is one message to the socket, and has to fit its buffer. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &out, sizeof(out)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &in, sizeof(in)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in));
	return 0;
}

void
nft_sock_fini(struct nft_sock *s)
{
	drop_fd(&s->fd);
	free(s->room);
	s->room = NULL;
}

struct answer {
	uint32_t first, acked; /* sequence numbers of this batch */
	int error;	       /* the first that came */
	uint32_t at;	       /* which message it was about */
	bool done;
};

static void
take_answers(const char *data, size_t len, struct answer *a)
{
	const struct nlmsghdr *h = (const void *)data;
	int left = (int)len;

	for (; nlmsg_fits(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlmsgerr *r = mnl_nlmsg_get_payload(h);

		/* Anything of an earlier batch was read then; be safe. */
		if (h->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(h) < sizeof(*r) ||
		    h->nlmsg_seq - a->first > a->acked - a->first)
			continue;
		if (r->error != 0 && a->error == 0) {
			a->error = -r->error;
			a->at = h->nlmsg_seq - a->first;
		}
		if (h->nlmsg_seq == a->acked)
			a->done = true;
	}
}

/*
 * The kernel handles a batch inside sendmsg(), so every answer is there when
 * it returns: read until there is none.
 */
static int
drain(struct nft_sock *s, struct answer *a)
{
	bool lost = false;
	ssize_t n;

	for (;;) {
		n = recv(s->fd, s->room, NFT_ANSWER_ROOM, MSG_DONTWAIT);
		if (n > 0) {
			take_answers(s->room, (size_t)n, a);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			lost = true;
			continue;
		}
		break;
	}
	if (a->error == 0 && (lost || !a->done))
		a->error = ENOBUFS;
	return a->error;
}

int
nft_send(struct nft_sock *s, struct nft_batch *b, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct answer a = { .first = b->first };
	struct nlmsghdr *last;
	ssize_t n;

	if (b->failed)
		return err_set(e, ERR_LIMIT,
		    "nftables: a change of more than %zu bytes", b->max);
	if (b->nmsgs == 0)
		return 0;
	last = (struct nlmsghdr *)(void *)(b->data + b->last);
	last->nlmsg_flags |= NLM_F_ACK;
	a.acked = last->nlmsg_seq;
	nft_end_batch(b);
	if (b->failed)
		return err_set(e, ERR_LIMIT,
		    "nftables: a change of more than %zu bytes", b->max);

	do
		n = sendto(s->fd, b->data, b->len, 0,
		    (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "nftables: send %zu bytes", b->len);
	errno = drain(s, &a);
	if (errno != 0)
		return err_sys(
		    e, "nftables: message %u of %zu", a.at, b->nmsgs);
	s->ncommits++;
	return 0;
}
