#include "proxy/target.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { PATH_MAX_BYTES = 2048, DECODE_ROUNDS_MAX = 4 };

static bool
starts_with(struct text t, const char *word)
{
	size_t n = strlen(word);

	return t.n >= n && strncasecmp(t.p, word, n) == 0;
}

static bool
equals(struct text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

/* Any place in t, case ignored. */
static bool
contains(struct text t, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; t.p != NULL && i + n <= t.n; i++)
		if (strncasecmp(t.p + i, word, n) == 0)
			return true;
	return false;
}

/* Host without its port and without the brackets of IPv6. */
static struct text
host_name(struct text host)
{
	const char *p;

	if (host.n > 0 && host.p[0] == '[') {
		p = memchr(host.p, ']', host.n);
		if (p != NULL)
			return (struct text){ host.p + 1,
				(size_t)(p - host.p) - 1 };
		return host;
	}
	p = memchr(host.p, ':', host.n);
	if (p != NULL)
		host.n = (size_t)(p - host.p);
	return host;
}

static bool
is_address(struct text name)
{
	char s[64];
	uint8_t bin[16];

	if (name.n >= sizeof(s))
		return false;
	memcpy(s, name.p, name.n);
	s[name.n] = '\0';
	return inet_pton(AF_INET, s, bin) == 1 ||
	       inet_pton(AF_INET6, s, bin) == 1;
}

static const char *
take_id(struct text id, struct target *out)
{
	if (id.n == 0 || id.n >= sizeof(out->id))
		return "Invalid sandbox ID";
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return "Invalid sandbox ID";
	}
	memcpy(out->id, id.p, id.n);
	out->id[id.n] = '\0';
	return NULL;
}

static const char *
take_port(struct text port, struct target *out)
{
	uint32_t n = 0;

	if (port.n == 0)
		return "Invalid sandbox port";
	for (size_t i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9' || n > 65535)
			return "Invalid sandbox port";
		n = n * 10 + (uint32_t)(port.p[i] - '0');
	}
	if (n == 0 || n > 65535)
		return "Invalid sandbox port";
	out->port = (uint16_t)n;
	return NULL;
}

const char *
target_find(struct text host, struct text id_header, struct text port_header,
    struct target *out)
{
	struct text name, label, id;
	const char *dash, *dot, *wrong;

	if (host.p == NULL || host.n == 0)
		return "Host header is missing";
	name = host_name(host);
	if ((id_header.p != NULL || port_header.p != NULL) &&
	    (equals(name, "localhost") || starts_with(name, "sandbox.") ||
		is_address(name))) {
		if (id_header.p == NULL)
			return "Header E2b-Sandbox-Id is missing";
		if (port_header.p == NULL)
			return "Header E2b-Sandbox-Port is missing";
		wrong = take_id(id_header, out);
		return wrong != NULL ? wrong : take_port(port_header, out);
	}

	/* PORT-ID[-anything].DOMAIN */
	dot = memchr(name.p, '.', name.n);
	if (dot == NULL)
		return "Invalid host";
	label = (struct text){ name.p, (size_t)(dot - name.p) };
	dash = memchr(label.p, '-', label.n);
	if (dash == NULL)
		return "Invalid host";
	id = (struct text){ dash + 1, label.n - (size_t)(dash + 1 - label.p) };
	label.n = (size_t)(dash - label.p);
	dash = memchr(id.p, '-', id.n);
	if (dash != NULL)
		id.n = (size_t)(dash - id.p);
	wrong = take_port(label, out);
	return wrong != NULL ? wrong : take_id(id, out);
}

bool
target_is_api(struct text host, const char *domain)
{
	struct text name = { NULL, 0 };

	if (host.p != NULL && *domain != '\0')
		name = host_name(host);
	return name.n > 4 && strncasecmp(name.p, "api.", 4) == 0 &&
	       equals((struct text){ name.p + 4, name.n - 4 }, domain);
}

