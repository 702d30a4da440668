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

#include <stdint.h>
#include <sys/types.h>

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

/* A packet socket on an interface of process pid's network namespace. */
int frame_socket(pid_t pid, const char *interface);
/* This process's thread, from now on, is in pid's network namespace. */
void frame_enter(pid_t pid);
/* One processor for all that follows: packets keep their order then. */
void frame_one_cpu(void);

#endif
