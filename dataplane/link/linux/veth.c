#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "nl.h"

/* Absent from the headers of Debian 12's kernel; same numbers since 2012. */
#define AF_SPEC_GEN_NONE 1 /* IN6_ADDR_GEN_MODE_NONE */

static int
enter(int ns, struct err *e)
{
	if (setns(ns, CLONE_NEWNET) < 0)
		return err_sys(e, "enter network namespace");
	return 0;
}

static int
index_of(int nl, const char *name, struct err *e)
{
	struct ifreq r = { 0 };

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(nl, SIOCGIFINDEX, &r) < 0)
		return err_sys(e, "index of %s", name);
	return r.ifr_ifindex;
}

static int
make_pair(int nl, int sandbox_ns, const struct link_spec *s, struct err *e)
{
	struct nlattr *info, *data, *peer;
	struct nl_batch b;

	nl_batch_init(&b);
	(void)nl_msg(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
	    sizeof(struct ifinfomsg));
	mnl_attr_put_strz(b.msg, IFLA_IFNAME, s->addr.name);
	mnl_attr_put(b.msg, IFLA_ADDRESS, LINK_MAC_LEN, s->addr.host_mac);
	mnl_attr_put_u32(b.msg, IFLA_MTU, s->mtu);
	mnl_attr_put_u32(b.msg, IFLA_GROUP, LINK_GROUP);
	mnl_attr_put_u32(b.msg, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(b.msg, IFLA_NUM_RX_QUEUES, 1);
	info = mnl_attr_nest_start(b.msg, IFLA_LINKINFO);
	mnl_attr_put_strz(b.msg, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(b.msg, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(b.msg, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(b.msg, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(b.msg, IFLA_IFNAME, "eth0");
	mnl_attr_put(b.msg, IFLA_ADDRESS, LINK_MAC_LEN, s->addr.sb_mac);
	mnl_attr_put_u32(b.msg, IFLA_MTU, s->mtu);
	mnl_attr_put_u32(b.msg, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(b.msg, IFLA_NUM_RX_QUEUES, 1);
	mnl_attr_put_u32(b.msg, IFLA_NET_NS_FD, (uint32_t)sandbox_ns);
	mnl_attr_nest_end(b.msg, peer);
	mnl_attr_nest_end(b.msg, data);
	mnl_attr_nest_end(b.msg, info);
	if (nl_batch_run(nl, &b, e) < 0) {
		if (e->sys_errno == EEXIST || e->sys_errno == EBUSY)
			e->kind = ERR_BUSY;
		return err_wrap(e, "link %s", s->addr.name);
	}
	return 0;
}

/*
 * What /proc/sys/net/ipv4/conf/NAME would say, without opening a file for
 * each; and no IPv6 address that nobody asked for.
 */
static void
put_settings(struct nl_batch *b, int index, bool host)
{
	static const struct {
		uint16_t what;
		uint32_t host, sandbox;
	} v4[] = {
		{ IPV4_DEVCONF_FORWARDING, 1, 0 },
		/* The table's chain `source` knows better, for both families */
		{ IPV4_DEVCONF_RP_FILTER, 0, 0 },
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0, 0 },
		{ IPV4_DEVCONF_SECURE_REDIRECTS, 0, 0 },
		{ IPV4_DEVCONF_SEND_REDIRECTS, 0, 0 },
		{ IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, 0, 0 },
		{ IPV4_DEVCONF_PROXY_ARP, 0, 0 },
		{ IPV4_DEVCONF_ARP_IGNORE, 8, 8 }, /* answers nobody */
	};
	struct nlattr *spec, *family, *conf;
	struct ifinfomsg *ifi;

	ifi = nl_msg(b, RTM_SETLINK, 0, sizeof(*ifi));
	ifi->ifi_index = index;
	spec = mnl_attr_nest_start(b->msg, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(b->msg, AF_INET);
	conf = mnl_attr_nest_start(b->msg, IFLA_INET_CONF);
	for (size_t i = 0; i < countof(v4); i++)
		mnl_attr_put_u32(
		    b->msg, v4[i].what, host ? v4[i].host : v4[i].sandbox);
	mnl_attr_nest_end(b->msg, conf);
	mnl_attr_nest_end(b->msg, family);
	if (link_has_ipv6()) {
		family = mnl_attr_nest_start(b->msg, AF_INET6);
		mnl_attr_put_u8(
		    b->msg, IFLA_INET6_ADDR_GEN_MODE, AF_SPEC_GEN_NONE);
		mnl_attr_nest_end(b->msg, family);
	}
	mnl_attr_nest_end(b->msg, spec);
}

static void
put_up(struct nl_batch *b, int index, unsigned flags)
{
	struct ifinfomsg *ifi = nl_msg(b, RTM_SETLINK, 0, sizeof(*ifi));

	ifi->ifi_index = index;
	ifi->ifi_flags = flags;
	ifi->ifi_change = flags;
}

static void
put_address(struct nl_batch *b, uint16_t type, const struct np_addr *a)
{
	uint8_t bytes[16];

	np_addr_bytes(*a, bytes);
	mnl_attr_put(b->msg, type, a->family == NP_V6 ? 16 : 4, bytes);
}

static void
put_addr(struct nl_batch *b, int index, const struct np_addr *a)
{
	const bool v6 = a->family == NP_V6;
	struct ifaddrmsg *ifa =
	    nl_msg(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*ifa));

	ifa->ifa_family = v6 ? AF_INET6 : AF_INET;
	ifa->ifa_prefixlen = v6 ? 127 : 31;
	ifa->ifa_flags = v6 ? IFA_F_NODAD : 0;
	ifa->ifa_index = (unsigned)index;
	put_address(b, IFA_LOCAL, a);
	put_address(b, IFA_ADDRESS, a);
}

static void
put_neighbour(struct nl_batch *b, int index, const struct np_addr *a,
    const uint8_t mac[LINK_MAC_LEN])
{
	const bool v6 = a->family == NP_V6;
	struct ndmsg *nd =
	    nl_msg(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*nd));

	nd->ndm_family = v6 ? AF_INET6 : AF_INET;
	nd->ndm_ifindex = index;
	nd->ndm_state = NUD_PERMANENT;
	put_address(b, NDA_DST, a);
	mnl_attr_put(b->msg, NDA_LLADDR, LINK_MAC_LEN, mac);
}

/*
 * The sandbox addresses its frames to a group.  The kernel takes such, but
 * forwards none that is not for the host alone; our table's chain `source`
 * says that it is.  So where the table is gone, nothing is forwarded.
 */
static void
put_gateway(struct nl_batch *b, int index, const struct np_addr *a,
    const uint8_t host_mac[LINK_MAC_LEN])
{
	uint8_t group[LINK_MAC_LEN];

	memcpy(group, host_mac, sizeof(group));
	group[0] |= 1;
	put_neighbour(b, index, a, group);
}

static void
put_default_route(struct nl_batch *b, int index, const struct np_addr *via)
{
	const bool v6 = via->family == NP_V6;
	struct rtmsg *rt =
	    nl_msg(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*rt));

	rt->rtm_family = v6 ? AF_INET6 : AF_INET;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTPROT_STATIC;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_flags = RTNH_F_ONLINK;
	mnl_attr_put_u32(b->msg, RTA_OIF, (uint32_t)index);
	put_address(b, RTA_GATEWAY, via);
}

static int
host_end(int nl, const struct link_spec *s, struct err *e)
{
	const int index = index_of(nl, s->addr.name, e);
	struct nl_batch b;

	if (index < 0)
		return -1;
	nl_batch_init(&b);
	put_settings(&b, index, true);
	put_up(&b, index, IFF_UP | IFF_NOARP);
	put_addr(&b, index, &s->addr.host4);
	put_neighbour(&b, index, &s->addr.sb4, s->addr.sb_mac);
	if (s->ipv6) {
		put_addr(&b, index, &s->addr.host6);
		put_neighbour(&b, index, &s->addr.sb6, s->addr.sb_mac);
	}
	if (nl_batch_run(nl, &b, e) < 0)
		return err_wrap(e, "host end %s", s->addr.name);
	if (!s->ipv6)
		return 0;
	if (link_take_groups6(s->addr.name, e) < 0)
		return -1;
	return link_forward6(s->addr.name, e);
}

static int
sandbox_end(int nl, const struct link_spec *s, struct err *e)
{
	const int index = index_of(nl, "eth0", e);
	struct nl_batch b;

	if (index < 0)
		return -1;
	nl_batch_init(&b);
	put_up(&b, 1, IFF_UP); /* lo is always the first */
	put_settings(&b, index, false);
	put_up(&b, index, IFF_UP | IFF_NOARP);
	put_addr(&b, index, &s->addr.sb4);
	put_gateway(&b, index, &s->addr.host4, s->addr.host_mac);
	put_default_route(&b, index, &s->addr.host4);
	if (s->ipv6) {
		put_addr(&b, index, &s->addr.sb6);
		put_gateway(&b, index, &s->addr.host6, s->addr.host_mac);
		put_default_route(&b, index, &s->addr.host6);
	}
	if (nl_batch_run(nl, &b, e) < 0)
		return err_wrap(e, "sandbox end of %s", s->addr.name);
	return 0;
}

int
link_make(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	autoclose int host = -1, sandbox = -1;

	if (enter(ends->host_ns, e) < 0)
		return -1;
	host = nl_open(e);
	if (host < 0 || make_pair(host, ends->sandbox_ns, s, e) < 0 ||
	    host_end(host, s, e) < 0)
		return -1;
	if (enter(ends->sandbox_ns, e) < 0)
		return -1;
	sandbox = nl_open(e);
	if (sandbox < 0)
		return -1;
	return sandbox_end(sandbox, s, e);
}

static int
renew(const struct link_spec *s, struct err *e)
{
	autoclose int nl = nl_open(e);
	struct nl_batch b;
	int index;

	if (nl < 0)
		return -1;
	index = index_of(nl, "eth0", e);
	if (index < 0)
		return -1;
	nl_batch_init(&b);
	put_gateway(&b, index, &s->addr.host4, s->addr.host_mac);
	if (s->ipv6)
		put_gateway(&b, index, &s->addr.host6, s->addr.host_mac);
	return nl_batch_run(nl, &b, e);
}

int
link_renew(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	int rc;

	if (enter(ends->sandbox_ns, e) < 0)
		return -1;
	rc = renew(s, e);
	if (rc < 0)
		(void)err_wrap(e, "sandbox end of %s", s->addr.name);
	/* In a tenant's network everything after this would be wrong. */
	if (setns(ends->host_ns, CLONE_NEWNET) < 0)
		abort();
	return rc;
}
