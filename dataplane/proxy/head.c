#include <string.h>
#include <strings.h>

#include "proxy/proxy_int.h"

static bool
is(struct text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

static struct text
at(const char *base, struct http1_span s)
{
	return (struct text){ base + s.at, s.len };
}

struct text
head_get(const struct http1_head *h, const char *base, const char *name)
{
	size_t n = strlen(name);

	for (uint32_t i = 0; i < h->nheaders; i++)
		if (h->header[i].name.len == n &&
		    strncasecmp(base + h->header[i].name.at, name, n) == 0)
			return at(base, h->header[i].value);
	return (struct text){ NULL, 0 };
}

/* Is `word` among the comma-separated ones of a header's value? */
static bool
lists(struct text value, struct text word)
{
	const char *p = value.p, *end = value.p + value.n;

	while (p != NULL && p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct text item = { p,
			(size_t)((comma != NULL ? comma : end) - p) };

		while (item.n > 0 && (*item.p == ' ' || *item.p == '\t')) {
			item.p++;
			item.n--;
		}
		while (item.n > 0 && (item.p[item.n - 1] == ' ' ||
					 item.p[item.n - 1] == '\t'))
			item.n--;
		if (item.n == word.n &&
		    strncasecmp(item.p, word.p, word.n) == 0)
			return true;
		p = comma != NULL ? comma + 1 : NULL;
	}
	return false;
}

static bool
connection_lists(const struct http1_head *h, const char *base, struct text word)
{
	for (uint32_t i = 0; i < h->nheaders; i++)
		if (is(at(base, h->header[i].name), "connection") &&
		    lists(at(base, h->header[i].value), word))
			return true;
	return false;
}

/*
 * Belongs to one hop.  What says where a message ends is never among it,
 * whatever a Connection header names.
 */
static bool
hop_by_hop(const struct http1_head *h, const char *base, struct text name,
    bool has_connection)
{
	if (is(name, "connection") || is(name, "keep-alive") ||
	    is(name, "proxy-connection") || is(name, "upgrade") ||
	    is(name, "te"))
		return true;
	if (!has_connection || is(name, "content-length") ||
	    is(name, "transfer-encoding") || is(name, "host"))
		return false;
	return connection_lists(h, base, name);
}

static int
add(struct buf *b, struct text name, struct text value)
{
	char *to = buf_room(b, name.n + value.n + 4);

	if (to == NULL)
		return -1;
	memcpy(to, name.p, name.n);
	to += name.n;
	*to++ = ':';
	*to++ = ' ';
	if (value.p != NULL)
		memcpy(to, value.p, value.n);
	to += value.n;
	*to++ = '\r';
	*to++ = '\n';
	buf_added(b, name.n + value.n + 4);
	return 0;
}

/* maskRequestHost, with ${PORT} replaced. */
static int
add_masked_host(struct buf *b, const char *mask, uint16_t port)
{
	static const char var[] = "${PORT}";
	const char *p;

	if (buf_puts(b, "Host: ") < 0)
		return -1;
	while ((p = strstr(mask, var)) != NULL) {
		if (buf_add(b, mask, (size_t)(p - mask)) < 0 ||
		    buf_printf(b, "%u", port) < 0)
			return -1;
		mask = p + sizeof(var) - 1;
	}
	return buf_printf(b, "%s\r\n", mask);
}

/* What is between the proxy and its clients, or the API, alone. */
static bool
ours(struct text name)
{
	return is(name, "e2b-traffic-access-token") ||
	       is(name, "x-coppice-init") || is(name, "x-coppice-peer");
}

/* To the API all connections of ours look as if from this host. */
static int
add_peer(struct conn *c)
{
	char text[NP_ADDR_TEXT];

	return buf_printf(
	    &c->u.out, "X-Coppice-Peer: %s\r\n", np_addr_text(c->peer, text));
}

static int
request_line(struct buf *b, const struct http1_head *h, const char *base)
{
	struct text t = target_origin(at(base, h->target));

	if (buf_add(b, base, h->target.at) < 0)
		return -1;
	/* http://host?query has an empty path. */
	if (t.n > 0 && *t.p == '?' && buf_puts(b, "/") < 0)
		return -1;
	if (buf_add(b, t.p, t.n) < 0)
		return -1;
	return buf_puts(
	    b, h->ll.http_minor == 0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
}

int
head_request(struct conn *c, const struct http1_head *h, const char *base)
{
	static const char upgrade_word[] = "upgrade";
	struct buf *b = &c->u.out;
	bool mask =
	    c->route->mask_host[0] != '\0' && c->port != TARGET_ENVD_PORT;
	bool connection = head_get(h, base, "connection").p != NULL;
	struct text upgrade = head_get(h, base, upgrade_word);

	c->upgrade =
	    upgrade.p != NULL && connection &&
	    connection_lists(h, base, (struct text){ upgrade_word, 7 });
	if (request_line(b, h, base) < 0)
		return -1;
	for (uint32_t i = 0; i < h->nheaders; i++) {
		struct text name = at(base, h->header[i].name);

		if (hop_by_hop(h, base, name, connection) || ours(name))
			continue;
		if (mask && is(name, "host")) {
			if (add_masked_host(b, c->route->mask_host, c->port) <
			    0)
				return -1;
			continue;
		}
		if (add(b, name, at(base, h->header[i].value)) < 0)
			return -1;
	}
	if (c->upgrade &&
	    (buf_puts(b, "Connection: Upgrade\r\n") < 0 ||
		add(b, (struct text){ "Upgrade", 7 }, upgrade) < 0))
		return -1;
	if (c->route == &c->p->api && add_peer(c) < 0)
		return -1;
	return buf_puts(b, "\r\n");
}

/* Our own version, and the rest of the line as it is. */
static int
status_line(struct buf *b, const char *base, size_t n)
{
	const char *end = memchr(base, '\n', n);
	const char *sp = memchr(base, ' ', n);

	if (end == NULL || sp == NULL || sp > end)
		return -1;
	if (buf_puts(b, "HTTP/1.1") < 0)
		return -1;
	return buf_add(b, sp, (size_t)(end + 1 - sp));
}

int
head_response(
    struct conn *c, const struct http1_head *h, const char *base, size_t n)
{
	struct buf *b = &c->c.out;
	bool connection = head_get(h, base, "connection").p != NULL;
	bool interim = h->ll.status_code < 200;
	bool switching = h->ll.status_code == 101;

	if (status_line(b, base, n) < 0)
		return -1;
	for (uint32_t i = 0; i < h->nheaders; i++) {
		struct text name = at(base, h->header[i].name);

		if (switching && is(name, "upgrade")) {
			if (add(b, name, at(base, h->header[i].value)) < 0)
				return -1;
			continue;
		}
		if (hop_by_hop(h, base, name, connection))
			continue;
		if (c->dechunk && is(name, "transfer-encoding"))
			continue;
		if (add(b, name, at(base, h->header[i].value)) < 0)
			return -1;
	}
	if (switching && buf_puts(b, "Connection: Upgrade\r\n") < 0)
		return -1;
	if (!interim && !c->keep && buf_puts(b, "Connection: close\r\n") < 0)
		return -1;
	if (!interim && c->keep && c->http10 &&
	    buf_puts(b, "Connection: keep-alive\r\n") < 0)
		return -1;
	return buf_puts(b, "\r\n");
}
