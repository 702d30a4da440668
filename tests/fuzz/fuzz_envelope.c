/*
 * Streams of well-made envelopes with one thing or another wrong, and whether
 * each gets a whole answer: HTTP 200, envelopes whose lengths add up, and one
 * end of stream, at the end.
 *
 * A byte for how the client speaks, one for how it is cut up; then envelopes:
 * flags, how the payload is made, its length, the payload.
 */
#include "fuzz_rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIE_SHORT = 1, LIE_LONG = 2, PACKED = 4, DAMAGED = 8 };

static void
one_envelope(
    struct buf *b, unsigned flags, unsigned how, const char *p, size_t n)
{
	struct buf gz;
	uint32_t len;
	char head[ENVELOPE_HEAD];

	buf_init(&gz, n + 64);
	if ((how & PACKED) != 0 && gzip_all(p, n, &gz) == 0) {
		p = gz.data;
		n = gz.len;
		if ((how & DAMAGED) != 0 && n > 4)
			gz.data[n / 2] ^= (char)how;
	}
	len = (uint32_t)n;
	if ((how & LIE_SHORT) != 0)
		len -= len > 0;
	if ((how & LIE_LONG) != 0)
		len += how << 20;
	head[0] = (char)flags;
	head[1] = (char)(len >> 24);
	head[2] = (char)(len >> 16);
	head[3] = (char)(len >> 8);
	head[4] = (char)len;
	if (buf_add(b, head, sizeof(head)) < 0 || buf_add(b, p, n) < 0)
		abort();
	buf_fini(&gz);
}

static void
make_body(struct buf *b, const uint8_t *p, size_t n)
{
	while (n >= 3) {
		size_t len = p[2] < n - 3 ? p[2] : n - 3;

		one_envelope(b, p[0], p[1], (const char *)p + 3, len);
		p += 3 + len;
		n -= 3 + len;
	}
}

/* The chunks of a reply, put together; what is no chunk is a bug. */
static void
dechunk(const char *p, const char *end, struct buf *out)
{
	for (;;) {
		char *nl;
		size_t n = strtoul(p, &nl, 16);

		if (nl == p || nl + 2 > end || memcmp(nl, "\r\n", 2) != 0 ||
		    n + 4 > (size_t)(end - nl))
			abort();
		if (n == 0)
			return;
		if (buf_add(out, nl + 2, n) < 0)
			abort();
		p = nl + 2 + n + 2;
	}
}

static void
check_reply(const char *p, size_t n)
{
	const char *body = memmem(p, n, "\r\n\r\n", 4);
	struct buf b;
	bool ended = false;

	if (body == NULL || strncmp(p, "HTTP/1.1 200 ", 13) != 0)
		abort();
	buf_init(&b, 1 << 20);
	dechunk(body + 4, p + n, &b);
	while (b.len > 0) {
		const unsigned char *u = (const unsigned char *)b.data;
		size_t len;

		if (ended || b.len < ENVELOPE_HEAD)
			abort();
		len = (size_t)u[1] << 24 | (size_t)u[2] << 16 |
		      (size_t)u[3] << 8 | u[4];
		if (len > b.len - ENVELOPE_HEAD)
			abort();
		ended = u[0] == ENVELOPE_END;
		buf_consume(&b, ENVELOPE_HEAD + len);
	}
	if (!ended)
		abort();
	buf_fini(&b);
}

static size_t
read_reply(int fd, char *to, size_t cap)
{
	size_t n = 0;

	for (int quiet = 0; quiet < 3; quiet++) {
		ssize_t got = read(fd, to + n, cap - n - 1);

		if (got > 0) {
			n += (size_t)got;
			quiet = -1;
		} else
			settle();
	}
	to[n] = '\0';
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char reply[256 * 1024];
	char head[512];
	struct buf body;
	int fd, n;

	if (size < 2 || size > 8192)
		return 0;
	buf_init(&body, 1 << 20);
	make_body(&body, data + 2, size - 2);
	n = snprintf(head, sizeof(head),
	    "POST /%c HTTP/1.1\r\nHost: a\r\nContent-Type: "
	    "application/connect+%s\r\n%s%sContent-Length: %zu\r\n\r\n",
	    data[0] & 1 ? 's' : 'c', data[0] & 2 ? "proto" : "json",
	    data[0] & 4 ? "Connect-Content-Encoding: gzip\r\n" : "",
	    data[0] & 8 ? "Connect-Accept-Encoding: gzip\r\n" : "", body.len);
	fd = dial();
	(void)send(fd, head, (size_t)n, MSG_NOSIGNAL);
	send_pieces(fd, body.data, body.len,
	    data[1] % 4 == 0 ? size * 64 : data[1] + 1u);
	settle();
	check_reply(reply, read_reply(fd, reply, sizeof(reply)));
	hang_up(fd);
	buf_fini(&body);
	return 0;
}
