#include "egress/pflog.h"

#include <string.h>

/*
 * struct bpf_hdr as net/bpf.h has it where long has 64 bits: a struct timeval
 * of two longs, the bytes that are here, those that there were, and where the
 * packet begins.  The next header begins at a multiple of 8.
 */
enum {
	B_SEC = 0,
	B_USEC = 8,
	B_CAPLEN = 16,
	B_HDRLEN = 24,
	B_BYTES = 26,
	B_ALIGN = 8,
};

/*
 * struct pfloghdr as net/if_pflog.h has it.  Its first byte is its length
 * without the last padding: 69 in FreeBSD 14 and 15, 61 before there were
 * ridentifier and naf; what is read here has never moved.  The packet follows
 * at a multiple of 4.
 */
enum {
	P_LENGTH = 0,
	P_AF = 1,
	P_ACTION = 2,
	P_IFNAME = 4,
	P_DIR = 60,
	P_LENGTH_MIN = 61,
	P_ALIGN = 4,
};

/* FreeBSD's numbers, not this system's. */
enum { AF4 = 2, AF6 = 28, ACTION_DROP = 1, DIR_IN = 1 };

static uint32_t
host32(const uint8_t *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t
host64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static size_t
up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

/* Only what a slot's own end sent: pf judges there, and logs nothing else. */
static bool
take(const struct denial_nets *nets, const uint8_t *p, size_t n,
    struct denial *out)
{
	size_t head;

	if (n < P_LENGTH_MIN || p[P_LENGTH] < P_LENGTH_MIN)
		return false;
	head = up(p[P_LENGTH], P_ALIGN);
	if (head >= n || p[P_ACTION] != ACTION_DROP || p[P_DIR] != DIR_IN ||
	    memcmp(p + P_IFNAME, "cop", 3) != 0 ||
	    (p[P_AF] != AF4 && p[P_AF] != AF6))
		return false;
	return denial_packet(nets, p + head, n - head, out);
}

enum denial_rc
pflog_next(
    const struct denial_nets *nets, struct denial_in *in, struct denial *out)
{
	const uint8_t *p = in->p;
	uint64_t sec, usec;
	uint16_t hdrlen;
	size_t caplen, whole;

	if (in->n < B_BYTES)
		return DENIED_END;
	caplen = host32(p + B_CAPLEN);
	memcpy(&hdrlen, p + B_HDRLEN, sizeof(hdrlen));
	whole = hdrlen + caplen;
	if (hdrlen < B_BYTES || whole > in->n)
		return DENIED_END;
	sec = host64(p + B_SEC);
	usec = host64(p + B_USEC);
	in->p += up(whole, B_ALIGN) < in->n ? up(whole, B_ALIGN) : in->n;
	in->n -= (size_t)(in->p - p);

	memset(out, 0, sizeof(*out));
	if (sec < (uint64_t)1 << 40 && usec < 1000000)
		out->at_us = sec * 1000000 + usec;
	return take(nets, p + hdrlen, caplen, out) ? DENIED_ONE : DENIED_OTHER;
}
