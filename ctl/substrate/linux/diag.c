/*
 * diag.c - the TCP connections inside a slot, and their end: by sock_diag,
 * asked through a netlink socket that is opened in the slot's network.
 *
 * UDP is left alone: a socket that was ended stays unconnected for good, and
 * a flow of datagrams shall go on when the policy is loosened again.  Who
 * sends on it is told by ICMP.
 */
#include "sub_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/substrate/conns.h"
#include "link/link.h"

enum {
	DUMP_BYTES = 32 * 1024,
	/* Who listens is no flow; who waits for stray segments has no owner. */
	TCP_STATES = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT |
		     1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 |
		     1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING,
};

struct ask {
	struct nlmsghdr h;
	struct inet_diag_req_v2 r;
};

/* --- talking to the kernel ------------------------------------------------ */

static int
open_inside(const struct substrate *s, const struct sub_unit *u, struct err *e)
{
	int fd;

	if (setns(u->net, CLONE_NEWNET) < 0)
		return err_sys(e, "enter slot %u", u->ref.slot);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		(void)err_sys(e, "sock_diag in slot %u", u->ref.slot);
	/* In a tenant's network everything after this would be wrong. */
	if (setns(s->host_ns, CLONE_NEWNET) < 0)
		abort();
	return fd;
}

static int
ask(int fd, uint16_t flags, uint16_t type, const struct inet_diag_req_v2 *r,
    struct err *e)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct ask m = { .h = { .nlmsg_len = sizeof(m),
			     .nlmsg_type = type,
			     .nlmsg_flags = NLM_F_REQUEST | flags,
			     .nlmsg_seq = 1 },
		.r = *r };

	if (sendto(fd, &m, sizeof(m), 0, (const struct sockaddr *)&kernel,
		sizeof(kernel)) < 0)
		return err_sys(e, "sock_diag");
	return 0;
}

_Static_assert(NLMSG_HDRLEN == sizeof(struct nlmsghdr), "a body follows it");

/* The kernel's word on a request: 0, or a negative errno. */
static int
verdict(const struct nlmsghdr *h)
{
	struct nlmsgerr x = { .error = -EBADMSG };

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(x)))
		memcpy(&x, h + 1, sizeof(x));
	return x.error;
}

static ssize_t
hear(int fd, void *buf, size_t cap, struct err *e)
{
	ssize_t n;

	do
		n = recv(fd, buf, cap, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "sock_diag") : n;
}

/* --- listing -------------------------------------------------------------- */

static int
add(struct conns *l, const struct nlmsghdr *h, struct err *e)
{
	struct inet_diag_msg d;
	struct spawn_socket s;
	size_t bytes;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(d)))
		return 0;
	memcpy(&d, h + 1, sizeof(d));
	/*
	 * Nobody has it open any more: there is nobody to tell, and kernels
	 * before 6.11 lose an orphan that is ended this way.
	 */
	if (d.idiag_inode == 0)
		return 0;
	s = (struct spawn_socket){
		.family = d.idiag_family == AF_INET6 ? 6 : 4,
		.proto = IPPROTO_TCP,
		.state = d.idiag_state,
		.port = ntohs(d.id.idiag_dport),
		.from_port = ntohs(d.id.idiag_sport),
		.dev = d.id.idiag_if <= UINT8_MAX ? (uint8_t)d.id.idiag_if : 0,
	};
	bytes = s.family == 4 ? 4 : 16;
	memcpy(s.to, d.id.idiag_dst, bytes);
	memcpy(s.from, d.id.idiag_src, bytes);
	memcpy(s.cookie, d.id.idiag_cookie, sizeof(s.cookie));
	return conns_add(l, &s, e);
}

static int
dump(int fd, uint8_t family, struct conns *l, struct err *e)
{
	const struct inet_diag_req_v2 r = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = TCP_STATES,
	};
	char buf[DUMP_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));

	if (ask(fd, NLM_F_DUMP, SOCK_DIAG_BY_FAMILY, &r, e) < 0)
		return -1;
	for (;;) {
		ssize_t n = hear(fd, buf, sizeof(buf), e);
		struct nlmsghdr *h = (void *)buf;

		if (n < 0)
			return -1;
		for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR) {
				errno = -verdict(h);
				return err_sys(e, "sock_diag");
			}
			if (add(l, h, e) < 0)
				return -1;
		}
	}
}

int
sub_connected(struct substrate *s, const struct sub_unit *u,
    struct spawn_socket **out, uint32_t *n, struct err *e)
{
	autoclose int fd = open_inside(s, u, e);
	struct link_addr own;
	struct conns l;

	if (fd < 0)
		return -1;
	link_addr(u->ref.slot, &s->cf.net4, s->ipv6 ? &s->cf.net6 : NULL, &own);
	conns_init(&l, &own);
	/* Of the IPv6 family where IPv4 is mapped into it, too. */
	if (dump(fd, AF_INET, &l, e) < 0 ||
	    (s->ipv6 && dump(fd, AF_INET6, &l, e) < 0)) {
		free(l.v);
		return -1;
	}
	*out = l.v;
	*n = l.n;
	return 0;
}

/* --- ending --------------------------------------------------------------- */

/* 1 if it was ended, 0 if it is another one's or nobody's by now. */
static int
destroy(int fd, const struct spawn_socket *x, struct err *e)
{
	struct inet_diag_req_v2 r = {
		.sdiag_family = x->family == 6 ? AF_INET6 : AF_INET,
		.sdiag_protocol = x->proto,
		.idiag_states = UINT32_MAX,
		.id = { .idiag_sport = htons(x->from_port),
		    .idiag_dport = htons(x->port),
		    .idiag_if = x->dev,
		    .idiag_cookie = { x->cookie[0], x->cookie[1] } },
	};
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *h = (const void *)buf;
	size_t bytes = x->family == 6 ? 16 : 4;
	ssize_t n;
	int rc;

	memcpy(r.id.idiag_dst, x->to, bytes);
	memcpy(r.id.idiag_src, x->from, bytes);
	if (ask(fd, NLM_F_ACK, SOCK_DESTROY, &r, e) < 0)
		return -1;
	n = hear(fd, buf, sizeof(buf), e);
	if (n < 0)
		return -1;
	rc = NLMSG_OK(h, n) ? verdict(h) : -EBADMSG;
	if (rc == -ENOENT || rc == -ESTALE)
		return 0;
	errno = -rc;
	return rc == 0 ? 1 : err_sys(e, "SOCK_DESTROY");
}

int
sub_cut(struct substrate *s, const struct sub_unit *u,
    const struct spawn_socket *v, uint32_t n, uint32_t *ncut, struct err *e)
{
	autoclose int fd = open_inside(s, u, e);

	*ncut = 0;
	if (fd < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		int rc = destroy(fd, &v[i], e);

		if (rc < 0)
			return -1;
		*ncut += (uint32_t)rc;
	}
	return 0;
}
