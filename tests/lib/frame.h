/*
 * frame.h - frames of any kind, from a line of words: layers from the outside
 * in, each with its fields.
 *
 *	ip dst=1.1.1.1 udp dport=7 data
 *	eth src=02:00:00:00:00:01 arp op=2 spa=10.78.0.5
 *	ip dst=1.1.1.1 id=9 slice=0:8+ udp data len=64
 *
 * What is left out is what an honest sender would write: its own addresses,
 * the next layer's type, lengths and checksums.
 *
 *	eth	src dst type (below 1536 it is a length)
 *	vlan	id			qinq	id
 *	arp	op sha spa tha tpa
 *	ip	src dst ttl id proto opt=HEX slice=FROM:LEN[+]
 *	ip6	src dst hop id next slice=FROM:LEN[+]
 *	hbh, dstopt	opt=HEX		rt	type left to
 *	udp	sport dport		tcp	sport dport seq ack flags=SAFRPU
 *	sctp	sport dport (an INIT)	gre
 *	icmp, icmp6	type code rest=NUMBER (the four bytes after the sum)
 *	hex	v=HEX			data	len
 *
 * slice sends a part of what the layers after it make up as one fragment; "+"
 * says that more follow.  data is the token over and over, so that any part
 * of some length holds it.
 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FRAME_IP4 = 0x0800, FRAME_ARP = 0x0806, FRAME_IP6 = 0x86dd };
enum { FRAME_MAX = 65536, FRAME_TOKEN = 11, FRAME_TEXT_MAX = 4096 };

/* Who sends: defaults of the outer layers. */
struct frame_me {
	uint8_t mac[6], via[6];
	char s4[48], s6[48];
};

/* "<0000002a>"; returns to. */
const char *frame_token(uint32_t n, char to[FRAME_TOKEN]);

/*
 * The bytes of a frame with this token; how many.  A line that is no frame
 * ends the program, and says why.
 */
size_t frame_build(const struct frame_me *me, const char *token,
    const char *text, uint8_t out[FRAME_MAX]);

/*
 * --- where frames are sent and heard (tests/lib/linux, tests/lib/freebsd) ---
 *
 * A place is a network of its own: on Linux a process, whose namespace is
 * meant; on FreeBSD a jail.
 */

/* All that passes an interface there: in both directions on Linux, coming in on
 * FreeBSD, where bpf does not say which. */
int frame_socket(int place, const char *interface);
void frame_mac(int place, const char *interface, uint8_t mac[6]);
/* Ends the program unless the frame is on its way. */
void frame_send(int fd, const void *frame, size_t n, const char *about);
typedef void frame_heard(void *arg, const uint8_t *f, size_t n, bool incoming);
/* Calls for whatever has come; does not wait. */
void frame_take(int fd, frame_heard *heard, void *arg);
/* What the host's packet filter has let through to the host itself: packets
 * without their link layer. */
int frame_log(int place, unsigned group);
void frame_log_take(int fd, frame_heard *heard, void *arg);
/* One processor for all that follows: Linux keeps packets in order then. */
void frame_one_cpu(void);
/*
 * Comes back when all that was sent through these sockets, and whatever
 * answered it on the way or at its end, is where it goes.  What a packet
 * filter says to a sender apart: pf sends that from a thread of its own.
 */
void frame_drain(void);

#endif
