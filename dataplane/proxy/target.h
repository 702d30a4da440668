/*
 * target.h - which sandbox and port a request is for, and what of it may not
 * pass; text in, meaning out.
 */
#ifndef PROXY_TARGET_H
#define PROXY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TARGET_ID_MAX = 32, TARGET_ENVD_PORT = 49983 };

/* A piece of a head; p is NULL where the header is missing. */
struct text {
	const char *p;
	size_t n;
};

struct target {
	char id[TARGET_ID_MAX];
	uint16_t port;
};

/*
 * From the Host header, or from the two routing headers where Host is
 * localhost, an address, or begins with `sandbox.`.  NULL, or a sentence that
 * says what is wrong with the request.
 */
const char *target_find(struct text host, struct text id_header,
    struct text port_header, struct target *out);

/* Is the host api.DOMAIN?  Never, without a domain. */
bool target_is_api(struct text host, const char *domain);

/* The target in origin form, as it is passed on: a path, or the asterisk. */
struct text target_origin(struct text target);

/*
 * Is the path, once cleaned as any server would clean it, one of envd's that
 * only the control plane may call?  `target` as in the request line.
 */
bool target_forbidden(const char *target, size_t n);

/* Would a person rather see HTML?  (E2B's rule.) */
bool target_wants_html(struct text agent, struct text accept,
    struct text fetch_mode, struct text requested_with);

#endif
