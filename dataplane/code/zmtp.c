#include "code/zmtp.h"

#include <string.h>

enum { MORE = 1, LONG = 2, COMMAND = 4 };

void
zmtp_init(struct zmtp *z, size_t max)
{
	*z = (struct zmtp){ .at = ZMTP_AT_GREETING };
	buf_init(&z->body, max);
}

void
zmtp_fini(struct zmtp *z)
{
	buf_fini(&z->body);
}

static enum zmtp_what
bad(struct zmtp *z, const char *why)
{
	z->why = why;
	return ZMTP_BAD;
}

/* Moves to z->head until it has `want` bytes. */
static bool
fill(struct zmtp *z, size_t want, const char **p, size_t *n)
{
	size_t take = want - z->nhead < *n ? want - z->nhead : *n;

	memcpy(z->head + z->nhead, *p, take);
	z->nhead += take;
	*p += take;
	*n -= take;
	if (z->nhead < want)
		return false;
	z->nhead = 0;
	return true;
}

static enum zmtp_what
greeting(struct zmtp *z, const char **p, size_t *n)
{
	static const char null[20] = "NULL";

	if (!fill(z, ZMTP_GREETING, p, n))
		return ZMTP_MORE;
	if (z->head[0] != 0xff || z->head[9] != 0x7f)
		return bad(z, "the peer does not speak ZMTP");
	if (z->head[10] < 3)
		return bad(z, "the peer's ZMTP is older than 3.0");
	if (memcmp(z->head + 12, null, sizeof(null)) != 0)
		return bad(z, "the peer wants a security mechanism");
	z->at = ZMTP_AT_FLAGS;
	return ZMTP_MORE;
}

/* The frame before was the last of what was told. */
static void
start_over(struct zmtp *z)
{
	if (!z->given)
		return;
	z->given = false;
	z->nparts = 0;
	z->skipped = 0;
	if (z->body.cap > 1024 * 1024)
		buf_fini(&z->body);
	else
		buf_reset(&z->body);
}

static enum zmtp_what
frame_flags(struct zmtp *z, const char **p, size_t *n)
{
	start_over(z);
	if (!fill(z, 1, p, n))
		return ZMTP_MORE;
	z->flags = z->head[0];
	if ((z->flags & ~(MORE | LONG | COMMAND)) != 0 ||
	    ((z->flags & COMMAND) && (z->flags & MORE)))
		return bad(z, "a frame has flags of another protocol");
	if ((z->flags & COMMAND) && z->nparts > 0)
		return bad(z, "a command inside of a message");
	if (!(z->flags & COMMAND) && !z->ready)
		return bad(z, "a message before READY");
	z->at = ZMTP_AT_SIZE;
	return ZMTP_MORE;
}

/* Whether what follows is to be kept. */
static bool
fits(const struct zmtp *z)
{
	if (z->skipping || z->nparts == ZMTP_PARTS_MAX)
		return false;
	return z->left <= z->body.max - z->body.len;
}

static enum zmtp_what
frame_size(struct zmtp *z, const char **p, size_t *n)
{
	size_t want = z->flags & LONG ? 8 : 1;

	if (!fill(z, want, p, n))
		return ZMTP_MORE;
	z->left = 0;
	for (size_t i = 0; i < want; i++)
		z->left = z->left << 8 | z->head[i];
	if (z->left > INT64_MAX)
		return bad(z, "a frame's size is no size");
	if ((z->flags & COMMAND) && z->left > ZMTP_COMMAND_MAX)
		return bad(z, "a command is too long");
	z->at = ZMTP_AT_BODY;
	if (!fits(z)) {
		z->skipping = true;
		z->skipped += z->body.len;
		buf_fini(&z->body);
	}
	return ZMTP_MORE;
}

/* NAME is its length and its letters. */
static bool
command_is(const struct zmtp *z, const char *name)
{
	size_t n = strlen(name);

	return z->body.len > n && (unsigned char)z->body.data[0] == n &&
	       memcmp(z->body.data + 1, name, n) == 0;
}

static enum zmtp_what
command(struct zmtp *z)
{
	z->given = true;
	if (z->body.len == 0)
		return bad(z, "a command without a name");
	if (command_is(z, "ERROR"))
		return bad(z, "the peer refuses the connection");
	if (!z->ready) {
		if (!command_is(z, "READY"))
			return bad(z, "the first command is not READY");
		z->ready = true;
		return ZMTP_READY;
	}
	/* PING: two bytes for how long it would wait, then what to repeat. */
	if (command_is(z, "PING") && z->body.len >= 7) {
		z->parts[0] =
		    (struct zmtp_part){ z->body.data + 7, z->body.len - 7 };
		z->nparts = 1;
		return ZMTP_PING;
	}
	return ZMTP_MORE; /* of a later version */
}

