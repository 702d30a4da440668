#include "ctl/api/auth.h"

#include <ctype.h>
#include <errno.h>
#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "base/prefix.h"

static void
hash(const char *key, size_t n, uint8_t out[AUTH_HASH])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, (const uint8_t *)key, n);
	SHA256_Final(out, &c);
}

static int
add(struct auth *a, const char *key, size_t n, struct err *e)
{
	void *room;

	while (n > 0 && isspace((unsigned char)*key))
		key++, n--;
	while (n > 0 && isspace((unsigned char)key[n - 1]))
		n--;
	if (n == 0 || *key == '#')
		return 0;
	if (n > AUTH_KEY_LEN_MAX)
		return err_set(e, ERR_INVALID,
		    "an API key is longer than %d bytes", AUTH_KEY_LEN_MAX);
	if (a->n == AUTH_KEYS_MAX)
		return err_set(
		    e, ERR_INVALID, "more than %d API keys", AUTH_KEYS_MAX);
	room = realloc(a->hash, (a->n + 1) * sizeof(a->hash[0]));
	if (room == NULL)
		return err_sys(e, "API keys");
	a->hash = room;
	hash(key, n, a->hash[a->n++]);
	return 0;
}

static int
add_file(struct auth *a, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	autofree char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	if (f == NULL)
		return err_sys(e, "API keys: %s", path);
	while (rc == 0 && (n = getline(&line, &cap, f)) >= 0) {
		rc = add(a, line, (size_t)n, e);
		memset(line, 0, (size_t)n);
	}
	(void)fclose(f);
	return rc;
}

int
auth_load(struct auth *a, const char *keys, const char *file, struct err *e)
{
	*a = (struct auth){ .n = 0 };
	while (*keys != '\0') {
		size_t n = strcspn(keys, ",");

		if (add(a, keys, n, e) < 0)
			return -1;
		keys += n + (keys[n] == ',');
	}
	if (*file != '\0' && add_file(a, file, e) < 0)
		return -1;
	if (*file != '\0' && a->n == 0)
		return err_set(e, ERR_INVALID, "%s holds no API key", file);
	return 0;
}

void
auth_fini(struct auth *a)
{
	free(a->hash);
	*a = (struct auth){ .n = 0 };
}

bool
auth_known(const struct auth *a, const char *key)
{
	uint8_t have[AUTH_HASH];
	unsigned found = 0;

	hash(key, strlen(key), have);
	for (size_t i = 0; i < a->n; i++) {
		unsigned differ = 0;

		for (size_t k = 0; k < AUTH_HASH; k++)
			differ |= (unsigned)(have[k] ^ a->hash[i][k]);
		found |= differ == 0;
	}
	return found != 0;
}

static const char *
bearer(const char *authorization)
{
	if (authorization == NULL ||
	    strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7;
	while (*authorization == ' ')
		authorization++;
	return *authorization != '\0' ? authorization : NULL;
}

int
auth_check(const struct auth *a, const char *api_key, const char *authorization,
    struct err *e)
{
	const char *token = bearer(authorization);

	if (api_key != NULL && *api_key == '\0')
		api_key = NULL;
	if (api_key == NULL && token == NULL)
		return err_set(e, ERR_AUTH,
		    "Missing API key: send it as X-API-Key, or as "
		    "Authorization: Bearer");
	if (a->n == 0)
		return 0;
	if ((api_key != NULL && auth_known(a, api_key)) ||
	    (token != NULL && auth_known(a, token)))
		return 0;
	return err_set(e, ERR_AUTH, "Invalid API key");
}

static bool
named(const char *host, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

bool
auth_host_is_local(const char *host, const char *domain)
{
	char ours[300];
	size_t n;

	if (host == NULL)
		return false;
	if (*host == '[') {
		n = strcspn(host, "]");
		return host[n] == ']' && named(host, n + 1, "[::1]") &&
		       (host[n + 1] == '\0' || host[n + 1] == ':');
	}
	n = strcspn(host, ":");
	if (named(host, n, "localhost") || named(host, n, "127.0.0.1"))
		return true;
	(void)snprintf(ours, sizeof(ours), "api.%s", domain);
	return *domain != '\0' && named(host, n, ours);
}

bool
auth_peer_is_local(const char *peer)
{
	struct np_addr a;

	if (peer == NULL)
		return true; /* it came to our own listener */
	if (np_addr_parse(peer, &a) < 0)
		return false;
	return a.family == NP_V4 ? a.n >> 24 == 127 : a.n == 1;
}
