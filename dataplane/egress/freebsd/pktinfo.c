#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/own.h"
#include "egress/egress_int.h"

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

int
pktinfo_enable(int fd, int family)
{
	int on = 1;

	if (family == AF_INET)
		return setsockopt(
		    fd, IPPROTO_IP, IP_RECVDSTADDR, &on, sizeof(on));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

static void
take_local(struct cmsghdr *c, struct sockaddr_storage *local)
{
	struct sockaddr_in *s4 = (struct sockaddr_in *)(void *)local;
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)(void *)local;

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVDSTADDR) {
		s4->sin_family = AF_INET;
		memcpy(&s4->sin_addr, CMSG_DATA(c), sizeof(s4->sin_addr));
	} else if (c->cmsg_level == IPPROTO_IPV6 &&
		   c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo i;

		memcpy(&i, CMSG_DATA(c), sizeof(i));
		s6->sin6_family = AF_INET6;
		s6->sin6_addr = i.ipi6_addr;
	}
}

ssize_t
pktinfo_recv(int fd, void *p, size_t cap, struct sockaddr_storage *peer,
    struct sockaddr_storage *local)
{
	union control ctl;
	struct iovec v = { p, cap };
	struct msghdr m = { .msg_name = peer,
		.msg_namelen = sizeof(*peer),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl) };
	ssize_t n;

	memset(local, 0, sizeof(*local));
	n = recvmsg(fd, &m, 0);
	if (n < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL;
	     c = CMSG_NXTHDR(&m, c))
		take_local(c, local);
	/* What came before pktinfo_enable() does not say where to. */
	if (local->ss_family == AF_UNSPEC) {
		socklen_t len = sizeof(*local);

		(void)getsockname(fd, (struct sockaddr *)(void *)local, &len);
	}
	return n;
}

/* The sockets are bound to the one address that queries are led to. */
ssize_t
pktinfo_send(int fd, const void *p, size_t n,
    const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
	(void)local;
	return sendto(fd, p, n, MSG_NOSIGNAL,
	    (const struct sockaddr *)(const void *)peer, peer->ss_len);
}

/* pf leads IPv4 to 127.0.0.1, IPv6 to the resolver's own address. */
bool
pktinfo_is_ours(const struct egress *g, struct np_addr local)
{
	if (local.family == NP_V6)
		return np_prefix_has(&g->net6, local);
	return local.n == (np_u128)0x7f000001;
}
