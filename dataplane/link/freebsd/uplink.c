#include "link/link.h"

#include <sys/types.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/sysctl.h>

#include "base/own.h"

/*
 * FreeBSD forwards on all interfaces or on none, and that is the operator's
 * to decide: what is looked for here is the MTU alone.
 */

enum { MTU_DEFAULT = 1500, MTU_LEAST = 1280, DUMP_MAX = 64 * 1024 * 1024 };

bool
link_has_ipv6(void)
{
	autoclose int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0;
}

/* All routes of a family; the caller's to free. */
static char *
dump(int family, size_t *len)
{
	int mib[] = { CTL_NET, PF_ROUTE, 0, family, NET_RT_DUMP, 0 };
	char *buf;

	if (sysctl(mib, countof(mib), NULL, len, NULL, 0) < 0 ||
	    *len > DUMP_MAX)
		return NULL;
	*len += *len / 8 + 4096; /* it may grow meanwhile */
	buf = malloc(*len);
	if (buf != NULL && sysctl(mib, countof(mib), buf, len, NULL, 0) < 0) {
		free(buf);
		return NULL;
	}
	return buf;
}

static bool
all_zero(const void *p, size_t n)
{
	const char *c = p;

	for (size_t i = 0; i < n; i++)
		if (c[i] != 0)
			return false;
	return true;
}

/* Where every address leads; the destination is the first that is told. */
static bool
is_default(const struct rt_msghdr *h)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;
	const char *dst = (const char *)(h + 1);

	if ((h->rtm_addrs & RTA_DST) == 0 || (h->rtm_flags & RTF_HOST) != 0 ||
	    (h->rtm_flags & RTF_GATEWAY) == 0 ||
	    h->rtm_msglen < sizeof(*h) + sizeof(in4))
		return false;
	memcpy(&in4, dst, sizeof(in4));
	if (in4.sin_family == AF_INET)
		return in4.sin_addr.s_addr == 0;
	if (in4.sin_family != AF_INET6 ||
	    h->rtm_msglen < sizeof(*h) + sizeof(in6))
		return false;
	memcpy(&in6, dst, sizeof(in6));
	return all_zero(&in6.sin6_addr, sizeof(in6.sin6_addr));
}

static uint32_t
mtu_of(unsigned index)
{
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	if (fd < 0 || if_indextoname(index, r.ifr_name) == NULL ||
	    ioctl(fd, SIOCGIFMTU, &r) < 0)
		return 0;
	return (uint32_t)r.ifr_mtu;
}

static void
look(int family, uint32_t *least)
{
	size_t len = 0;
	autofree char *buf = dump(family, &len);
	struct rt_msghdr h;

	for (size_t at = 0; buf != NULL && at + sizeof(h) <= len;
	     at += h.rtm_msglen) {
		uint32_t mtu;

		memcpy(&h, buf + at, sizeof(h));
		if (h.rtm_msglen < sizeof(h) || h.rtm_msglen > len - at)
			return;
		if (!is_default((const void *)(buf + at)))
			continue;
		mtu = mtu_of(h.rtm_index);
		if (mtu >= MTU_LEAST && (*least == 0 || mtu < *least))
			*least = mtu;
	}
}

int
link_uplinks(bool ipv6, uint32_t *mtu, struct err *e)
{
	uint32_t least = 0;

	(void)e;
	look(AF_INET, &least);
	if (ipv6)
		look(AF_INET6, &least);
	*mtu = least == 0 ? MTU_DEFAULT : least;
	return 0;
}
