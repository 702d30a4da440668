#include "frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LAYERS_MAX = 16, FIELDS_MAX = 12, DATA_LEN = 40 };

struct build;

struct kind {
	const char *name;
	int ethertype, proto; /* what the layer outside says; -1: no such */
	/* Writes this layer and those inside it; how many bytes. */
	size_t (*put)(struct build *b, size_t i, uint8_t *out);
};

struct field {
	char *key, *value;
	bool used;
};

struct layer {
	const struct kind *kind;
	struct field field[FIELDS_MAX];
	size_t nfields;
};

struct build {
	const struct frame_me *me;
	const char *token, *text;
	struct layer layer[LAYERS_MAX];
	size_t n;
	/* A sum that covers the addresses outside: where, over how much. */
	uint8_t *sum_from, *sum_at;
	size_t sum_len;
};

static void __attribute__((noreturn, format(printf, 2, 3)))
wrong(const struct build *b, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "frame \"%s\": ", b->text);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* --- fields --------------------------------------------------------------- */

static const char *
text_of(struct build *b, size_t i, const char *key, const char *otherwise)
{
	struct layer *l = &b->layer[i];

	for (size_t k = 0; k < l->nfields; k++)
		if (strcmp(l->field[k].key, key) == 0) {
			l->field[k].used = true;
			return l->field[k].value;
		}
	return otherwise;
}

static uint32_t
number_of(struct build *b, size_t i, const char *key, uint32_t otherwise)
{
	const char *s = text_of(b, i, key, NULL);
	char *end;
	unsigned long n;

	if (s == NULL)
		return otherwise;
	n = strtoul(s, &end, 0);
	if (*s == '\0' || *end != '\0')
		wrong(b, "%s=%s is no number", key, s);
	return (uint32_t)n;
}

static void
mac_of(struct build *b, size_t i, const char *key, const uint8_t otherwise[6],
    uint8_t *to)
{
	const char *s = text_of(b, i, key, NULL);

	if (s == NULL)
		memcpy(to, otherwise, 6);
	else if (sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &to[0],
		     &to[1], &to[2], &to[3], &to[4], &to[5]) != 6)
		wrong(b, "%s=%s is no MAC address", key, s);
}

static void
address_of(struct build *b, size_t i, const char *key, int family,
    const char *otherwise, uint8_t *to)
{
	const char *s = text_of(b, i, key, otherwise);

	if (inet_pton(family, s, to) != 1)
		wrong(b, "%s=%s is no address", key, s);
}

static size_t
hex_of(struct build *b, size_t i, const char *key, uint8_t *to)
{
	const char *s = text_of(b, i, key, "");
	size_t n = 0;

	for (; *s != '\0'; s += 2, n++)
		if (sscanf(s, "%2hhx", &to[n]) != 1 || s[1] == '\0')
			wrong(b, "%s is not in hexadecimal", key);
	return n;
}

static void
put16(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
}

static void
put32(uint8_t *to, uint32_t v)
{
	put16(to, v >> 16);
	put16(to + 2, v & 0xffff);
}

/* --- what is inside ------------------------------------------------------- */

static const struct kind *
inside(const struct build *b, size_t i)
{
	return i + 1 < b->n ? b->layer[i + 1].kind : NULL;
}

static size_t
put_inside(struct build *b, size_t i, uint8_t *out)
{
	const struct kind *k = inside(b, i);

	return k == NULL ? 0 : k->put(b, i + 1, out);
}

static uint32_t
ethertype_inside(struct build *b, size_t i)
{
	const struct kind *k = inside(b, i);
	uint32_t unknown = 0x88b5; /* for experiments */

	return k == NULL || k->ethertype < 0 ? unknown : (uint32_t)k->ethertype;
}

static uint8_t
proto_inside(struct build *b, size_t i)
{
	const struct kind *k = inside(b, i);
	uint8_t unknown = 253; /* likewise */

	return k == NULL || k->proto < 0 ? unknown : (uint8_t)k->proto;
}

/* --- sums ----------------------------------------------------------------- */

static uint32_t
add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n % 2 == 1)
		sum += (uint32_t)p[n - 1] << 8;
	return sum;
}

