/* Capture files byte by byte and as libpcap reads them; filters. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "capture/capture_int.h"
#include "tests/t.h"

enum { FRAME = 61 };

#define AT_NS 1732167274123456789u

static const struct pcapng_if link_of = {
	.name = "cop7",
	.description = "sandbox x",
	.filter = "tcp",
	.snaplen = 128,
};

static void
frame(unsigned char to[FRAME])
{
	for (int i = 0; i < FRAME; i++)
		to[i] = (unsigned char)i;
	to[12] = 8;
	to[13] = 0;
}

static uint32_t
word(const struct buf *b, size_t at)
{
	uint32_t v = 0;

	if (at + sizeof(v) <= b->len)
		memcpy(&v, b->data + at, sizeof(v));
	return v;
}

/* --- bytes ---------------------------------------------------------------- */

/* Type, both lengths; how long it is. */
static size_t
block_ok(const struct buf *b, size_t at, uint32_t type)
{
	const uint32_t n = word(b, at + 4);

	CHECK(word(b, at) == type);
	CHECK(n >= 12 && n % 4 == 0 && at + n <= b->len);
	CHECK(word(b, at + n - 4) == n);
	return n;
}

static void
has_bytes(const struct buf *b, size_t at, const char *want, size_t n)
{
	CHECK(at + n <= b->len && memcmp(b->data + at, want, n) == 0);
}

#define HAS(b, at, literal) has_bytes(b, at, literal, sizeof(literal) - 1)

static void
first_blocks(const struct buf *b, size_t *at)
{
	size_t n = block_ok(b, 0, 0x0a0d0d0a);

	HAS(b, 8,
	    "\x4d\x3c\x2b\x1a\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
	    "\4\0");
	HAS(b, n - 8, "\0\0\0\0");
	*at = n;
	n = block_ok(b, *at, 1);
	HAS(b, *at + 8, "\1\0\0\0\x80\0\0\0");
	HAS(b, *at + 16, "\2\0\4\0cop7\3\0\x9\0sandbox x\0\0\0");
	HAS(b, *at + 40, "\x9\0\1\0\x9\0\0\0\xb\0\4\0\0tcp\0\0\0\0");
	CHECK(n == 40 + 20 + 4);
	*at += n;
}

static void
bytes(void)
{
	unsigned char data[FRAME];
	const struct pcapng_packet p = { AT_NS, FRAME, 1500,
		PCAPNG_OUTBOUND | PCAPNG_MULTICAST, data };
	const struct pcapng_counts c = { 1, (uint64_t)2 << 32 | 3, 4, 5, 6 };
	struct buf b;
	size_t at = 0, n;

	frame(data);
	buf_init(&b, 4096);
	CHECK(pcapng_begin(&b, &link_of) == 0);
	first_blocks(&b, &at);
	CHECK(at == b.len);
	CHECK(pcapng_packet(&b, &p) == 0);
	CHECK(b.len - at == pcapng_packet_bytes(FRAME));
	n = block_ok(&b, at, 6);
	CHECK(word(&b, at + 8) == 0);
	CHECK(word(&b, at + 12) == (uint32_t)(AT_NS >> 32));
	CHECK(word(&b, at + 16) == (uint32_t)AT_NS);
	CHECK(word(&b, at + 20) == FRAME && word(&b, at + 24) == 1500);
	has_bytes(&b, at + 28, (const char *)data, FRAME);
	HAS(&b, at + 28 + FRAME, "\0\0\0\2\0\4\0\x0a\0\0\0\0\0\0\0");
	at += n;
	CHECK(pcapng_end(&b, &c) == 0);
	n = block_ok(&b, at, 5);
	CHECK(n == PCAPNG_END_BYTES && at + n == b.len);
	HAS(&b, at + 8, "\0\0\0\0\2\0\0\0\3\0\0\0");
	HAS(&b, at + 20, "\2\0\x8\0\0\0\0\0\1\0\0\0\3\0\x8\0\2\0\0\0\3\0\0\0");
	HAS(&b, at + 44, "\4\0\x8\0\4\0\0\0\0\0\0\0\5\0\x8\0\5\0\0\0\0\0\0\0");
	HAS(&b, at + 68, "\x8\0\x8\0\6\0\0\0\0\0\0\0\0\0\0\0");
	buf_fini(&b);
}

/* What does not fit leaves nothing. */
static void
ceilings(void)
{
	unsigned char data[FRAME];
	const struct pcapng_packet p = { AT_NS, FRAME, FRAME, 0, data };
	const struct pcapng_counts c = { 0 };
	struct buf b;

	frame(data);
	for (size_t max = 0; max < 124; max++) {
		buf_init(&b, max);
		CHECK(pcapng_begin(&b, &link_of) < 0 && b.len == 0);
		CHECK((pcapng_packet(&b, &p) == 0) ==
		      (max >= pcapng_packet_bytes(FRAME)));
		CHECK(b.len == 0 || b.len == pcapng_packet_bytes(FRAME));
		buf_reset(&b);
		CHECK((pcapng_end(&b, &c) == 0) == (max >= PCAPNG_END_BYTES));
		CHECK(b.len == 0 || b.len == PCAPNG_END_BYTES);
		buf_fini(&b);
	}
}

