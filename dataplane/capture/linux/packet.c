#include "capture/capture_int.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/own.h"

enum { TAG_BYTES = 4, TAG_AT = 2 * ETH_ALEN };

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "BPF");

int
packet_begin(int fd, const struct bpf_program *p, struct err *e)
{
	const struct sock_fprog program = {
		.len = (unsigned short)p->bf_len,
		.filter = unconst(p->bf_insns),
	};
	const int on = 1;

	/* In the place of privd's, which lets nothing through. */
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		sizeof(program)) < 0)
		return err_sys(e, "filter: the kernel does not take it");
	if (setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) < 0)
		return err_sys(e, "filter: lock");
	return 0;
}

static uint32_t
flags_of(const struct sockaddr_ll *from)
{
	switch (from->sll_pkttype) {
	case PACKET_OUTGOING:
		return PCAPNG_OUTBOUND;
	case PACKET_HOST:
		return PCAPNG_INBOUND | PCAPNG_UNICAST;
	case PACKET_BROADCAST:
		return PCAPNG_INBOUND | PCAPNG_BROADCAST;
	case PACKET_MULTICAST:
		return PCAPNG_INBOUND | PCAPNG_MULTICAST;
	case PACKET_OTHERHOST:
		return PCAPNG_INBOUND | PCAPNG_PROMISCUOUS;
	}
	return 0;
}

/* What the kernel says beside the bytes. */
struct beside {
	struct timespec at;
	struct tpacket_auxdata aux;
	bool has_at, has_aux;
};

static void
read_beside(struct msghdr *m, struct beside *b)
{
	*b = (struct beside){ .has_at = false };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(b->at))) {
			memcpy(&b->at, CMSG_DATA(c), sizeof(b->at));
			b->has_at = true;
		}
		if (c->cmsg_level == SOL_PACKET &&
		    c->cmsg_type == PACKET_AUXDATA &&
		    c->cmsg_len >= CMSG_LEN(sizeof(b->aux))) {
			memcpy(&b->aux, CMSG_DATA(c), sizeof(b->aux));
			b->has_aux = true;
		}
	}
	if (!b->has_at)
		(void)clock_gettime(CLOCK_REALTIME, &b->at);
}

/*
 * The kernel took a VLAN tag out and tells it beside: back to where it was,
 * into the four bytes that lie free in front.
 */
static void
put_tag(struct pcapng_packet *p, char *data, const struct beside *b)
{
	const uint16_t type = b->aux.tp_status & TP_STATUS_VLAN_TPID_VALID
				  ? b->aux.tp_vlan_tpid
				  : ETH_P_8021Q;
	const unsigned char tag[TAG_BYTES] = { (unsigned char)(type >> 8),
		(unsigned char)type, (unsigned char)(b->aux.tp_vlan_tci >> 8),
		(unsigned char)b->aux.tp_vlan_tci };

	memmove(data - TAG_BYTES, data, TAG_AT);
	memcpy(data - TAG_BYTES + TAG_AT, tag, sizeof(tag));
	p->data = data - TAG_BYTES;
	p->caplen += TAG_BYTES;
	p->len += TAG_BYTES;
}

static void
describe(struct pcapng_packet *p, char *data, size_t n,
    const struct sockaddr_ll *from, const struct beside *b)
{
	*p = (struct pcapng_packet){
		.at_ns = (uint64_t)b->at.tv_sec * 1000000000u +
			 (uint64_t)b->at.tv_nsec,
		.caplen = (uint32_t)n,
		.len = (uint32_t)n,
		.flags = flags_of(from),
		.data = data,
	};
	if (!b->has_aux)
		return;
	/* What the filter cut off still counts. */
	if (b->aux.tp_len > p->len)
		p->len = b->aux.tp_len;
	if (b->aux.tp_status & TP_STATUS_VLAN_VALID && n >= TAG_AT)
		put_tag(p, data, b);
}

int
packet_next(int fd, uint32_t snaplen, struct pcapng_packet *out, struct err *e)
{
	static char room[TAG_BYTES + CAPTURE_SNAPLEN_MAX];
	union {
		char text[256];
		struct cmsghdr align;
	} beside;
	struct sockaddr_ll from = { .sll_family = AF_PACKET };
	struct iovec v = { room + TAG_BYTES, snaplen };
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &beside,
		.msg_controllen = sizeof(beside),
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_TRUNC);
	struct beside b;

	e->kind = ERR_NONE;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && (errno == ENETDOWN || errno == ENXIO || errno == ENODEV))
		return -1;
	if (n < 0)
		return err_sys(e, "packet");
	read_beside(&m, &b);
	describe(out, room + TAG_BYTES,
	    (size_t)n < snaplen ? (size_t)n : snaplen, &from, &b);
	if ((uint32_t)n > out->len)
		out->len = (uint32_t)n;
	if (out->caplen > snaplen)
		out->caplen = snaplen;
	return 1;
}

bool
packet_waiting(void)
{
	return false;
}

void
packet_counts(int fd, struct pcapng_counts *c)
{
	struct tpacket_stats now = { 0 };
	socklen_t n = sizeof(now);

	/* Asking resets them.  The first counts those of the second, too. */
	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &now, &n) < 0)
		return;
	c->received += now.tp_packets;
	c->dropped += now.tp_drops;
}