/* --- paths
 * ------------------------------------------------------------------*/

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct text
target_origin(struct text t)
{
	const char *p;

	if (t.n == 0 || *t.p == '/' || *t.p == '*')
		return t;
	p = memmem(t.p, t.n, "://", 3);
	if (p == NULL)
		return t;
	t.n -= (size_t)(p + 3 - t.p);
	t.p = p + 3;
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] == '/' || t.p[i] == '?')
			return (struct text){ t.p + i, t.n - i };
	return (struct text){ "/", 1 };
}

/* What ends a path, for some servers or for all. */
static size_t
path_length(const char *p, size_t n)
{
	size_t i = 0;

	while (
	    i < n && p[i] != '?' && p[i] != '#' && p[i] != ';' && p[i] != '\0')
		i++;
	return i;
}

/* Adds one segment to the cleaned path: "." is nothing, ".." goes up. */
static size_t
add_segment(char *out, size_t n, const char *seg, size_t len)
{
	if (len == 0 || (len == 1 && seg[0] == '.'))
		return n;
	if (len == 2 && seg[0] == '.' && seg[1] == '.') {
		const char *slash = memrchr(out, '/', n);

		return slash != NULL ? (size_t)(slash - out) : 0;
	}
	out[n++] = '/';
	memcpy(out + n, seg, len);
	return n + len;
}

/* In place. */
static size_t
decode(char *s, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%' && n - i > 2 && hex(s[i + 1]) >= 0 &&
		    hex(s[i + 2]) >= 0) {
			s[len++] = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		} else {
			s[len++] = s[i];
		}
	}
	return len;
}

/* `to` has room for one byte more than n.  The length. */
static size_t
clean(char *to, const char *s, size_t n)
{
	size_t out = 0, from = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '/')
			continue;
		out = add_segment(to, out, s + from, i - from);
		from = i + 1;
	}
	return out;
}

static bool
is_internal(const char *s, size_t n)
{
	static const char *const internal[] = { "/init", "/freeze", "/unfreeze",
		"/collapse", "/fsfreeze", "/fsthaw", "/upgrade",
		/* Our own, between envd and the control plane. */
		"/start", "/logs" };

	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++)
		if (n == strlen(internal[i]) &&
		    strncasecmp(s, internal[i], n) == 0)
			return true;
	return false;
}

/*
 * What is encoded twice is looked at twice: no server should decode it so,
 * and no honest client writes any of these names like that.  What is encoded
 * more often than anybody would is refused for that.
 */
bool
target_forbidden(const char *target, size_t n)
{
	struct text path = target_origin((struct text){ target, n });
	char plain[PATH_MAX_BYTES] = "", s[PATH_MAX_BYTES];
	size_t len = path_length(path.p, path.n);

	/*
	 * None of the names is long, but ways to write them are: what does
	 * not fit is refused, so that nothing hides behind the end.
	 */
	if (len >= sizeof(s))
		return true;
	memcpy(plain, path.p, len);
	for (int round = 0; round < DECODE_ROUNDS_MAX; round++) {
		size_t was = len;

		for (size_t i = 0; i < len; i++)
			if (plain[i] == '\\')
				plain[i] = '/';
		if (is_internal(s, clean(s, plain, path_length(plain, len))))
			return true;
		len = decode(plain, len);
		if (len == was)
			return false;
	}
	return true;
}

bool
target_wants_html(struct text agent, struct text accept, struct text fetch_mode,
    struct text requested_with)
{
	static const char *const browsers[] = { "mozilla", "chrome", "safari",
		"firefox", "edge", "opera", "msie" };
	bool browser = false;

	for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++)
		browser = browser || contains(agent, browsers[i]);
	if (!browser)
		return false;
	if (fetch_mode.p != NULL && equals(fetch_mode, "navigate"))
		return true;
	if (fetch_mode.p != NULL &&
	    (equals(fetch_mode, "cors") || equals(fetch_mode, "no-cors") ||
		equals(fetch_mode, "same-origin") ||
		equals(fetch_mode, "websocket")))
		return false;
	if (requested_with.p != NULL)
		return false;
	return !contains(accept, "json") || contains(accept, "html");
}
