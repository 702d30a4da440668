/*
 * auth.h - who may speak: API keys, kept as hashes.  With none configured any
 * key will do, but then the listener is on loopback and Host is checked, so
 * that no page in a browser can drive us.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { AUTH_HASH = 32, AUTH_KEYS_MAX = 4096, AUTH_KEY_LEN_MAX = 512 };

struct auth {
	uint8_t (*hash)[AUTH_HASH];
	size_t n;
};

/* keys: separated by commas.  file: one a line, `#` comments; "" for none. */
int auth_load(
    struct auth *a, const char *keys, const char *file, struct err *e);
void auth_fini(struct auth *a);
/* Looks at every key, however early one fits. */
bool auth_known(const struct auth *a, const char *key);

/*
 * From X-API-Key, else from Authorization (`Bearer KEY`): 0, or ERR_AUTH.
 * Either may be NULL.
 */
int auth_check(const struct auth *a, const char *api_key,
    const char *authorization, struct err *e);

/* The name in a Host header is this machine's own, or `api.` and domain. */
bool auth_host_is_local(const char *host, const char *domain);
/* The peer that coppice-proxyd names is this machine; NULL: it names none. */
bool auth_peer_is_local(const char *peer);

#endif
