/* Heads and bodies mean the same, whole or in pieces of any size. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct buf text;
	enum { IN_HEAD, IN_BODY, OVER, WRONG } state;
	struct buf pending;
	size_t head_seen;
	struct http1_head head;
	struct http1_body body;
};

static void
head(struct seen *s, bool request)
{
	ptrdiff_t n =
	    http1_head_end(s->pending.data, s->pending.len, &s->head_seen);

	if (n == 0)
		return;
	if (n < 0 ||
	    (request ? http1_request(&s->head, s->pending.data, (size_t)n)
		     : http1_response(
			   &s->head, s->pending.data, (size_t)n, false)) < 0) {
		s->state = WRONG;
		return;
	}
	for (uint32_t i = 0; i < s->head.nheaders; i++) {
		struct http1_header h = s->head.header[i];

		(void)buf_add(
		    &s->text, s->pending.data + h.name.at, h.name.len);
		(void)buf_add(
		    &s->text, s->pending.data + h.value.at, h.value.len);
	}
	http1_body_begin(&s->body, &s->head);
	s->state = IN_BODY;
	buf_consume(&s->pending, (size_t)n);
}

static void
body(struct seen *s)
{
	const char *p = s->pending.data;
	size_t n = s->pending.len, left = n;

	while (s->state == IN_BODY && (left > 0 || s->body.ended))
		switch (http1_body_next(&s->body, &p, &left)) {
		case HTTP1_DATA:
			(void)buf_add(&s->text, s->body.data, s->body.ndata);
			break;
		case HTTP1_END:
			s->state = OVER;
			break;
		case HTTP1_BAD:
			s->state = WRONG;
			break;
		case HTTP1_MORE:
			break;
		}
	buf_consume(&s->pending, n - left);
}

static void
feed(struct seen *s, const uint8_t *p, size_t n, size_t step, bool request)
{
	buf_init(&s->text, 1 << 20);
	buf_init(&s->pending, 1 << 20);
	for (size_t i = 0; i < n; i += step) {
		size_t some = n - i < step ? n - i : step;

		if (s->state == OVER || s->state == WRONG)
			break;
		(void)buf_add(&s->pending, p + i, some);
		if (s->state == IN_HEAD)
			head(s, request);
		if (s->state == IN_BODY)
			body(s);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen whole, parts;
	size_t step;
	bool request;

	if (size < 2)
		return 0;
	request = data[0] & 1;
	step = data[1] % 32 + 1u;
	data += 2;
	size -= 2;
	memset(&whole, 0, sizeof(whole));
	memset(&parts, 0, sizeof(parts));
	feed(&whole, data, size, size > 0 ? size : 1, request);
	feed(&parts, data, size, step, request);
	/* What is wrong may be found before the pieces before it were used. */
	if (whole.state != parts.state)
		abort();
	if (whole.text.len != parts.text.len ||
	    (whole.text.len > 0 &&
		memcmp(whole.text.data, parts.text.data, whole.text.len) != 0))
		abort();
	buf_fini(&whole.text);
	buf_fini(&whole.pending);
	buf_fini(&parts.text);
	buf_fini(&parts.pending);
	return 0;
}