static enum zmtp_what
message(struct zmtp *z)
{
	size_t from = 0;

	z->given = true;
	if (z->skipping) {
		z->skipping = false;
		return ZMTP_SKIPPED;
	}
	for (size_t i = 0; i < z->nparts; i++) {
		z->parts[i] = (struct zmtp_part){ z->body.data + from,
			z->ends[i] - from };
		from = z->ends[i];
	}
	return ZMTP_MESSAGE;
}

static enum zmtp_what
frame_body(struct zmtp *z, const char **p, size_t *n)
{
	size_t take = z->left < *n ? (size_t)z->left : *n;

	if (z->skipping)
		z->skipped += take;
	else if (buf_add(&z->body, *p, take) < 0)
		return bad(z, "no memory for a message");
	*p += take;
	*n -= take;
	z->left -= take;
	if (z->left > 0)
		return ZMTP_MORE;
	z->at = ZMTP_AT_FLAGS;
	if (z->flags & COMMAND)
		return command(z);
	if (!z->skipping)
		z->ends[z->nparts++] = z->body.len;
	return z->flags & MORE ? ZMTP_MORE : message(z);
}

static enum zmtp_what
step(struct zmtp *z, const char **p, size_t *n)
{
	switch (z->at) {
	case ZMTP_AT_GREETING:
		return greeting(z, p, n);
	case ZMTP_AT_FLAGS:
		return frame_flags(z, p, n);
	case ZMTP_AT_SIZE:
		return frame_size(z, p, n);
	case ZMTP_AT_BODY:
		return frame_body(z, p, n);
	}
	return ZMTP_BAD;
}

enum zmtp_what
zmtp_next(struct zmtp *z, const char **p, size_t *n)
{
	enum zmtp_what what = ZMTP_MORE;

	if (z->why != NULL)
		return ZMTP_BAD;
	/* A frame of no bytes ends where its size does. */
	while (what == ZMTP_MORE &&
	       (*n > 0 || (z->at == ZMTP_AT_BODY && z->left == 0)))
		what = step(z, p, n);
	return what;
}

/* --- what we say ----------------------------------------------------------*/

static int
put_property(struct buf *b, const char *name, const char *value)
{
	const size_t nname = strlen(name), nvalue = strlen(value);
	const char size[] = { 0, 0, 0, (char)nvalue };
	const char len = (char)nname;

	if (buf_add(b, &len, 1) < 0 || buf_add(b, name, nname) < 0 ||
	    buf_add(b, size, sizeof(size)) < 0)
		return -1;
	return buf_add(b, value, nvalue);
}

static int
put_greeting(struct buf *b)
{
	static const char g[ZMTP_GREETING] = { [0] = (char)0xff,
		[9] = 0x7f,
		[10] = 3,
		[12] = 'N',
		'U',
		'L',
		'L' };

	return buf_add(b, g, sizeof(g));
}

int
zmtp_put_hello(struct buf *b, const char *socket_type)
{
	struct buf ready;
	char head[2] = { COMMAND, 0 };
	int rc = -1;

	buf_init(&ready, 200);
	if (buf_puts(&ready, "\5READY") == 0 &&
	    put_property(&ready, "Socket-Type", socket_type) == 0 &&
	    put_property(&ready, "Identity", "") == 0) {
		head[1] = (char)ready.len;
		if (put_greeting(b) == 0 && buf_add(b, head, 2) == 0)
			rc = buf_add(b, ready.data, ready.len);
	}
	buf_fini(&ready);
	return rc;
}

static int
put_head(struct buf *b, unsigned flags, size_t n)
{
	char head[9];
	size_t len = 2;

	if (n > 255) {
		flags |= LONG;
		for (int i = 0; i < 8; i++)
			head[1 + i] = (char)((uint64_t)n >> (56 - 8 * i));
		len = 9;
	} else
		head[1] = (char)n;
	head[0] = (char)flags;
	return buf_add(b, head, len);
}

int
zmtp_put_frame(struct buf *b, const void *p, size_t n, bool more)
{
	if (put_head(b, more ? MORE : 0, n) < 0)
		return -1;
	return buf_add(b, p, n);
}

int
zmtp_put_subscribe(struct buf *b)
{
	/* As a message, which is how 3.0 has it: 1, then a prefix. */
	return zmtp_put_frame(b, "\1", 1, false);
}

int
zmtp_put_pong(struct buf *b, const void *context, size_t n)
{
	if (put_head(b, COMMAND, n + 5) < 0 || buf_add(b, "\4PONG", 5) < 0)
		return -1;
	return buf_add(b, context, n);
}
