#include "dump.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include "attr.h"

/* A dump during which somebody changed something is asked for again. */
#define DUMP_TRIES 20

struct nlmsghdr *
nft_ask(struct nft_sock *s, char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = s->seq++;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	g->version = NFNETLINK_V0;
	return h;
}

struct reading {
	uint32_t seq;
	bool done, interrupted;
	int error;
};

static int
take(const struct nft_sock *s, size_t len, struct reading *r, nft_on_msg *on,
    void *arg, struct err *e)
{
	const struct nlmsghdr *h = (const void *)s->room;
	int left = (int)len;

	for (; nlmsg_fits(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlmsgerr *why = mnl_nlmsg_get_payload(h);

		if (h->nlmsg_seq != r->seq)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			r->interrupted = true;
		if (h->nlmsg_type == NLMSG_DONE ||
		    h->nlmsg_type == NLMSG_ERROR) {
			r->done = true;
			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (mnl_nlmsg_get_payload_len(h) < sizeof(*why))
				return err_set(
				    e, ERR_BUG, "nftables: a short error");
			r->error = -why->error;
			continue;
		}
		if (mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg)) {
			r->done = true;
			return err_set(e, ERR_BUG, "nftables: a short answer");
		}
		if (!r->interrupted && on(arg, h, e) < 0)
			return -1;
		if (!(h->nlmsg_flags & NLM_F_MULTI))
			r->done = true;
	}
	return 0;
}

/* Reads to the end, whatever happens, so that the socket stays in step. */
static int
read_answer(struct nft_sock *s, struct reading *r, nft_on_msg *on, void *arg,
    struct err *e)
{
	int rc = 0;

	while (!r->done) {
		ssize_t n = recv(s->fd, s->room, NFT_ANSWER_ROOM, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "nftables: read");
		if (rc == 0)
			rc = take(s, (size_t)n, r, on, arg, e);
		else
			(void)take(s, (size_t)n, r, nft_ignore, NULL, e);
	}
	return rc;
}

int
nft_ignore(void *arg, const struct nlmsghdr *h, struct err *e)
{
	(void)arg;
	(void)h;
	(void)e;
	return 0;
}

int
nft_read(struct nft_sock *s, struct nlmsghdr *ask, nft_on_msg *on,
    void (*again)(void *arg), void *arg, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	for (int i = 0; i < DUMP_TRIES; i++) {
		struct reading r = { .seq = ask->nlmsg_seq };

		if (sendto(s->fd, ask, ask->nlmsg_len, 0,
			(struct sockaddr *)&kernel, sizeof(kernel)) < 0)
			return err_sys(e, "nftables: ask");
		if (read_answer(s, &r, on, arg, e) < 0)
			return -1;
		if (r.error != 0) {
			errno = r.error;
			return err_sys(e, "nftables: read");
		}
		if (!r.interrupted)
			return 0;
		if (again != NULL)
			again(arg);
		ask->nlmsg_seq = s->seq++;
	}
	return err_set(e, ERR_BUSY,
	    "nftables: the rules changed %d times while being read",
	    DUMP_TRIES);
}

bool
nft_is_ours(const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (g->nfgen_family != NFPROTO_INET)
		return false;
	/* The table's name is attribute 1 in every kind of message. */
	attr_for_each (a, h, sizeof(*g)) {
		if (mnl_attr_get_type(a) == 1)
			return mnl_attr_get_payload_len(a) ==
				   sizeof(NFT_TABLE) &&
			       memcmp(mnl_attr_get_payload(a), NFT_TABLE,
				   sizeof(NFT_TABLE)) == 0;
	}
	return false;
}
