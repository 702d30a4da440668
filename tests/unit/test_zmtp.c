/* ZMTP: what is said to the letter, and what is heard in pieces of any size. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "code/msg.h"
#include "code/zmtp.h"
#include "t.h"

enum { MAX = 1000 };

/* What RFC 23 gives as a greeting, with the mechanism NULL. */
static void
put_greeting(struct buf *b, char major, const char *mechanism)
{
	char g[64] = { 0 };

	g[0] = (char)0xff;
	g[9] = 0x7f;
	g[10] = major;
	g[11] = 1; /* a minor version of later */
	memcpy(g + 12, mechanism, strlen(mechanism));
	(void)buf_add(b, g, sizeof(g));
}

static void
put_ready(struct buf *b)
{
	(void)buf_add(b, "\4\x1a\5READY\xbSocket-Type\0\0\0\3PUB", 28);
}

/* Everything that is heard, one letter a thing, in pieces of `step`. */
static void
hear(struct zmtp *z, const struct buf *in, size_t step, struct buf *out)
{
	static const char letters[] = ".RMSP!";

	buf_reset(out);
	zmtp_init(z, MAX);
	for (size_t i = 0; i < in->len; i += step) {
		const char *p = in->data + i;
		size_t n = in->len - i < step ? in->len - i : step;
		enum zmtp_what what;

		do {
			what = zmtp_next(z, &p, &n);
			if (what == ZMTP_MORE)
				continue;
			(void)buf_printf(out, "%c", letters[what]);
			if (what == ZMTP_SKIPPED)
				(void)buf_printf(
				    out, "%u", (unsigned)z->skipped);
			for (size_t k = 0;
			     what == ZMTP_MESSAGE && k < z->nparts; k++) {
				(void)buf_puts(out, k > 0 ? "," : "");
				(void)buf_add(
				    out, z->parts[k].p, z->parts[k].n);
			}
			if (what == ZMTP_PING)
				(void)buf_add(
				    out, z->parts[0].p, z->parts[0].n);
		} while (what != ZMTP_MORE && what != ZMTP_BAD);
		if (what == ZMTP_BAD)
			break;
	}
	zmtp_fini(z);
}

static bool
heard_as(const struct buf *in, const char *want)
{
	struct zmtp z;
	struct buf out;
	bool ok = true;

	buf_init(&out, 100000);
	for (size_t step = 1; step <= in->len + 1; step++) {
		hear(&z, in, step, &out);
		if (strcmp(buf_str(&out), want) != 0) {
			printf("# by %zu: %s, not %s\n", step, buf_str(&out),
			    want);
			ok = false;
			break;
		}
	}
	buf_fini(&out);
	return ok;
}

static void
said(void)
{
	struct buf b;

	buf_init(&b, 4096);
	CHECK(zmtp_put_hello(&b, "SUB") == 0);
	CHECK(b.len == 64 + 2 + 6 + 12 + 4 + 3 + 9 + 4);
	CHECK((unsigned char)b.data[0] == 0xff && b.data[9] == 0x7f &&
	      b.data[10] == 3 && b.data[11] == 0 &&
	      strcmp(b.data + 12, "NULL") == 0 && b.data[32] == 0);
	CHECK(memcmp(b.data + 64,
		  "\4\x26\5READY\xbSocket-Type\0\0\0\3SUB\x8Identity\0\0\0\0",
		  b.len - 64) == 0);
	buf_reset(&b);
	CHECK(zmtp_put_frame(&b, "ab", 2, true) == 0 && b.len == 4 &&
	      memcmp(b.data, "\1\2ab", 4) == 0);
	buf_reset(&b);
	CHECK(zmtp_put_subscribe(&b) == 0 && b.len == 3 &&
	      memcmp(b.data, "\0\1\1", 3) == 0);
	buf_reset(&b);
	CHECK(zmtp_put_pong(&b, "xy", 2) == 0 &&
	      memcmp(b.data, "\4\7\4PONGxy", 9) == 0);
	buf_fini(&b);
}

static void
heard(void)
{
	char large[300];
	struct buf b;

	memset(large, 'l', sizeof(large));
	buf_init(&b, 100000);
	put_greeting(&b, 3, "NULL");
	put_ready(&b);
	CHECK(heard_as(&b, "R"));
	(void)zmtp_put_frame(&b, "one", 3, false);
	(void)zmtp_put_frame(&b, "a", 1, true);
	(void)zmtp_put_frame(&b, "", 0, true);
	(void)zmtp_put_frame(&b, "c", 1, false);
	(void)zmtp_put_frame(&b, "", 0, false);
	CHECK(heard_as(&b, "RMoneMa,,cM"));
	/* PING: a name, two bytes of time, a context. */
	(void)buf_add(&b, "\4\xb\4PING\0\1ctxt", 13);
	(void)buf_add(&b, "\4\6\5LATER", 8);
	CHECK(heard_as(&b, "RMoneMa,,cMPctxt"));
	buf_fini(&b);

	/* Over the limit: skipped whole, and the next one is heard. */
	buf_init(&b, 100000);
	put_greeting(&b, 3, "NULL");
	put_ready(&b);
	for (int i = 0; i < 4; i++)
		(void)zmtp_put_frame(&b, large, sizeof(large), i < 3);
	(void)zmtp_put_frame(&b, "next", 4, false);
	CHECK(heard_as(&b, "RS1200Mnext"));
	for (int i = 0; i <= ZMTP_PARTS_MAX; i++)
		(void)zmtp_put_frame(&b, "p", 1, i < ZMTP_PARTS_MAX);
	(void)zmtp_put_frame(&b, "last", 4, false);
	CHECK(heard_as(&b, "RS1200MnextS65Mlast"));
	buf_fini(&b);
}

