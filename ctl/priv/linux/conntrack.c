/*
 * conntrack.c - the connections that one slot has opened, as conntrack has
 * them.  Even where the kernel picks them out, it walks its whole table for
 * that: so this runs in a thread of its own, and no policy waits for it.
 */
#include "rules_linux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/own.h"
#include "nft/linux/attr.h"

enum {
	DUMP_BYTES = 64 * 1024,
	BY_SOURCE = 1 << 0, /* CTA_FILTER: compare the source address */
};

struct list {
	struct np_addr from;
	struct rules_flow *v;
	uint32_t n, cap;
};

/* --- one connection ---------------------------------------------------------
 */

static uint64_t
number(const struct nlattr *a)
{
	const uint8_t *p;
	uint64_t n = 0;

	if (a == NULL || mnl_attr_get_payload_len(a) > sizeof(n))
		return 0;
	p = mnl_attr_get_payload(a);
	for (uint16_t i = 0; i < mnl_attr_get_payload_len(a); i++)
		n = n << 8 | p[i];
	return n;
}

static bool
address(const struct nlattr *ip, uint16_t v4, uint16_t v6, enum np_family f,
    struct np_addr *out)
{
	const struct nlattr *a = attr_find_in(ip, f == NP_V4 ? v4 : v6);

	if (a == NULL || mnl_attr_get_payload_len(a) != (f == NP_V4 ? 4 : 16))
		return false;
	*out = np_addr_from_bytes(f, mnl_attr_get_payload(a));
	return true;
}

/* What it was before any translation; false if it is not the slot's. */
static bool
take_tuple(
    const struct nlattr *tuple, struct np_addr slot, struct rules_flow *f)
{
	const struct nlattr *ip = attr_find_in(tuple, CTA_TUPLE_IP);
	const struct nlattr *proto = attr_find_in(tuple, CTA_TUPLE_PROTO);
	struct np_addr from, to;

	if (!address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, slot.family, &from) ||
	    !address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, slot.family, &to) ||
	    from.n != slot.n)
		return false;
	np_addr_bytes(to, f->to);
	f->family = (uint8_t)to.family;
	f->proto = (uint8_t)number(attr_find_in(proto, CTA_PROTO_NUM));
	f->port = (uint16_t)number(attr_find_in(proto, CTA_PROTO_DST_PORT));
	f->from_port =
	    (uint16_t)number(attr_find_in(proto, CTA_PROTO_SRC_PORT));
	return true;
}

static void
take_counters(const struct nlattr *a, uint64_t *packets, uint64_t *bytes)
{
	*packets = number(attr_find_in(a, CTA_COUNTERS_PACKETS));
	*bytes = number(attr_find_in(a, CTA_COUNTERS_BYTES));
}

static void
take_attr(const struct nlattr *a, struct rules_flow *f)
{
	switch (mnl_attr_get_type(a)) {
	case CTA_MARK:
		f->gen = (uint32_t)number(a);
		break;
	case CTA_TIMEOUT:
		f->timeout_s = (uint32_t)number(a);
		break;
	case CTA_STATUS:
		f->replied = (number(a) & IPS_SEEN_REPLY) != 0;
		break;
	case CTA_PROTOINFO:
		f->state = (uint8_t)number(
		    attr_find_in(attr_find_in(a, CTA_PROTOINFO_TCP),
			CTA_PROTOINFO_TCP_STATE));
		break;
	case CTA_COUNTERS_ORIG:
		take_counters(a, &f->sent_packets, &f->sent_bytes);
		break;
	case CTA_COUNTERS_REPLY:
		take_counters(a, &f->got_packets, &f->got_bytes);
		break;
	default:
		break;
	}
}

static int
grow(struct list *l)
{
	uint32_t cap = l->cap == 0 ? 64 : l->cap * 2;
	void *p = realloc(l->v, cap * sizeof(l->v[0]));

	if (p == NULL)
		return -1;
	l->v = p;
	l->cap = cap;
	return 0;
}

static int
on_flow(const struct nlmsghdr *h, void *arg)
{
	struct list *l = arg;
	struct rules_flow f = { .gen = 0 };
	const struct nlattr *a;
	bool ours = false;

	attr_for_each (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
			ours = take_tuple(a, l->from, &f);
		take_attr(a, &f);
	}
	if (!ours || l->n == RULES_FLOWS_MAX)
		return MNL_CB_OK;
	if (l->n == l->cap && grow(l) < 0)
		return MNL_CB_ERROR;
	l->v[l->n++] = f;
	return MNL_CB_OK;
}

/* --- all of a slot ----------------------------------------------------------
 */

/* The kernel compares for us. */
static void
put_filter(struct nlmsghdr *h, const uint8_t from4[4])
{
	struct nlattr *tuple = mnl_attr_nest_start(h, CTA_TUPLE_ORIG);
	struct nlattr *ip = mnl_attr_nest_start(h, CTA_TUPLE_IP);
	struct nlattr *filter;

	mnl_attr_put(h, CTA_IP_V4_SRC, 4, from4);
	mnl_attr_nest_end(h, ip);
	mnl_attr_nest_end(h, tuple);
	filter = mnl_attr_nest_start(h, CTA_FILTER);
	mnl_attr_put_u32(h, CTA_FILTER_ORIG_FLAGS, BY_SOURCE);
	mnl_attr_put_u32(h, CTA_FILTER_REPLY_FLAGS, 0);
	mnl_attr_nest_end(h, filter);
}

/*
 * Only of IPv4: of IPv6, kernels to 6.18 at least leave out those that have
 * the address, and give all others.
 */
static const struct nlmsghdr *
put_question(char *buf, struct np_addr from)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;
	uint8_t b[16];

	h->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = from.family == NP_V4 ? AF_INET : AF_INET6;
	np_addr_bytes(from, b);
	if (from.family == NP_V4)
		put_filter(h, b);
	return h;
}

static int
dump(struct list *l, struct np_addr from, struct err *e)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	autoclose int fd = -1;
	char buf[DUMP_BYTES];
	const struct nlmsghdr *h = put_question(buf, from);
	int rc = MNL_CB_OK;

	if (rules_socket(&fd, e) < 0)
		return -1;
	if (sendto(fd, h, h->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		sizeof(kernel)) < 0)
		return err_sys(e, "conntrack");
	l->from = from;
	while (rc == MNL_CB_OK) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "conntrack");
		rc = mnl_cb_run(buf, (size_t)n, 1, 0, on_flow, l);
	}
	return rc < 0 ? err_sys(e, "conntrack") : 0;
}

int
rules_kernel_flows(const struct np_addr *from, size_t nfrom, uint32_t gen,
    struct rules_flow **v, uint32_t *n, struct err *e)
{
	struct list l = { .n = 0 };

	(void)gen; /* each flow's mark says its own */
	for (size_t i = 0; i < nfrom; i++)
		if (dump(&l, from[i], e) < 0) {
			free(l.v);
			return -1;
		}
	*v = l.v;
	*n = l.n;
	return 0;
}
