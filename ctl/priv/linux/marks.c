#include "rules_linux.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/own.h"
#include "nft/linux/attr.h"

struct search {
	const struct conf *cf;
	uint32_t highest;
};

static bool
is_sandbox(const struct conf *cf, const struct nlattr *ip)
{
	const struct nlattr *a4 = attr_find_in(ip, CTA_IP_V4_SRC);
	const struct nlattr *a6 = attr_find_in(ip, CTA_IP_V6_SRC);

	if (a4 != NULL && mnl_attr_get_payload_len(a4) == 4)
		return np_prefix_has(&cf->net4,
		    np_addr_from_bytes(NP_V4, mnl_attr_get_payload(a4)));
	if (a6 != NULL && mnl_attr_get_payload_len(a6) == 16)
		return np_prefix_has(&cf->net6,
		    np_addr_from_bytes(NP_V6, mnl_attr_get_payload(a6)));
	return false;
}

static int
on_flow(const struct nlmsghdr *h, void *arg)
{
	struct search *s = arg;
	const struct nlattr *a, *ip = NULL;
	uint32_t mark = 0;

	attr_for_each (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == CTA_MARK)
			mark = ntohl(mnl_attr_get_u32(a));
		if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
			ip = attr_find_in(a, CTA_TUPLE_IP);
	}
	if (mark > s->highest && mark <= INT32_MAX && is_sandbox(s->cf, ip))
		s->highest = mark;
	return MNL_CB_OK;
}

int
marks_highest(const struct conf *cf, uint32_t *mark, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct search s = { cf, *mark };
	autoclose int fd = -1;
	char buf[16 * 1024];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	int rc = MNL_CB_OK;

	if (rules_socket(&fd, e) < 0)
		return -1;
	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	if (sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&kernel,
		sizeof(kernel)) < 0)
		return err_sys(e, "conntrack");
	while (rc == MNL_CB_OK) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "conntrack");
		rc = mnl_cb_run(buf, (size_t)n, 1, 0, on_flow, &s);
	}
	if (rc < 0)
		return err_sys(e, "conntrack");
	*mark = s.highest;
	return 0;
}
