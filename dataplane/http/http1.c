#include "http/http1.h"

#include <string.h>
#include <strings.h>

#include "base/own.h"

/*
 * Looks at each byte once.  The end is an empty line; CR may stand only in
 * front of LF, and of the other control bytes only TAB may be there at all.
 */
ptrdiff_t
http1_head_end(const char *p, size_t n, size_t *seen)
{
	size_t i = *seen;

	for (; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 0x20 && c != 0x7f)
			continue;
		if (c == '\t')
			continue;
		if (c == '\n') {
			if (i == 0 || p[i - 1] != '\r')
				return -1;
			if (i >= 3 && p[i - 2] == '\n')
				return (ptrdiff_t)(i + 1);
			continue;
		}
		if (c != '\r')
			return -1;
		if (i + 1 == n)
			break; /* look at it again with its LF */
		if (p[i + 1] != '\n')
			return -1;
	}
	*seen = i;
	return 0;
}

static struct http1_span
span(const struct http1_head *h, const char *at, size_t len)
{
	return (struct http1_span){ (uint32_t)(at - h->base), (uint32_t)len };
}

static int
on_url(llhttp_t *ll, const char *at, size_t len)
{
	struct http1_head *h = ll->data;

	h->target = span(h, at, len);
	return 0;
}

static int
on_field(llhttp_t *ll, const char *at, size_t len)
{
	struct http1_head *h = ll->data;

	if (h->nheaders == HTTP1_HEADERS_MAX) {
		h->status = 431;
		h->why = "too many header lines";
		return HPE_USER;
	}
	h->header[h->nheaders++] =
	    (struct http1_header){ .name = span(h, at, len) };
	return 0;
}

static int
on_value(llhttp_t *ll, const char *at, size_t len)
{
	struct http1_head *h = ll->data;
	struct http1_header *f = &h->header[h->nheaders - 1];

	if (h->nheaders == 0)
		return HPE_USER;
	/* A second piece is a folded line: the head is here as a whole. */
	if (f->value.len > 0) {
		h->why = "folded header line";
		return HPE_USER;
	}
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	while (len > 0 && (*at == ' ' || *at == '\t')) {
		at++;
		len--;
	}
	f->value = span(h, at, len);
	return 0;
}

static int
on_stop(llhttp_t *ll)
{
	(void)ll;
	return HPE_PAUSED;
}

static int
on_body(llhttp_t *ll, const char *at, size_t len)
{
	struct http1_body *b = ll->data;

	if (len == 0) /* input that ends inside a chunk, not the end of it */
		return 0;
	b->data = at;
	b->ndata = len;
	return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_stop,
};

static const llhttp_settings_t body_settings = {
	.on_body = on_body,
	.on_message_complete = on_stop,
};

static bool
is(const struct http1_head *h, struct http1_span s, const char *word)
{
	return s.len == strlen(word) &&
	       strncasecmp(h->base + s.at, word, s.len) == 0;
}

static int
wrong(struct http1_head *h, int status, const char *why)
{
	h->status = status;
	h->why = why;
	return -1;
}

/* Does the value begin on another line than the name? */
static bool
is_folded(const struct http1_head *h, const struct http1_header *f)
{
	const uint32_t end = f->name.at + f->name.len;

	return memchr(h->base + end, '\n', f->value.at - end) != NULL;
}

static int
look_at_headers(struct http1_head *h, bool request)
{
	unsigned nhost = 0, ncodings = 0;

	for (uint32_t i = 0; i < h->nheaders; i++) {
		struct http1_header f = h->header[i];

		if (f.name.len == 0 || h->base[f.name.at + f.name.len] != ':')
			return wrong(h, 400, "header name followed by a blank");
		if (memchr(h->base + f.name.at, ' ', f.name.len) != NULL)
			return wrong(h, 400, "blank in a header name");
		if (f.value.len > 0 && is_folded(h, &f))
			return wrong(h, 400, "folded header line");
		switch (f.name.len) {
		case 4:
			nhost += is(h, f.name, "host");
			break;
		case 6:
			if (!request || !is(h, f.name, "expect"))
				break;
			if (!is(h, f.value, "100-continue"))
				return wrong(h, 417, "unknown expectation");
			h->expect_100 = h->ll.http_minor > 0;
			break;
		case 14:
			h->has_length |= is(h, f.name, "content-length");
			break;
		case 17:
			if (!is(h, f.name, "transfer-encoding"))
				break;
			if (!is(h, f.value, "chunked") || ncodings++ > 0)
				return wrong(h, 501,
				    "transfer coding other than chunked");
			h->chunked = true;
			break;
		default:
			break;
		}
	}
	/* The parser's word counts; where it reads otherwise, nobody knows. */
	if (h->chunked != ((h->ll.flags & F_CHUNKED) != 0) ||
	    h->has_length != ((h->ll.flags & F_CONTENT_LENGTH) != 0))
		return wrong(h, 400, "ambiguous length of the body");
	if (h->chunked && h->ll.http_minor == 0)
		return wrong(h, 400, "HTTP/1.0 has no chunked coding");
	if (request && (nhost > 1 || (nhost == 0 && h->ll.http_minor > 0)))
		return wrong(h, 400, "exactly one Host header is required");
	return 0;
}

