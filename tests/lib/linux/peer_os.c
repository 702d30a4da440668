#include "lib/peer_os.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <unistd.h>

void
peer_want_destination(int fd, int family)
{
	int on = 1;

	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	else
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

void
peer_answer(struct msghdr *m)
{
	(void)m; /* it is that already */
}

void
peer_any_source(int fd, int family)
{
	int on = 1;

	(void)family; /* one option for both */
	(void)setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on));
}

int
peer_ping(const struct sockaddr *to, socklen_t len)
{
	bool v4 = to->sa_family == AF_INET;
	int fd = socket(
	    to->sa_family, SOCK_DGRAM, v4 ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	struct icmphdr m4 = { .type = ICMP_ECHO };
	struct icmp6_hdr m6 = { .icmp6_type = ICMP6_ECHO_REQUEST };
	struct timeval t = { 1, 0 };
	char b[256];
	int error = 0;

	if (fd < 0)
		return errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (connect(fd, to, len) < 0 ||
	    (v4 ? send(fd, &m4, sizeof(m4), 0) : send(fd, &m6, sizeof(m6), 0)) <
		0 ||
	    recv(fd, b, sizeof(b), 0) < 0)
		error = errno;
	(void)close(fd);
	return error;
}
