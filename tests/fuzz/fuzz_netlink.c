/*
 * What the kernel answers, or whoever speaks for it: every reader of the
 * table is fed hostile messages, ends, and keeps its lists in order.  No socket
 * is read: send and receive are ours.  Chains, sets and rules are read by
 * libnftnl, which ends the process at an attribute that it does not know; so
 * nft_read_all() gets good ones, and hostile elements behind them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "nft/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t *input;
static size_t left;
static uint32_t seq; /* of the last question */
static uint16_t asked;
static int answers;
static struct nft_batch good; /* the table as it should be */
static const struct nlmsghdr *next_good;

enum { ANSWERS_MAX = 64 };

static void
make_good(const struct nft_conf *c)
{
	struct nft_slot s;

	nft_slot_default(7, &s);
	nft_batch_init(&good, 16 << 20);
	nft_batch_begin(&good);
	nft_put_base(&good, c);
	nft_put_slot(&good, c, &s);
}

/* The next of its messages of that type, as an answer; 0: there is none. */
static size_t
serve_good(void *room, uint16_t type)
{
	const struct nlmsghdr *end = (const void *)(good.data + good.len);

	while (next_good < end) {
		const struct nlmsghdr *m = next_good;
		struct nlmsghdr h = *m;

		next_good =
		    (const void *)((const char *)m + NLMSG_ALIGN(m->nlmsg_len));
		if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | type))
			continue;
		memcpy(room, m, m->nlmsg_len);
		h.nlmsg_seq = seq;
		h.nlmsg_flags = NLM_F_MULTI;
		memcpy(room, &h, sizeof(h));
		return NLMSG_ALIGN(h.nlmsg_len);
	}
	return 0;
}

ssize_t
sendto(int fd, const void *msg, size_t len, int flags,
    const struct sockaddr *to, socklen_t tolen)
{
	const struct nlmsghdr *h = msg;

	(void)fd;
	(void)flags;
	(void)to;
	(void)tolen;
	if (len < sizeof(*h))
		abort();
	seq = h->nlmsg_seq;
	asked = h->nlmsg_type & 0xff;
	next_good = (const void *)good.data;
	return (ssize_t)len;
}

/* Two bytes of length and that much; its messages answer the question. */
ssize_t
recv(int fd, void *room, size_t size, int flags)
{
	size_t len = 0, at = 0;
	struct nlmsghdr h;

	(void)fd;
	(void)flags;
	if (good.data != NULL && asked == NFT_MSG_GETCHAIN)
		len = serve_good(room, NFT_MSG_NEWCHAIN);
	else if (good.data != NULL && asked == NFT_MSG_GETSET)
		len = serve_good(room, NFT_MSG_NEWSET);
	else if (good.data != NULL && asked == NFT_MSG_GETRULE)
		len = serve_good(room, NFT_MSG_NEWRULE);
	else if (left >= 2 && answers++ < ANSWERS_MAX) {
		len = (size_t)input[0] | (size_t)input[1] << 8;
		input += 2;
		left -= 2;
		if (len > left)
			len = left;
		if (len > size)
			len = size;
		memcpy(room, input, len);
		input += len;
		left -= len;
	}
	while (at + sizeof(h) <= len) {
		memcpy(&h, (char *)room + at, sizeof(h));
		h.nlmsg_seq = seq;
		memcpy((char *)room + at, &h, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			break;
		at += NLMSG_ALIGN(h.nlmsg_len);
	}
	if (len > 0)
		return (ssize_t)len;
	h = (struct nlmsghdr){ .nlmsg_len = NLMSG_LENGTH(sizeof(int)),
		.nlmsg_type = NLMSG_DONE,
		.nlmsg_seq = seq };
	memset(room, 0, h.nlmsg_len);
	memcpy(room, &h, sizeof(h));
	return (ssize_t)h.nlmsg_len;
}

static void
on_two(struct nft_found *f, uint32_t slot, uint32_t value)
{
	(void)f;
	(void)slot;
	(void)value;
}

static void
on_ports(struct nft_found *f, uint32_t slot)
{
	(void)f;
	(void)slot;
}

static void
want_slot(struct nft_found *f, uint32_t slot, struct nft_slot *s)
{
	(void)f;
	nft_slot_default(slot, s);
}

static void
read_reach(struct nft_sock *s, bool ports)
{
	uint32_t ids[NP_NCLASSES];
	struct np_reach r;
	struct err e;
	bool odd;

	if (nft_read_reach(s, 7, true, ports, &r, ids, &odd, &e) < 0)
		return;
	for (size_t i = 1; !odd && i < r.ok4.n; i++)
		if (ports && r.ok4.v[i - 1].range.hi >= r.ok4.v[i].range.lo)
			abort();
	np_reach_fini(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char room[64 * 1024];
	struct nft_sock s = { .fd = -1, .seq = 1, .room = room };
	struct nft_found f = { on_two, on_ports, on_two, want_slot };
	struct nft_conf c;
	uint64_t number;
	struct err e;
	uint32_t id;

	if (n < 1)
		return 0;
	input = data + 1;
	left = n - 1;
	answers = 0;
	switch (data[0] % 6) {
	case 0:
		(void)nft_read_genid(&s, &id, &e);
		break;
	case 1:
		(void)nft_read_table(&s, &number, &e);
		break;
	case 2:
		read_reach(&s, false);
		break;
	case 3:
		read_reach(&s, true);
		break;
	case 4:
		(void)nft_read_allowed(&s, 7, &number, &e);
		break;
	default:
		nft_conf_default(&c);
		make_good(&c);
		(void)nft_read_all(&s, &c, &f, &e);
		nft_batch_fini(&good);
		break;
	}
	return 0;
}
