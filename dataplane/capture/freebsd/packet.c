/* The system's own, before libpcap's of the same names. */
#include <sys/types.h>

#include <net/bpf.h>

#include "capture/capture_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/own.h"
#include "capture/freebsd/link.h"

enum { BUFFER_MAX = 1024 * 1024, MAC_BYTES = 6 };

/* One capture is one process: this is its only descriptor of that kind. */
static struct {
	uint8_t *room;
	size_t bytes;	     /* what bpf(4) wants to be asked for */
	const uint8_t *next; /* what was read and has not been taken */
	size_t left;
	uint64_t taken;
	uint32_t drops;
} in;

static int
make_room(int fd, struct err *e)
{
	u_int n = 0;

	if (ioctl(fd, BIOCGBLEN, &n) < 0)
		return err_sys(e, "BIOCGBLEN");
	if (n == 0 || n > BUFFER_MAX)
		return err_set(e, ERR_SYS, "a bpf buffer of %u bytes", n);
	in.room = malloc(n);
	if (in.room == NULL)
		return err_sys(e, "buffer");
	in.bytes = n;
	return 0;
}

int
packet_begin(int fd, const struct bpf_program *p, struct err *e)
{
	struct bpf_program program = *p;
	u_int on = 1, stamp = BPF_T_NANOTIME;

	if (make_room(fd, e) < 0)
		return -1;
	if (ioctl(fd, BIOCSTSTAMP, &stamp) < 0 ||
	    ioctl(fd, BIOCIMMEDIATE, &on) < 0)
		return err_sys(e, "bpf: times, and packets at once");
	/* In the place of privd's, which lets nothing through. */
	if (ioctl(fd, BIOCSETF, &program) < 0)
		return err_sys(e, "filter: the kernel does not take it");
	if (ioctl(fd, BIOCLOCK) < 0)
		return err_sys(e, "filter: lock");
	return 0;
}

/* bpf(4) does not say which way: the host's end is whose address it is. */
static uint32_t
flags_of(const uint8_t *frame, size_t n)
{
	static const uint8_t all[MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };
	const uint8_t *mac = link_mac();

	if (mac == NULL || n < 2 * MAC_BYTES)
		return 0;
	if (memcmp(frame + MAC_BYTES, mac, MAC_BYTES) == 0)
		return PCAPNG_OUTBOUND;
	if (memcmp(frame, mac, MAC_BYTES) == 0)
		return PCAPNG_INBOUND | PCAPNG_UNICAST;
	if (memcmp(frame, all, MAC_BYTES) == 0)
		return PCAPNG_INBOUND | PCAPNG_BROADCAST;
	if (frame[0] & 1)
		return PCAPNG_INBOUND | PCAPNG_MULTICAST;
	return PCAPNG_INBOUND | PCAPNG_PROMISCUOUS;
}

/* 1 with the next of what was read, 0 if there is none left. */
static int
take_next(uint32_t snaplen, struct pcapng_packet *out)
{
	struct bpf_xhdr h;
	size_t step;

	if (in.left < sizeof(h))
		return 0;
	memcpy(&h, in.next, sizeof(h));
	if (h.bh_hdrlen > in.left || h.bh_caplen > in.left - h.bh_hdrlen)
		return 0;
	*out = (struct pcapng_packet){
		.at_ns = (uint64_t)h.bh_tstamp.bt_sec * 1000000000u +
			 h.bh_tstamp.bt_frac,
		.caplen = h.bh_caplen < snaplen ? h.bh_caplen : snaplen,
		.len = h.bh_datalen,
		.flags = flags_of(in.next + h.bh_hdrlen, h.bh_caplen),
		.data = in.next + h.bh_hdrlen,
	};
	step = BPF_WORDALIGN((size_t)h.bh_hdrlen + h.bh_caplen);
	step = step < in.left ? step : in.left;
	in.next += step;
	in.left -= step;
	in.taken++;
	return 1;
}

int
packet_next(int fd, uint32_t snaplen, struct pcapng_packet *out, struct err *e)
{
	ssize_t n;

	e->kind = ERR_NONE;
	if (take_next(snaplen, out) == 1)
		return 1;
	in.left = 0;
	n = read(fd, in.room, in.bytes);
	if (n == 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	/* The interface is gone, or leaves just now. */
	if (n < 0 && (errno == ENXIO || errno == EBADF || errno == ENETDOWN))
		return -1;
	if (n < 0)
		return err_sys(e, "packet");
	in.next = in.room;
	in.left = (size_t)n;
	return take_next(snaplen, out);
}

bool
packet_waiting(void)
{
	return in.left >= sizeof(struct bpf_xhdr);
}

void
packet_counts(int fd, struct pcapng_counts *c)
{
	struct bpf_stat now;

	/* bs_recv is what came before the filter; ours is what it let through.
	 */
	if (ioctl(fd, BIOCGSTATS, &now) == 0) {
		c->dropped += now.bs_drop - in.drops;
		c->received += now.bs_drop - in.drops;
		in.drops = now.bs_drop;
	}
	c->received += in.taken;
	in.taken = 0;
}
