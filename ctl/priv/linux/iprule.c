#include "rules_linux.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/own.h"

/*
 * Three rules for each family, in this order:
 *
 *	from NET iif lo goto END	the host's own packets
 *	from NET fwmark 0/GUARD prohibit
 *	END: nop			where they go on
 *
 * The mark is set in the table's chain `source`.
 */
struct fib {
	uint8_t action;
	uint32_t prio, to;
	bool own, unmarked;
};

static const struct fib fibs[] = {
	{ FR_ACT_NOP, RULES_PRIO_END, 0, false, false },
	{ FR_ACT_GOTO, RULES_PRIO_OWN, RULES_PRIO_END, true, false },
	{ FR_ACT_PROHIBIT, RULES_PRIO_GUARD, 0, false, true },
};

static void
put_fib(struct nlmsghdr *h, const struct fib *f, const struct np_prefix *net)
{
	struct fib_rule_hdr *r = mnl_nlmsg_put_extra_header(h, sizeof(*r));
	uint8_t bytes[16];
	bool v4 = net->family == NP_V4;

	np_addr_bytes((struct np_addr){ net->addr, net->family }, bytes);
	r->family = v4 ? AF_INET : AF_INET6;
	r->action = f->action;
	r->src_len = net->len;
	mnl_attr_put(h, FRA_SRC, v4 ? 4 : 16, bytes);
	mnl_attr_put_u32(h, FRA_PRIORITY, f->prio);
	if (f->action == FR_ACT_GOTO)
		mnl_attr_put_u32(h, FRA_GOTO, f->to);
	if (f->own)
		mnl_attr_put_strz(h, FRA_IIFNAME, "lo");
	if (f->unmarked) {
		mnl_attr_put_u32(h, FRA_FWMARK, 0);
		mnl_attr_put_u32(h, FRA_FWMASK, NFT_MARK_GUARD);
	}
}

/* 0, or the errno of the kernel's answer. */
static int
ask(int fd, struct nlmsghdr *h)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char buf[4096];
	ssize_t n;

	if (sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&kernel,
		sizeof(kernel)) < 0)
		return errno;
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		return errno;
	h = (struct nlmsghdr *)(void *)buf;
	if (!mnl_nlmsg_ok(h, (int)n) || h->nlmsg_type != NLMSG_ERROR)
		return EPROTO;
	return -((struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
}

static int
one(int fd, uint16_t type, const struct fib *f, const struct np_prefix *net)
{
	char buf[512];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWRULE)
		h->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	h->nlmsg_seq = 1;
	put_fib(h, f, net);
	return ask(fd, h);
}

/* How many were done: the others are as they should be already. */
static int
all(const struct conf *cf, uint16_t type, int fine, struct err *e)
{
	int done = 0;

	const struct np_prefix *nets[] = { &cf->net4, &cf->net6 };
	autoclose int fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return err_sys(e, "routing rules");
	for (size_t i = 0; i < (cf->ipv6 ? 2 : 1); i++)
		for (size_t k = 0; k < countof(fibs); k++) {
			int rc = one(fd, type, &fibs[k], nets[i]);

			done += rc == 0;
			if (rc == 0 || rc == fine)
				continue;
			errno = rc;
			return err_sys(e, "routing rule %u of IPv%d",
			    fibs[k].prio, (int)nets[i]->family);
		}
	return done;
}

int
iprule_add(const struct conf *cf, struct err *e)
{
	return all(cf, RTM_NEWRULE, EEXIST, e);
}

int
iprule_watch(int *fd, struct err *e)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	const int groups[] = { RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE };

	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&me, sizeof(me)) < 0)
		return err_sys(e, "routing rules: events");
	for (size_t i = 0; i < countof(groups); i++)
		if (setsockopt(*fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			&groups[i], sizeof(groups[i])) < 0)
			return err_sys(e, "routing rules: events");
	return 0;
}

int
iprule_remove(const struct conf *cf, struct err *e)
{
	return all(cf, RTM_DELRULE, ENOENT, e) < 0 ? -1 : 0;
}
