/*
 * pcapng.h - writes a capture file of one interface: draft-ietf-opsawg-pcapng,
 * in the machine's byte order, times in nanoseconds.
 *
 * Bytes into a buffer, and nothing else: no clock, no files.
 */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Of epb_flags: which way, and how it was received. */
enum {
	PCAPNG_INBOUND = 1,
	PCAPNG_OUTBOUND = 2,
	PCAPNG_UNICAST = 1 << 2,
	PCAPNG_MULTICAST = 2 << 2,
	PCAPNG_BROADCAST = 3 << 2,
	PCAPNG_PROMISCUOUS = 4 << 2,
};

enum { PCAPNG_END_BYTES = 88 };

struct pcapng_if {
	const char *name, *description;
	const char *filter; /* "": none */
	uint32_t snaplen;
};

struct pcapng_packet {
	uint64_t at_ns;	 /* since 1970 */
	uint32_t caplen; /* bytes of data */
	uint32_t len;	 /* what there was of it */
	uint32_t flags;
	const void *data;
};

struct pcapng_counts {
	uint64_t begun_ns, ended_ns;
	uint64_t received;  /* that the filter let through */
	uint64_t dropped;   /* of those: nobody had room for them */
	uint64_t delivered; /* of those: they are in the file */
};

/* Section header and interface; each -1 if there is no room in b. */
int pcapng_begin(struct buf *b, const struct pcapng_if *i);
int pcapng_packet(struct buf *b, const struct pcapng_packet *p);
/* Interface statistics: PCAPNG_END_BYTES, the file's last. */
int pcapng_end(struct buf *b, const struct pcapng_counts *c);
/* What pcapng_packet() will add. */
size_t pcapng_packet_bytes(uint32_t caplen);

#endif