static bool
refused(const char *greeting_of, char major, const char *then, size_t n)
{
	struct buf b;
	bool ok;

	buf_init(&b, 10000);
	put_greeting(&b, major, greeting_of);
	(void)buf_add(&b, then, n);
	ok = heard_as(&b, "!");
	buf_fini(&b);
	return ok;
}

static void
nonsense(void)
{
	struct buf b;

	CHECK(refused("NULL", 2, "", 0));
	CHECK(refused("PLAIN", 3, "", 0));
	CHECK(refused("NULL", 3, "\0\1x", 3));	     /* before READY */
	CHECK(refused("NULL", 3, "\4\6\5HELLO", 8)); /* not READY */
	CHECK(refused("NULL", 3, "\4\0", 2));	     /* without a name */
	CHECK(refused("NULL", 3, "\4\6\5ERROR", 8));
	CHECK(refused("NULL", 3, "\x10", 1));	     /* flags */
	CHECK(refused("NULL", 3, "\5\6\5READY", 8)); /* a command with MORE */
	CHECK(refused("NULL", 3, "\6\0\0\0\0\0\0\x20\0", 9)); /* 8 KiB of it */
	CHECK(refused("NULL", 3, "\6\xff\xff\xff\xff\xff\xff\xff\xff", 9));
	buf_init(&b, 1000);
	for (int i = 0; i < 64; i++)
		(void)buf_add(&b, "H", 1);
	CHECK(heard_as(&b, "!"));
	buf_fini(&b);
}

/* --- Jupyter's messages ---------------------------------------------------*/

static void
messages(void)
{
	struct zmtp_part p[] = {
		{ "topic", 5 },
		{ "<IDS|MSG>", 9 },
		{ "", 0 },
		{ "{\"msg_type\":\"stream\",\"date\":\"d\"}", 32 },
		{ "{\"msg_id\":\"i-1\"}", 16 },
		{ "{}", 2 },
		{ "{\"text\":\"t\"}", 12 },
		{ "a buffer", 8 },
	};
	struct buf b, content;
	struct msg m;
	struct zmtp z;

	CHECK(msg_from_frames(p, 8, &m) == 0 && m.type == MSG_STREAM &&
	      jv_is(m.id, "i-1") && jv_is(m.date, "d") &&
	      jv_is(jv_get(m.content, "text"), "t"));
	CHECK(msg_from_frames(p + 1, 6, &m) == 0);
	CHECK(msg_from_frames(p, 6, &m) < 0);
	CHECK(msg_from_frames(p + 2, 6, &m) < 0);
	CHECK(msg_from_frames(p, 0, &m) < 0);
	p[6] = (struct zmtp_part){ "[]", 2 };
	CHECK(msg_from_frames(p, 8, &m) < 0);
	p[6] = (struct zmtp_part){ "{", 1 };
	CHECK(msg_from_frames(p, 8, &m) < 0);

	/* What we write, we can read. */
	buf_init(&b, 4096);
	buf_init(&content, 4096);
	put_greeting(&b, 3, "NULL");
	put_ready(&b);
	(void)buf_puts(&content, "{\"x\":1}");
	CHECK(msg_put_frames(&b, "status", "s", "i-2", &content) == 0);
	zmtp_init(&z, MAX);
	{
		const char *at = b.data;
		size_t n = b.len;

		CHECK(zmtp_next(&z, &at, &n) == ZMTP_READY);
		CHECK(zmtp_next(&z, &at, &n) == ZMTP_MESSAGE && n == 0);
		CHECK(z.nparts == 6);
		CHECK(msg_from_frames(z.parts, z.nparts, &m) == 0 &&
		      m.type == MSG_STATUS);
		CHECK(jv_type(m.id) == JV_NONE); /* it is a request */
		CHECK(zmtp_next(&z, &at, &n) == ZMTP_MORE);
	}
	zmtp_fini(&z);
	buf_fini(&b);
	buf_fini(&content);

	CHECK(msg_from_line("{\"type\":\"ready\"}", 16, &m) == 0 &&
	      m.type == MSG_READY);
	CHECK(msg_from_line("{\"type\":\"toString\"}", 19, &m) == 0 &&
	      m.type == MSG_OTHER);
	CHECK(msg_from_line("[1]", 3, &m) < 0);
}

int
main(void)
{
	said();
	heard();
	nonsense();
	messages();
	return t_end();
}
