#include "capture/pcapng.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/*
 * Every block: type, length, body padded to four bytes, length again.  Every
 * option: code, length, value padded to four bytes.
 */
enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	LINKTYPE_ETHERNET = 1,
};

enum {
	OPT_END = 0,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	EPB_FLAGS = 2,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_USRDELIV = 8,
};

enum {
	BLOCK_BYTES = 12,	   /* type and both lengths */
	PACKET_BYTES = 20 + 8 + 4, /* fixed part, epb_flags, end of options */
	NANOSECONDS = 9,	   /* if_tsresol: 10 to the minus ... */
	FILTER_TEXT = 0,	   /* if_filter: as libpcap reads it */
};

/* A block under way.  What did not fit leaves nothing behind. */
struct block {
	struct buf *b;
	size_t at; /* of its first byte behind b->data */
	bool full;
};

static void
put(struct block *k, const void *p, size_t n)
{
	static const char zeros[4];

	if (k->full || buf_add(k->b, p, n) < 0 ||
	    buf_add(k->b, zeros, -n & 3) < 0)
		k->full = true;
}

static void
put16(struct block *k, uint16_t a, uint16_t b)
{
	const uint16_t v[2] = { a, b };

	put(k, v, sizeof(v));
}

static void
put32(struct block *k, uint32_t v)
{
	put(k, &v, sizeof(v));
}

/* Times are two words, the high one first, in any byte order. */
static void
put_time(struct block *k, uint64_t ns)
{
	put32(k, (uint32_t)(ns >> 32));
	put32(k, (uint32_t)ns);
}

static void
option(struct block *k, uint16_t code, const void *p, size_t n)
{
	put16(k, code, (uint16_t)n);
	put(k, p, n);
}

static void
option_text(struct block *k, uint16_t code, const char *s)
{
	option(k, code, s, strlen(s));
}

static void
option_time(struct block *k, uint16_t code, uint64_t ns)
{
	put16(k, code, 8);
	put_time(k, ns);
}

static struct block
block_begin(struct buf *b, uint32_t type)
{
	struct block k = { .b = b, .at = b->len };

	put32(&k, type);
	put32(&k, 0);
	return k;
}

static int
block_end(struct block *k)
{
	uint32_t n = (uint32_t)(k->b->len - k->at + sizeof(n));

	put32(k, n);
	if (k->full) {
		k->b->len = k->at;
		return -1;
	}
	memcpy(k->b->data + k->at + sizeof(n), &n, sizeof(n));
	return 0;
}

static int
section(struct buf *b)
{
	const uint64_t unknown = UINT64_MAX; /* how long the section is */
	struct block k = block_begin(b, BLOCK_SECTION);

	put32(&k, BYTE_ORDER_MAGIC);
	put16(&k, 1, 0); /* version 1.0 */
	put(&k, &unknown, sizeof(unknown));
	option_text(&k, SHB_USERAPPL, "coppice-capture " COP_VERSION);
	put16(&k, OPT_END, 0);
	return block_end(&k);
}

static int
interface(struct buf *b, const struct pcapng_if *i)
{
	const uint8_t tsresol = NANOSECONDS;
	struct block k = block_begin(b, BLOCK_INTERFACE);
	const size_t n = strlen(i->filter);

	put16(&k, LINKTYPE_ETHERNET, 0);
	put32(&k, i->snaplen);
	option_text(&k, IF_NAME, i->name);
	option_text(&k, IF_DESCRIPTION, i->description);
	option(&k, IF_TSRESOL, &tsresol, sizeof(tsresol));
	if (n > 0) {
		autofree char *text = malloc(n + 1);

		if (text == NULL) {
			k.full = true;
		} else {
			text[0] = FILTER_TEXT;
			memcpy(text + 1, i->filter, n);
			option(&k, IF_FILTER, text, n + 1);
		}
	}
	put16(&k, OPT_END, 0);
	return block_end(&k);
}

int
pcapng_begin(struct buf *b, const struct pcapng_if *i)
{
	const size_t before = b->len;

	if (section(b) == 0 && interface(b, i) == 0)
		return 0;
	b->len = before;
	return -1;
}

size_t
pcapng_packet_bytes(uint32_t caplen)
{
	return BLOCK_BYTES + PACKET_BYTES + (((size_t)caplen + 3) & ~(size_t)3);
}

int
pcapng_packet(struct buf *b, const struct pcapng_packet *p)
{
	struct block k = block_begin(b, BLOCK_PACKET);

	put32(&k, 0); /* the one interface */
	put_time(&k, p->at_ns);
	put32(&k, p->caplen);
	put32(&k, p->len);
	put(&k, p->data, p->caplen);
	option(&k, EPB_FLAGS, &p->flags, sizeof(p->flags));
	put16(&k, OPT_END, 0);
	return block_end(&k);
}

int
pcapng_end(struct buf *b, const struct pcapng_counts *c)
{
	struct block k = block_begin(b, BLOCK_STATISTICS);

	put32(&k, 0);
	put_time(&k, c->ended_ns);
	option_time(&k, ISB_STARTTIME, c->begun_ns);
	option_time(&k, ISB_ENDTIME, c->ended_ns);
	option(&k, ISB_IFRECV, &c->received, sizeof(c->received));
	option(&k, ISB_IFDROP, &c->dropped, sizeof(c->dropped));
	option(&k, ISB_USRDELIV, &c->delivered, sizeof(c->delivered));
	put16(&k, OPT_END, 0);
	return block_end(&k);
}
