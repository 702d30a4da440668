#include "lib/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "frame: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* This process's thread, from now on, is in pid's network namespace. */
static void
enter(pid_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	(void)close(fd);
}

int
frame_socket(int place, const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	int fd, room = 64 << 20;

	enter((pid_t)place);
	at.sll_ifindex = (int)if_nametoindex(interface);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || at.sll_ifindex == 0)
		die(interface);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (const void *)&at, sizeof(at)) < 0)
		die(interface);
	return fd;
}

void
frame_mac(int place, const char *interface, uint8_t mac[6])
{
	struct ifreq r = { 0 };
	int fd;

	enter((pid_t)place);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		die(interface);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	(void)close(fd);
}

void
frame_send(int fd, const void *frame, size_t n, const char *about)
{
	if (send(fd, frame, n, 0) != (ssize_t)n)
		die(about);
}

void
frame_take(int fd, frame_heard *heard, void *arg)
{
	static uint8_t b[FRAME_MAX];
	struct sockaddr_ll from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, b, sizeof(b), 0, (void *)&from, &len)) > 0) {
		heard(arg, b, (size_t)n, from.sll_pkttype != PACKET_OUTGOING);
		len = sizeof(from);
	}
	if (n < 0 && errno == ENOBUFS)
		die("packets were lost");
}

/* --- NFLOG ---------------------------------------------------------------- */

static void
log_config(int fd, unsigned group, const void *attr, size_t n)
{
	struct __attribute__((packed)) {
		struct nlmsghdr h;
		struct nfgenmsg g;
		char attr[32];
	} m = { .h = {
		    .nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(m.g)) + n),
		    .nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG,
		    .nlmsg_flags = NLM_F_REQUEST,
		} };

	m.g.res_id = htons((uint16_t)group);
	memcpy(m.attr, attr, n);
	if (send(fd, &m, m.h.nlmsg_len, 0) < 0)
		die("nflog");
}

/* Each packet at once, and whole. */
int
frame_log(int place, unsigned group)
{
	const struct __attribute__((packed)) {
		struct nlattr a;
		struct nfulnl_msg_config_cmd cmd;
		uint8_t pad[3];
	} bind_it = { { 5, NFULA_CFG_CMD }, { NFULNL_CFG_CMD_BIND }, { 0 } };
	const struct {
		struct nlattr a;
		struct nfulnl_msg_config_mode mode;
		uint8_t pad[2];
	} mode = { { 10, NFULA_CFG_MODE },
		{ htonl(0xffff), NFULNL_COPY_PACKET, 0 }, { 0 } };
	const struct {
		struct nlattr a;
		uint32_t n;
	} at_once = { { 8, NFULA_CFG_QTHRESH }, htonl(1) };
	int fd, room = 64 << 20;

	enter((pid_t)place);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    NETLINK_NETFILTER);
	if (fd < 0)
		die("nflog socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	log_config(fd, group, &bind_it, sizeof(bind_it));
	log_config(fd, group, &mode, 12);
	log_config(fd, group, &at_once, sizeof(at_once));
	return fd;
}

/* Attributes of one logged packet. */
static void
logged(struct nlmsghdr *h, frame_heard *heard, void *arg)
{
	const char *at =
	    (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	const char *stop = (const char *)h + h->nlmsg_len;

	while (at + sizeof(struct nlattr) <= stop) {
		const struct nlattr *a = (const void *)at;

		if (a->nla_len < sizeof(*a))
			return;
		if ((a->nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD)
			heard(arg, (const uint8_t *)(a + 1),
			    a->nla_len - sizeof(*a), true);
		at += NLA_ALIGN(a->nla_len);
	}
}

void
frame_log_take(int fd, frame_heard *heard, void *arg)
{
	static _Alignas(8) uint8_t b[FRAME_MAX];
	ssize_t n;

	while ((n = recv(fd, b, sizeof(b), 0)) > 0) {
		struct nlmsghdr *h = (void *)b;
		size_t left = (size_t)n;

		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			if (h->nlmsg_type ==
			    (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
				logged(h, heard, arg);
	}
	if (n < 0 && errno == ENOBUFS)
		die("packets were lost");
}

void
frame_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		die("one processor");
}

/* What one processor sends through links waits in one queue, in order: what
 * comes in later than this was sent later. */
void
frame_drain(void)
{
}
