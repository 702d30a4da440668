/*
 * Routing and path cleaning.  However a path is written, in other case, with
 * every byte encoded, with a slash more, it is refused or let through alike;
 * and a sandbox that is found has a name and a port as they may be.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct text
piece(const char **p, size_t *n)
{
	const char *end = memchr(*p, '\n', *n);
	struct text t = { *p, end == NULL ? *n : (size_t)(end - *p) };
	size_t used = end == NULL ? *n : t.n + 1;

	*p += used;
	*n -= used;
	return t;
}

static bool
other_case(struct text path)
{
	char s[2100];

	for (size_t i = 0; i < path.n; i++) {
		char c = path.p[i];

		s[i] = (char)((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
				  ? c ^ 0x20
				  : c);
	}
	return target_forbidden(s, path.n);
}

/* Every byte but the slash in front as %XX. */
static bool
encoded(struct text path)
{
	static const char digit[] = "0123456789aBcDeF";
	char s[1600];
	size_t n = 0;

	s[n++] = '/';
	for (size_t i = 1; i < path.n; i++) {
		s[n++] = '%';
		s[n++] = digit[(unsigned char)path.p[i] >> 4];
		s[n++] = digit[(unsigned char)path.p[i] & 15];
	}
	return target_forbidden(s, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = malloc(n == 0 ? 1 : n);
	const char *p = copy;
	struct text host, id, port, path, none = { NULL, 0 };
	struct target out;
	size_t left = n;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, n);
	host = piece(&p, &left);
	id = piece(&p, &left);
	port = piece(&p, &left);
	path = piece(&p, &left);
	if (target_find(host, id, port, &out) == NULL &&
	    (out.port == 0 || out.id[0] == '\0' ||
		out.id[strspn(out.id, "abcdefghijklmnopqrstuvwxyz"
				      "0123456789")] != '\0'))
		abort();
	(void)target_find(host, none, none, &out);
	/* A slash more at either end changes nothing. */
	if (path.n > 0 && path.n < 1000 && path.p[0] == '/' &&
	    memchr(path.p, '?', path.n) == NULL &&
	    memchr(path.p, '#', path.n) == NULL &&
	    memchr(path.p, ';', path.n) == NULL &&
	    memchr(path.p, '\0', path.n) == NULL) {
		char more[1100];

		more[0] = '/';
		memcpy(more + 1, path.p, path.n);
		more[path.n + 1] = '/';
		if (path.p[path.n - 1] != '%' &&
		    !(path.n > 1 && path.p[path.n - 2] == '%') &&
		    target_forbidden(path.p, path.n) !=
			target_forbidden(more, path.n + 2))
			abort();
	}
	if (path.n < 2100 &&
	    other_case(path) != target_forbidden(path.p, path.n))
		abort();
	if (path.n > 0 && path.n < 500 && path.p[0] == '/' &&
	    memchr(path.p, '%', path.n) == NULL &&
	    encoded(path) != target_forbidden(path.p, path.n))
		abort();
	(void)target_forbidden(path.p, path.n);
	(void)target_wants_html(host, id, port, path);
	free(copy);
	return 0;
}