/* --- libpcap -------------------------------------------------------------- */

static void
as_libpcap_reads_it(void)
{
	struct buf b;
	struct pcap_pkthdr h;
	char why[PCAP_ERRBUF_SIZE];
	unsigned char data[FRAME];
	const unsigned char *got;
	pcap_t *f;

	frame(data);
	buf_init(&b, 65536);
	CHECK(pcapng_begin(&b, &link_of) == 0);
	for (uint32_t i = 0; i < FRAME; i++) {
		const struct pcapng_packet p = { AT_NS + i, i, FRAME + i,
			PCAPNG_INBOUND, data };

		CHECK(pcapng_packet(&b, &p) == 0);
	}
	CHECK(pcapng_end(&b, &(struct pcapng_counts){ 0 }) == 0);
	f = pcap_fopen_offline_with_tstamp_precision(
	    fmemopen(b.data, b.len, "r"), PCAP_TSTAMP_PRECISION_NANO, why);
	CHECK(f != NULL);
	if (f == NULL)
		return;
	CHECK(pcap_datalink(f) == DLT_EN10MB && pcap_snapshot(f) == 128);
	for (uint32_t i = 0; i < FRAME; i++) {
		got = pcap_next(f, &h);
		CHECK(got != NULL && h.caplen == i && h.len == FRAME + i);
		CHECK((uint64_t)h.ts.tv_sec * 1000000000u +
			  (uint64_t)h.ts.tv_usec ==
		      AT_NS + i);
		CHECK(got != NULL && memcmp(got, data, i) == 0);
	}
	CHECK(pcap_next(f, &h) == NULL && *pcap_geterr(f) == '\0');
	pcap_close(f);
	buf_fini(&b);
}

/* --- what is asked -------------------------------------------------------- */

static void
filters(void)
{
	static const char *const bad[] = { "tcp prot 80", "port 99999",
		"net 1.2.3.4/99", "(tcp", "not", "len >", "\xff", "tcp[",
		"%s%s" };
	struct bpf_program p;
	unsigned char tcp[60] = { [12] = 8, [14] = 0x45, [23] = 6, [37] = 80 };
	struct err e;

	CHECK(filter_compile("tcp dst port 80", 128, &p, &e) == 0);
	CHECK(bpf_filter(p.bf_insns, tcp, sizeof(tcp), sizeof(tcp)) == 128);
	tcp[37] = 81;
	CHECK(bpf_filter(p.bf_insns, tcp, sizeof(tcp), sizeof(tcp)) == 0);
	pcap_freecode(&p);
	CHECK(filter_compile("", 65535, &p, &e) == 0);
	CHECK(bpf_filter(p.bf_insns, tcp, sizeof(tcp), sizeof(tcp)) == 65535);
	pcap_freecode(&p);
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(filter_compile(bad[i], 128, &p, &e) < 0);
		CHECK(e.kind == ERR_INVALID);
		CHECK(strncmp(e.msg, "filter: ", 8) == 0 && e.msg[8] != '\0');
	}
}

static void
requests(void)
{
	const struct capture_ask good = { .bytes = 4096, .snaplen = 64 };
	struct capture_ask a = good;
	struct err e;

	CHECK(ask_check(&a, &e) == 0);
	a.bytes = 4095;
	CHECK(ask_check(&a, &e) < 0 && strstr(e.msg, "bytes: 4095") != NULL);
	a.bytes = (uint64_t)CAPTURE_BYTES_MAX + 1;
	CHECK(ask_check(&a, &e) < 0);
	a = good;
	a.snaplen = 65536;
	CHECK(ask_check(&a, &e) < 0 && strstr(e.msg, "65536") != NULL);
	a.snaplen = 63;
	CHECK(ask_check(&a, &e) < 0);
	a = good;
	a.seconds = 3601;
	CHECK(ask_check(&a, &e) < 0 && strstr(e.msg, "seconds") != NULL);
	a = good;
	memset(a.filter, 'x', sizeof(a.filter));
	CHECK(ask_check(&a, &e) < 0 && strstr(e.msg, "filter") != NULL);
	a.filter[CAPTURE_FILTER_MAX] = '\0';
	CHECK(ask_check(&a, &e) == 0);
}

int
main(void)
{
	bytes();
	ceilings();
	as_libpcap_reads_it();
	filters();
	requests();
	return t_end();
}