static int
parse(struct http1_head *h, const char *p, size_t n, llhttp_type_t type)
{
	int rc;

	h->nheaders = 0;
	h->target = (struct http1_span){ 0, 0 };
	h->chunked = h->has_length = h->expect_100 = false;
	h->length = 0;
	h->status = 400;
	h->why = NULL;
	h->base = p;
	llhttp_init(&h->ll, type, &head_settings);
	h->ll.data = h;
	rc = llhttp_execute(&h->ll, p, n);
	if (rc != HPE_PAUSED || llhttp_get_error_pos(&h->ll) != p + n) {
		if (h->why == NULL)
			h->why = rc != HPE_PAUSED && h->ll.reason != NULL &&
					 *h->ll.reason != '\0'
				     ? h->ll.reason
				     : "not an HTTP/1.1 message";
		if (rc == HPE_INVALID_VERSION)
			h->status = 505;
		return -1;
	}
	if (h->ll.http_major != 1 || h->ll.http_minor > 1)
		return wrong(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken");
	if (look_at_headers(h, type == HTTP_REQUEST) < 0)
		return -1;
	h->length = h->has_length ? h->ll.content_length : 0;
	h->keep_alive = llhttp_should_keep_alive(&h->ll) != 0;
	return 0;
}

int
http1_request(struct http1_head *h, const char *p, size_t n)
{
	if (parse(h, p, n, HTTP_REQUEST) < 0)
		return -1;
	if (memchr(p + h->target.at, '#', h->target.len) != NULL)
		return wrong(h, 400, "fragment in the request target");
	if (memchr(p + h->target.at, '\t', h->target.len) != NULL)
		return wrong(h, 400, "blank in the request target");
	return 0;
}

int
http1_response(struct http1_head *h, const char *p, size_t n, bool to_head)
{
	if (parse(h, p, n, HTTP_RESPONSE) < 0)
		return -1;
	if (to_head)
		h->ll.flags |= F_SKIPBODY;
	return 0;
}

void
http1_body_begin(struct http1_body *b, const struct http1_head *h)
{
	memset(b, 0, sizeof(*b));
	b->ll = h->ll;
	b->ll.settings = unconst(&body_settings);
	b->ll.data = b;
	b->ll.upgrade = 0;
	b->chunked = h->chunked;
	b->counted = h->has_length && !h->chunked;
	llhttp_resume(&b->ll);
}

/* llhttp as Debian builds it takes any two bytes behind a chunk for CR LF. */
static bool
line_end_ok(struct http1_body *b, const char *p, size_t n)
{
	for (; n > 0 && b->line_end > 0; n--, p++, b->line_end--)
		if (*p != (b->line_end == 2 ? '\r' : '\n'))
			return false;
	return true;
}

/* Around chunks it takes any byte behind CR for LF, and LF alone at the end. */
static bool
framing_ok(struct http1_body *b, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (b->cr != (*p == '\n'))
			return false;
		b->cr = *p == '\r';
	}
	return true;
}

enum http1_piece
http1_body_next(struct http1_body *b, const char **p, size_t *n)
{
	const char *from = *p, *upto;
	int rc;

	if (b->ended)
		return HTTP1_END;
	if (!line_end_ok(b, from, *n))
		return HTTP1_BAD;
	b->ndata = 0;
	rc = llhttp_execute(&b->ll, from, *n);
	upto = rc == HPE_OK ? from + *n : llhttp_get_error_pos(&b->ll);
	if (rc != HPE_OK && rc != HPE_PAUSED)
		return HTTP1_BAD;
	if (b->chunked &&
	    !(b->ndata > 0 ? framing_ok(b, from, b->data) &&
				 framing_ok(b, b->data + b->ndata, upto)
			   : framing_ok(b, from, upto)))
		return HTTP1_BAD;
	*n -= (size_t)(upto - from);
	*p = upto;
	if (rc == HPE_PAUSED)
		llhttp_resume(&b->ll);
	if (b->ndata > 0) {
		b->overhead = 0;
		if (b->chunked && b->ll.content_length == 0)
			b->line_end = 2;
		b->ended = b->counted && b->ll.content_length == 0;
		return HTTP1_DATA;
	}
	if (rc == HPE_PAUSED) {
		b->ended = true;
		return HTTP1_END;
	}
	/* Extensions and trailers are thrown away, but not for ever. */
	b->overhead += (uint32_t)(upto - from);
	return b->overhead > HTTP1_OVERHEAD_MAX ? HTTP1_BAD : HTTP1_MORE;
}

bool
http1_body_eof(struct http1_body *b)
{
	if (b->ended)
		return true;
	return llhttp_finish(&b->ll) == HPE_OK || b->ll.error == HPE_PAUSED;
}