static uint16_t
folded(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void
sum_later(struct build *b, uint8_t *from, size_t len, uint8_t *at)
{
	b->sum_from = from;
	b->sum_len = len;
	b->sum_at = at;
}

/* Now that the addresses are known. */
static void
sum_now(struct build *b, const uint8_t *addresses, size_t n, uint8_t proto)
{
	uint32_t sum;
	uint16_t v;

	if (b->sum_at == NULL)
		return;
	put16(b->sum_at, 0);
	sum = add((uint32_t)proto + (uint32_t)b->sum_len, addresses, n);
	v = folded(add(sum, b->sum_from, b->sum_len));
	put16(b->sum_at, v == 0 ? 0xffff : v);
	b->sum_at = NULL;
}

/* CRC-32C, as SCTP has it. */
static uint32_t
crc32c(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* --- layers: link --------------------------------------------------------- */

static size_t
put_eth(struct build *b, size_t i, uint8_t *out)
{
	mac_of(b, i, "dst", b->me->via, out);
	mac_of(b, i, "src", b->me->mac, out + 6);
	put16(out + 12, number_of(b, i, "type", ethertype_inside(b, i)));
	return 14 + put_inside(b, i, out + 14);
}

static size_t
put_vlan(struct build *b, size_t i, uint8_t *out)
{
	put16(out, number_of(b, i, "id", 0));
	put16(out + 2, ethertype_inside(b, i));
	return 4 + put_inside(b, i, out + 4);
}

static size_t
put_arp(struct build *b, size_t i, uint8_t *out)
{
	static const uint8_t nobody[6];

	put16(out, 1);
	put16(out + 2, FRAME_IP4);
	out[4] = 6;
	out[5] = 4;
	put16(out + 6, number_of(b, i, "op", 1));
	mac_of(b, i, "sha", b->me->mac, out + 8);
	address_of(b, i, "spa", AF_INET, b->me->s4, out + 14);
	mac_of(b, i, "tha", nobody, out + 18);
	address_of(b, i, "tpa", AF_INET, b->me->s4, out + 24);
	return 28 + put_inside(b, i, out + 28);
}

/* --- layers: IP ----------------------------------------------------------- */

struct slice {
	size_t from, len;
	bool more, whole;
};

static struct slice
slice_of(struct build *b, size_t i, size_t len)
{
	const char *s = text_of(b, i, "slice", NULL);
	struct slice c = { 0, len, false, true };
	char plus = 0;

	if (s == NULL)
		return c;
	c.whole = false;
	if (sscanf(s, "%zu:%zu%c", &c.from, &c.len, &plus) < 2 ||
	    c.from % 8 != 0 || c.from > len)
		wrong(b, "slice=%s of %zu bytes", s, len);
	if (c.len > len - c.from)
		c.len = len - c.from;
	c.more = plus == '+';
	return c;
}

static size_t
put_ip(struct build *b, size_t i, uint8_t *out)
{
	size_t opts = (hex_of(b, i, "opt", out + 20) + 3) / 4 * 4, head, len;
	uint8_t proto = (uint8_t)number_of(b, i, "proto", proto_inside(b, i));
	struct slice c;

	head = 20 + opts;
	len = put_inside(b, i, out + head);
	out[0] = (uint8_t)(0x40 | head / 4);
	put16(out + 4, number_of(b, i, "id", 0));
	out[8] = (uint8_t)number_of(b, i, "ttl", 64);
	out[9] = proto;
	address_of(b, i, "src", AF_INET, b->me->s4, out + 12);
	address_of(b, i, "dst", AF_INET, b->me->s4, out + 16);
	sum_now(b, out + 12, 8, proto);
	c = slice_of(b, i, len);
	memmove(out + head, out + head + c.from, c.len);
	put16(out + 2, (uint32_t)(head + c.len));
	put16(out + 6, (uint32_t)(c.from / 8) | (c.more ? 0x2000 : 0));
	put16(out + 10, folded(add(0, out, head)));
	return head + c.len;
}

static size_t
put_ip6(struct build *b, size_t i, uint8_t *out)
{
	uint8_t next = (uint8_t)number_of(b, i, "next", proto_inside(b, i));
	size_t len = put_inside(b, i, out + 40), head = 0;
	struct slice c = slice_of(b, i, len);

	out[0] = 0x60;
	out[7] = (uint8_t)number_of(b, i, "hop", 64);
	address_of(b, i, "src", AF_INET6, b->me->s6, out + 8);
	address_of(b, i, "dst", AF_INET6, b->me->s6, out + 24);
	/* The sum wants to know what is at the end of the chain. */
	if (b->sum_at != NULL) {
		size_t last = i + 1;

		while (b->layer[last].kind->proto == 0 ||
		       b->layer[last].kind->proto == 60 ||
		       b->layer[last].kind->proto == 43)
			last++;
		sum_now(b, out + 8, 32, (uint8_t)b->layer[last].kind->proto);
	}
	if (!c.whole) {
		uint8_t fragment[8] = { next };

		put16(fragment + 2, (uint32_t)c.from | (c.more ? 1 : 0));
		put32(fragment + 4, number_of(b, i, "id", 0));
		memmove(out + 48, out + 40 + c.from, c.len);
		memcpy(out + 40, fragment, sizeof(fragment));
		next = 44;
		head = sizeof(fragment);
	}
	put16(out + 4, (uint32_t)(head + c.len));
	out[6] = next;
	return 40 + head + c.len;
}

/* Hop-by-hop and destination options: padded to eight bytes. */
static size_t
put_options(struct build *b, size_t i, uint8_t *out)
{
	size_t n = 2 + hex_of(b, i, "opt", out + 2);
	size_t len = (n + 7) / 8 * 8;

	if (len - n >= 2)
		out[n] = 1; /* PadN */
	if (len - n >= 2)
		out[n + 1] = (uint8_t)(len - n - 2);
	out[0] = proto_inside(b, i);
	out[1] = (uint8_t)(len / 8 - 1);
	return len + put_inside(b, i, out + len);
}

static size_t
put_routing(struct build *b, size_t i, uint8_t *out)
{
	out[0] = proto_inside(b, i);
	out[1] = 2;
	out[2] = (uint8_t)number_of(b, i, "type", 0);
	out[3] = (uint8_t)number_of(b, i, "left", 1);
	address_of(b, i, "to", AF_INET6, b->me->s6, out + 8);
	return 24 + put_inside(b, i, out + 24);
}

/* --- layers: what is carried ---------------------------------------------- */

static size_t
put_udp(struct build *b, size_t i, uint8_t *out)
{
	size_t len = 8 + put_inside(b, i, out + 8);

	put16(out, number_of(b, i, "sport", 40000));
	put16(out + 2, number_of(b, i, "dport", 9));
	put16(out + 4, (uint32_t)len);
	sum_later(b, out, len, out + 6);
	return len;
}

static uint8_t
flags_of(struct build *b, size_t i)
{
	static const char letters[] = "FSRPAU";
	const char *s = text_of(b, i, "flags", "S"), *at;
	uint8_t v = 0;

	for (; *s != '\0' && *s != '-'; s++) {
		at = strchr(letters, *s);
		if (at == NULL)
			wrong(b, "no such flag: %c", *s);
		v |= (uint8_t)(1 << (at - letters));
	}
	return v;
}

static size_t
put_tcp(struct build *b, size_t i, uint8_t *out)
{
	size_t len = 20 + put_inside(b, i, out + 20);

	put16(out, number_of(b, i, "sport", 40000));
	put16(out + 2, number_of(b, i, "dport", 9));
	put32(out + 4, number_of(b, i, "seq", 1000));
	put32(out + 8, number_of(b, i, "ack", 0));
	out[12] = 5 << 4;
	out[13] = flags_of(b, i);
	put16(out + 14, 64000);
	sum_later(b, out, len, out + 16);
	return len;
}

/* An INIT chunk; what is inside is a parameter that nobody need know. */
static size_t
put_sctp(struct build *b, size_t i, uint8_t *out)
{
	size_t inner = put_inside(b, i, out + 36), chunk = 24 + inner;
	uint32_t crc;

	put16(out, number_of(b, i, "sport", 40000));
	put16(out + 2, number_of(b, i, "dport", 9));
	out[12] = 1;
	put16(out + 14, (uint32_t)chunk);
	put32(out + 16, 1);
	put32(out + 20, 65536);
	put16(out + 24, 1);
	put16(out + 26, 1);
	put32(out + 28, 1);
	put16(out + 32, 0xc0de);
	put16(out + 34, (uint32_t)(4 + inner));
	crc = crc32c(out, 12 + chunk);
	memcpy(out + 8, &crc, sizeof(crc));
	return 12 + chunk;
}

static size_t
put_gre(struct build *b, size_t i, uint8_t *out)
{
	put16(out + 2, ethertype_inside(b, i));
	return 4 + put_inside(b, i, out + 4);
}

static size_t
icmp(struct build *b, size_t i, uint8_t *out, uint32_t echo)
{
	out[0] = (uint8_t)number_of(b, i, "type", echo);
	out[1] = (uint8_t)number_of(b, i, "code", 0);
	put32(out + 4, number_of(b, i, "rest", 0));
	return 8 + put_inside(b, i, out + 8);
}

static size_t
put_icmp(struct build *b, size_t i, uint8_t *out)
{
	size_t len = icmp(b, i, out, 8);

	put16(out + 2, folded(add(0, out, len)));
	return len;
}

static size_t
put_icmp6(struct build *b, size_t i, uint8_t *out)
{
	size_t len = icmp(b, i, out, 128);

	sum_later(b, out, len, out + 2);
	return len;
}

static size_t
put_hex(struct build *b, size_t i, uint8_t *out)
{
	size_t n = hex_of(b, i, "v", out);

	return n + put_inside(b, i, out + n);
}

static size_t
put_data(struct build *b, size_t i, uint8_t *out)
{
	size_t n = number_of(b, i, "len", DATA_LEN), t = strlen(b->token);

	if (n > FRAME_MAX / 2)
		wrong(b, "len=%zu", n);
	for (size_t k = 0; k < n; k++)
		out[k] = (uint8_t)b->token[k % t];
	return n + put_inside(b, i, out + n);
}

static const struct kind kinds[] = {
	{ "eth", -1, -1, put_eth },
	{ "vlan", 0x8100, -1, put_vlan },
	{ "qinq", 0x88a8, -1, put_vlan },
	{ "arp", FRAME_ARP, -1, put_arp },
	{ "ip", FRAME_IP4, IPPROTO_IPIP, put_ip },
	{ "ip6", FRAME_IP6, IPPROTO_IPV6, put_ip6 },
	{ "hbh", -1, 0, put_options },
	{ "dstopt", -1, 60, put_options },
	{ "rt", -1, 43, put_routing },
	{ "udp", -1, IPPROTO_UDP, put_udp },
	{ "tcp", -1, IPPROTO_TCP, put_tcp },
	{ "sctp", -1, IPPROTO_SCTP, put_sctp },
	{ "gre", -1, IPPROTO_GRE, put_gre },
	{ "icmp", -1, IPPROTO_ICMP, put_icmp },
	{ "icmp6", -1, IPPROTO_ICMPV6, put_icmp6 },
	{ "hex", -1, -1, put_hex },
	{ "data", -1, -1, put_data },
};

/* --- a line --------------------------------------------------------------- */

static void
add_layer(struct build *b, const char *name)
{
	if (b->n == LAYERS_MAX)
		wrong(b, "too many layers");
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (strcmp(kinds[k].name, name) == 0) {
			b->layer[b->n++] = (struct layer){ .kind = &kinds[k] };
			return;
		}
	wrong(b, "no such layer: %s", name);
}

static void
add_field(struct build *b, char *word, char *equals)
{
	struct layer *l = &b->layer[b->n - 1];

	if (l->nfields == FIELDS_MAX)
		wrong(b, "too many fields");
	*equals = '\0';
	l->field[l->nfields++] = (struct field){ word, equals + 1, false };
}

static void
parse(struct build *b, char *line)
{
	char *word, *equals;

	while ((word = strsep(&line, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (b->n == 0 && strcmp(word, "eth") != 0)
			add_layer(b, "eth");
		equals = strchr(word, '=');
		if (equals == NULL)
			add_layer(b, word);
		else
			add_field(b, word, equals);
	}
	if (b->n < 2)
		wrong(b, "it is empty");
}

const char *
frame_token(uint32_t n, char to[FRAME_TOKEN])
{
	(void)snprintf(to, FRAME_TOKEN, "<%08x>", n);
	return to;
}

size_t
frame_build(const struct frame_me *me, const char *token, const char *text,
    uint8_t out[FRAME_MAX])
{
	struct build b = { .me = me, .token = token, .text = text };
	char line[FRAME_TEXT_MAX];
	size_t n;

	if (strlen(text) >= sizeof(line))
		wrong(&b, "it is too long");
	(void)snprintf(line, sizeof(line), "%s", text);
	parse(&b, line);
	memset(out, 0, FRAME_MAX);
	n = b.layer[0].kind->put(&b, 0, out);
	for (size_t i = 0; i < b.n; i++)
		for (size_t k = 0; k < b.layer[i].nfields; k++)
			if (!b.layer[i].field[k].used)
				wrong(&b, "%s has no field %s",
				    b.layer[i].kind->name,
				    b.layer[i].field[k].key);
	return n;
}
