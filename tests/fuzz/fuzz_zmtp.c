/*
 * What a peer sends means the same, whole or in pieces of any size; what
 * becomes of a message for a client is one line of ASCII that is JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "code/event.h"
#include "code/msg.h"
#include "code/zmtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_line(const struct buf *b)
{
	json_t *o;

	if (b->len == 0)
		return;
	for (size_t i = 0; i < b->len; i++) {
		unsigned char c = (unsigned char)b->data[i];

		if ((c < 0x20 || c > 0x7e) != (i == b->len - 1))
			abort();
	}
	o = json_loadb(b->data, b->len, JSON_ALLOW_NUL, NULL);
	/* jansson knows no half surrogates, long integers, deep nesting. */
	json_decref(o);
	if (b->data[0] != '{' || b->data[b->len - 2] != '}')
		abort();
}

static void
tell(const struct zmtp_part *parts, size_t n)
{
	struct buf b;
	struct msg m;

	if (msg_from_frames(parts, n, &m) < 0)
		return;
	buf_init(&b, 1 << 20);
	if (event_put(&b, &m) == 0)
		check_line(&b);
	else if (b.len != 0)
		abort();
	buf_fini(&b);
}

static void
feed(struct buf *log, const char *p, size_t n, size_t step)
{
	enum zmtp_what what = ZMTP_MORE;
	struct zmtp z;

	zmtp_init(&z, 4096);
	for (size_t i = 0; i < n && what != ZMTP_BAD; i += step) {
		const char *at = p + i;
		size_t left = n - i < step ? n - i : step;

		while ((what = zmtp_next(&z, &at, &left)) != ZMTP_MORE &&
		       what != ZMTP_BAD) {
			(void)buf_printf(log, "%d/%zu:", what, z.nparts);
			if (what != ZMTP_MESSAGE)
				continue;
			for (size_t k = 0; k < z.nparts; k++)
				(void)buf_add(log, z.parts[k].p, z.parts[k].n);
			if (step >= n)
				tell(z.parts, z.nparts);
		}
	}
	if (z.body.len > 4096 || z.nparts > ZMTP_PARTS_MAX)
		abort();
	(void)buf_printf(log, "%s", z.why != NULL ? z.why : "");
	zmtp_fini(&z);
}

/* Past the greeting at once: it is 64 bytes that nothing else hangs on. */
static size_t
hello(char *to)
{
	static const char ready[] = "\4\x6\5READY";

	memset(to, 0, ZMTP_GREETING);
	to[0] = (char)0xff;
	to[9] = 0x7f;
	to[10] = 3;
	memcpy(to + 12, "NULL", 4);
	memcpy(to + ZMTP_GREETING, ready, 8);
	return ZMTP_GREETING + 8;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;
	char *in;
	size_t n = 0;

	if (size < 1)
		return 0;
	in = malloc(ZMTP_GREETING + 8 + size);
	if (in == NULL)
		return 0;
	if (data[0] & 1)
		n = hello(in);
	memcpy(in + n, data + 1, size - 1);
	n += size - 1;
	buf_init(&whole, 1 << 22);
	buf_init(&pieces, 1 << 22);
	feed(&whole, in, n, n + 1);
	feed(&pieces, in, n, data[0] / 2 + 1u);
	if (whole.len != pieces.len ||
	    (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
		abort();
	buf_fini(&whole);
	buf_fini(&pieces);
	free(in);
	return 0;
}
