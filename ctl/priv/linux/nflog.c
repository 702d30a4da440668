/*
 * nflog.c - the socket to which the kernel copies denied packets.  We open it,
 * which takes CAP_NET_ADMIN; egressd reads it, which takes nothing: the kernel
 * looks at the rights of whoever sends on it, too.
 */
#include "rules_linux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

#include "base/own.h"
#include "io/log.h"

enum {
	COPY_BYTES = 128, /* headers; the rules say the same */
	BATCH = 32,	  /* packets in one message, if they come at once */
	BATCH_10MS = 3,	  /* else after so long */
	ROOM_BYTES = 1 << 20,
	TRIES = 30, /* while egressd lets go of our predecessor's */
	TRY_MS = 10,
};

static const struct nlmsghdr *
put_config(char *buf)
{
	const struct nfulnl_msg_config_cmd bind = { NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(COPY_BYTES),
		.copy_mode = NFULNL_COPY_PACKET,
	};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *g;

	h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->res_id = htons(NFT_LOG_GROUP);
	mnl_attr_put(h, NFULA_CFG_CMD, sizeof(bind), &bind);
	mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(h, NFULA_CFG_TIMEOUT, htonl(BATCH_10MS));
	mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(BATCH));
	/* Numbered, so that the reader can tell what it missed. */
	mnl_attr_put_u16(h, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	return h;
}

static int
configure(int fd, struct err *e)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	char buf[1024];
	const struct nlmsghdr *h = put_config(buf);
	ssize_t n;

	if (sendto(fd, h, h->nlmsg_len, 0, (const struct sockaddr *)&kernel,
		sizeof(kernel)) < 0)
		return err_sys(e, "NFLOG group %d", NFT_LOG_GROUP);
	n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0 || mnl_cb_run(buf, (size_t)n, 1, 0, NULL, NULL) < 0)
		return err_sys(e, "NFLOG group %d", NFT_LOG_GROUP);
	return 0;
}

static int
open_log(struct err *e)
{
	autoclose int fd = -1;
	const int on = 1, room = ROOM_BYTES;

	if (rules_socket(&fd, e) < 0)
		return -1;
	/*
	 * A full socket is no error to the reader: it sees the gap in the
	 * numbers, and there is nothing else to do about it.
	 */
	if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) <
		0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		return err_sys(e, "NFLOG socket");
	return configure(fd, e) < 0 ? -1 : take_fd(&fd);
}

int
rules_kernel_log(struct rules *r)
{
	const struct timespec pause = { 0, TRY_MS * 1000000L };
	struct err e;
	int fd;

	(void)r;
	for (int i = 0; i < TRIES; i++) {
		fd = open_log(&e);
		/* One that is bound is refused with EPERM to all others. */
		if (fd >= 0 || (e.sys_errno != EPERM && e.sys_errno != EBUSY))
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (fd < 0)
		log_warn("rules.denials off err=\"%s\": does another program "
			 "listen to the group?",
		    e.msg);
	return fd;
}
