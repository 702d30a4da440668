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
 * What was there, in each family, with the priorities 1917 to 1919:
 *
 *	from NET iif lo goto END
 *	from NET fwmark 0/0x40000000 prohibit
 *	END: nop
 *
 * Somebody else's rule with such a number looks different, and stays.
 */
enum { PRIO_OWN = 1917, PRIO_GUARD, PRIO_END, MARK = 0x40000000 };

struct fib {
	uint8_t action;
	uint32_t prio;
};

static const struct fib fibs[] = {
	{ FR_ACT_PROHIBIT, PRIO_GUARD },
	{ FR_ACT_GOTO, PRIO_OWN },
	{ FR_ACT_NOP, PRIO_END },
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
	if (f->action == FR_ACT_GOTO) {
		mnl_attr_put_u32(h, FRA_GOTO, PRIO_END);
		mnl_attr_put_strz(h, FRA_IIFNAME, "lo");
	}
	if (f->action == FR_ACT_PROHIBIT) {
		mnl_attr_put_u32(h, FRA_FWMARK, 0);
		mnl_attr_put_u32(h, FRA_FWMASK, MARK);
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
remove_one(int fd, const struct fib *f, const struct np_prefix *net)
{
	char buf[512];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	int rc;

	h->nlmsg_type = RTM_DELRULE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	put_fib(h, f, net);
	rc = ask(fd, h);
	/* A kernel without rules, or without this family, has none of ours. */
	return rc == ENOENT || rc == EAFNOSUPPORT || rc == EOPNOTSUPP ? 0 : rc;
}

int
iprule_old_remove(const struct conf *cf, struct err *e)
{
	const struct np_prefix *nets[] = { &cf->net4, &cf->net6 };
	autoclose int fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return err_sys(e, "routing rules");
	for (size_t i = 0; i < (cf->ipv6 ? 2 : 1); i++)
		for (size_t k = 0; k < countof(fibs); k++) {
			int rc = remove_one(fd, &fibs[k], nets[i]);

			if (rc == 0)
				continue;
			errno = rc;
			return err_sys(e, "old routing rule %u of IPv%d",
			    fibs[k].prio, (int)nets[i]->family);
		}
	return 0;
}
