#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

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
		return setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

static void
take_local(struct cmsghdr *c, struct sockaddr_storage *local)
{
	struct sockaddr_in *s4 = (struct sockaddr_in *)(void *)local;
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)(void *)local;

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo i;

		memcpy(&i, CMSG_DATA(c), sizeof(i));
		s4->sin_family = AF_INET;
		s4->sin_addr = i.ipi_addr;
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
	return n;
}

/* The interface is left to the routing table: the peer's is the only way. */
ssize_t
pktinfo_send(int fd, const void *p, size_t n,
    const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
	union control ctl;
	struct iovec v = { unconst(p), n };
	struct sockaddr_storage to = *peer;
	struct msghdr m = { .msg_name = &to,
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &ctl };
	struct in_pktinfo i4 = { 0 };
	struct in6_pktinfo i6;
	struct cmsghdr *c;

	memset(&ctl, 0, sizeof(ctl));
	if (peer->ss_family == AF_INET) {
		i4.ipi_spec_dst =
		    ((const struct sockaddr_in *)(const void *)local)->sin_addr;
		m.msg_namelen = sizeof(struct sockaddr_in);
		m.msg_controllen = CMSG_SPACE(sizeof(i4));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(i4));
		memcpy(CMSG_DATA(c), &i4, sizeof(i4));
	} else {
		memset(&i6, 0, sizeof(i6));
		i6.ipi6_addr =
		    ((const struct sockaddr_in6 *)(const void *)local)
			->sin6_addr;
		m.msg_namelen = sizeof(struct sockaddr_in6);
		m.msg_controllen = CMSG_SPACE(sizeof(i6));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(i6));
		memcpy(CMSG_DATA(c), &i6, sizeof(i6));
	}
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* The redirection keeps what is the slot's own end. */
bool
pktinfo_is_ours(const struct egress *g, struct np_addr local)
{
	return np_prefix_has(
	    local.family == NP_V4 ? &g->net4 : &g->net6, local);
}
