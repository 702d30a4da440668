#include "lib/peer_os.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

void
peer_want_destination(int fd, int family)
{
	int on = 1;

	if (family == AF_INET)
		(void)setsockopt(
		    fd, IPPROTO_IP, IP_RECVDSTADDR, &on, sizeof(on));
	else
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

/* The interface that it came by may not be the one that has the address. */
void
peer_answer(struct msghdr *m)
{
	struct cmsghdr *h;
	struct in6_pktinfo info;

	for (h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != IPPROTO_IPV6 ||
		    h->cmsg_type != IPV6_PKTINFO)
			continue;
		memcpy(&info, CMSG_DATA(h), sizeof(info));
		info.ipi6_ifindex = 0;
		memcpy(CMSG_DATA(h), &info, sizeof(info));
	}
}

void
peer_any_source(int fd, int family)
{
	int on = 1;

	if (family == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_BINDANY, &on, sizeof(on));
	else
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_BINDANY, &on, sizeof(on));
}

/* --- ping, by a raw socket: it hears all ICMP of its network -------------- */

enum { ECHO_LEN = 24 };

static void
make_echo(uint8_t m[ECHO_LEN], bool v4, uint16_t id)
{
	uint32_t sum = 0;

	memset(m, 0x5a, ECHO_LEN);
	m[0] = v4 ? 8 : 128;
	m[1] = m[2] = m[3] = 0; /* of IPv6, the kernel makes the sum */
	memcpy(m + 4, &id, sizeof(id));
	for (int i = 0; v4 && i < ECHO_LEN; i += 2)
		sum += (uint32_t)m[i] << 8 | m[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	if (v4) {
		m[2] = (uint8_t)(sum >> 8);
		m[3] = (uint8_t)sum;
	}
}

/* An answer to our echo, or an error about it; -1 if it is neither. */
static int
meaning(const uint8_t *b, size_t n, bool v4, uint16_t id)
{
	size_t head = v4 ? 20 : 40; /* of what an error quotes */

	if (v4 && n >= 20) {
		n -= (b[0] & 15u) * 4u;
		b += (b[0] & 15) * 4;
	}
	if (n >= 8 && b[0] == (v4 ? 0 : 129) && memcmp(b + 4, &id, 2) == 0)
		return 0;
	if (n >= 8 + head + 8 && b[0] == (v4 ? 3 : 1) &&
	    memcmp(b + 8 + head + 4, &id, 2) == 0)
		return EACCES;
	return -1;
}

static long
ms_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
peer_ping(const struct sockaddr *to, socklen_t len)
{
	bool v4 = to->sa_family == AF_INET;
	int fd = socket(
	    to->sa_family, SOCK_RAW, v4 ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
	uint16_t id = (uint16_t)getpid();
	uint8_t m[ECHO_LEN], b[2048];
	long end = ms_now() + 1000;
	int said = -1;

	if (fd < 0)
		return errno;
	make_echo(m, v4, id);
	if (sendto(fd, m, sizeof(m), 0, to, len) < 0)
		said = errno;
	while (said < 0 && ms_now() < end) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n;

		if (poll(&p, 1, 100) <= 0)
			continue;
		n = recv(fd, b, sizeof(b), 0);
		if (n > 0)
			said = meaning(b, (size_t)n, v4, id);
	}
	(void)close(fd);
	return said < 0 ? ETIMEDOUT : said;
}
