/* What a handler may ask about its request. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "http/http_int.h"

static struct http1_span
only_path(const char *p, struct http1_span t)
{
	const char *s = p + t.at, *end = s + t.len, *slash;

	if (t.len == 0 || *s == '/' || *s == '*')
		return t;
	/* absolute-form: scheme://authority/path */
	for (slash = s; slash + 2 < end; slash++)
		if (memcmp(slash, "://", 3) == 0) {
			slash += 3;
			break;
		}
	while (slash < end && *slash != '/' && *slash != '?')
		slash++;
	return (struct http1_span){ (uint32_t)(slash - p),
		(uint32_t)(end - slash) };
}

/* The path needs a terminator where the target goes on: a copy of it. */
static void
set_target(struct http_req *r, const struct http1_head *h, uint32_t path_to)
{
	struct http1_span t = only_path(r->text, h->target);
	const char *q = memchr(r->text + t.at, '?', t.len);
	size_t len = q != NULL ? (size_t)(q - (r->text + t.at)) : t.len;

	r->target = h->target.at;
	r->path = path_to;
	memcpy(r->text + path_to, r->text + t.at, len);
	if (len == 0)
		r->text[path_to + len++] = '/';
	r->text[path_to + len] = '\0';
	r->text[h->target.at + h->target.len] = '\0';
	r->query = q != NULL ? (uint32_t)(q + 1 - r->text)
			     : h->target.at + h->target.len;
}

static void
set_headers(struct http_req *r, const struct http1_head *h)
{
	for (uint32_t i = 0; i < h->nheaders; i++) {
		struct http1_header f = h->header[i];
		uint32_t name_end = f.name.at + f.name.len;

		r->text[name_end] = '\0'; /* was the colon */
		r->headers[i].name = f.name.at;
		r->headers[i].value = f.value.len > 0 ? f.value.at : name_end;
		if (f.value.len > 0)
			r->text[f.value.at + f.value.len] = '\0';
	}
	r->nheaders = h->nheaders;
}

struct http_req *
req_new(
    struct http_conn *c, const struct http1_head *h, const char *p, size_t n)
{
	size_t at_headers = sizeof(struct http_req);
	size_t at_text = at_headers + h->nheaders * sizeof(struct header_at);
	struct http_req *r = malloc(at_text + n + h->target.len + 2);

	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->headers = (struct header_at *)(void *)((char *)r + at_headers);
	r->text = (char *)r + at_text;
	memcpy(r->text, p, n);
	set_headers(r, h);
	set_target(r, h, (uint32_t)n);
	r->conn = c;
	r->method = h->ll.method;
	r->is_head = h->ll.method == HTTP_HEAD;
	r->http10 = h->ll.http_minor == 0;
	r->keep_alive = h->keep_alive && h->ll.method != HTTP_CONNECT;
	r->expect_100 = h->expect_100;
	r->length = h->chunked ? -1 : (int64_t)(h->length & INT64_MAX);
	r->reply_left = -1;
	r->mode = BODY_DISCARD;
	buf_init(&r->extra, EXTRA_BYTES_MAX);
	if (h->ll.method == HTTP_CONNECT)
		r->length = 0;
	if (r->length == 0)
		r->body_done = true;
	else
		http1_body_begin(&r->body, h);
	return r;
}

void
req_tell_gone(struct http_req *r)
{
	if (r->gone)
		return;
	r->gone = true;
	if (r->on_gone != NULL)
		r->on_gone(r);
}

void
req_drop_body(struct http_req *r)
{
	if (r->collected.len > 0)
		r->conn->srv->collected -= r->collected.len;
	buf_fini(&r->collected);
}

void
req_free(struct http_req *r)
{
	req_drop_body(r);
	buf_fini(&r->extra);
	free(r);
}

const char *
http_req_method(const struct http_req *r)
{
	return llhttp_method_name((llhttp_method_t)r->method);
}

const char *
http_req_target(const struct http_req *r)
{
	return r->text + r->target;
}

const char *
http_req_path(const struct http_req *r)
{
	return r->text + r->path;
}

const char *
http_req_query(const struct http_req *r)
{
	return r->text + r->query;
}

const char *
http_req_header(const struct http_req *r, const char *name)
{
	for (uint32_t i = 0; i < r->nheaders; i++) {
		const char *have = r->text + r->headers[i].name;

		if (((*have ^ *name) & 0xdf) == 0 &&
		    strcasecmp(have, name) == 0)
			return r->text + r->headers[i].value;
	}
	return NULL;
}

bool
http_req_header_at(
    const struct http_req *r, size_t i, const char **name, const char **value)
{
	if (i >= r->nheaders)
		return false;
	*name = r->text + r->headers[i].name;
	*value = r->text + r->headers[i].value;
	return true;
}

int64_t
http_req_length(const struct http_req *r)
{
	return r->length;
}

bool
http_req_http10(const struct http_req *r)
{
	return r->http10;
}

void *
http_req_server_ctx(const struct http_req *r)
{
	return r->conn->srv->h.ctx;
}

void
http_req_set_data(struct http_req *r, void *data)
{
	r->data = data;
}

void *
http_req_data(const struct http_req *r)
{
	return r->data;
}

void
http_req_on_eof(struct http_req *r, void (*on_eof)(struct http_req *r))
{
	r->on_eof = on_eof;
	if (on_eof != NULL && r->conn->eof)
		on_eof(r);
}

void
http_req_on_gone(struct http_req *r, void (*on_gone)(struct http_req *r))
{
	r->on_gone = on_gone;
}

void
http_req_collect(struct http_req *r, size_t max,
    void (*on_body)(struct http_req *r, const char *body, size_t n))
{
	r->mode = BODY_COLLECT;
	r->collect_max = max;
	r->on_body = on_body;
	buf_init(&r->collected, max);
	if (r->length > 0 && (uint64_t)r->length > max)
		r->too_long = true;
}

void
http_req_stream(struct http_req *r,
    void (*on_data)(struct http_req *r, const char *p, size_t n))
{
	r->mode = BODY_STREAM;
	r->on_data = on_data;
}

void
http_req_pause(struct http_req *r)
{
	r->paused = true;
}

void
http_req_resume(struct http_req *r)
{
	if (!r->paused)
		return;
	r->paused = false;
	server_kick(r->conn);
}

bool
http_reply_begun(const struct http_req *r)
{
	return r->reply != REPLY_NONE;
}
