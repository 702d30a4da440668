#include "nl.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"

int
nl_open(struct err *e)
{
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return err_sys(e, "netlink socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(
	    fd, SOL_NETLINK, NETLINK_CAP_ACK, &(int){ 1 }, sizeof(int));
	return fd;
}

void
nl_batch_init(struct nl_batch *b)
{
	b->msg = NULL;
	b->nmsgs = 0;
}

static char *
end_of(struct nl_batch *b)
{
	return b->msg == NULL ? b->room
			      : (char *)b->msg + MNL_ALIGN(b->msg->nlmsg_len);
}

void *
nl_msg(struct nl_batch *b, uint16_t type, uint16_t flags, size_t len)
{
	char *at = end_of(b);

	/* The messages are ours, and their lengths known. */
	assert(at + NL_BATCH_LAST <= b->room + sizeof(b->room));
	b->msg = mnl_nlmsg_put_header(at);
	b->msg->nlmsg_type = type;
	b->msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	b->msg->nlmsg_seq = (uint32_t)++b->nmsgs;
	return mnl_nlmsg_put_extra_header(b->msg, len);
}

/* How many answers are in it; the first refusal goes to *refused. */
static size_t
answers(const char *buf, size_t n, int *refused, uint32_t *which)
{
	const struct nlmsghdr *h = (const void *)buf;
	int left = (int)n;
	size_t seen = 0;

	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlmsgerr *err;

		if (h->nlmsg_type != NLMSG_ERROR)
			continue;
		err = mnl_nlmsg_get_payload(h);
		seen++;
		if (err->error != 0 && *refused == 0) {
			*refused = -err->error;
			*which = h->nlmsg_seq;
		}
	}
	return seen;
}

int
nl_batch_run(int fd, struct nl_batch *b, struct err *e)
{
	const size_t len = (size_t)(end_of(b) - b->room);
	_Alignas(8) char buf[8192];
	uint32_t which = 0;
	int refused = 0;

	if (send(fd, b->room, len, 0) < 0)
		return err_sys(e, "netlink send");
	for (size_t seen = 0; seen < b->nmsgs;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "netlink answer");
		seen += answers(buf, (size_t)n, &refused, &which);
	}
	if (refused == 0)
		return 0;
	errno = refused;
	return err_sys(e, "netlink request %u of %zu", which, b->nmsgs);
}
