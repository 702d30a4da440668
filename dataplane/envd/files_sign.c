/* Who may read and write files: a token, or a URL that was signed with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sha256.h>

#include "base/own.h"
#include "envd/files.h"
#include "envd/text.h"

void
files_sign(const char *path, const char *op, const char *user,
    const char *token, const char *expiration, char to[64])
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char text[48];
	SHA256_CTX ctx;
	size_t n = b64_encoded(sizeof(hash));
	const char *const parts[] = { path, op, user, token, expiration };

	SHA256_Init(&ctx);
	for (size_t i = 0; i < countof(parts) && parts[i] != NULL; i++) {
		if (i > 0)
			SHA256_Update(&ctx, (const uint8_t *)":", 1);
		SHA256_Update(
		    &ctx, (const uint8_t *)parts[i], strlen(parts[i]));
	}
	SHA256_Final(hash, &ctx);
	b64_encode(hash, sizeof(hash), text);
	while (n > 0 && text[n - 1] == '=')
		n--;
	(void)snprintf(to, 64, "v1_%.*s", (int)n, text);
}

/* "" if it is not there; NULL: refused. */
static char *
param(struct http_req *r, const char *name, bool *there)
{
	bool bad;
	char *v = http_req_param(r, name, &bad);

	if (bad) {
		rest_fail(r, 400, "query parameter %s is malformed", name);
		return NULL;
	}
	*there = v != NULL;
	if (v == NULL)
		v = strdup("");
	if (v == NULL)
		rest_fail(r, 500, "no memory");
	return v;
}

static bool
check_signature(struct http_req *r, const struct envd *d, const char *op,
    const char *given, const long long *until)
{
	bool there;
	autofree char *path = param(r, "path", &there);
	autofree char *user =
	    path != NULL ? param(r, "username", &there) : NULL;
	char want[64], number[32];

	if (user == NULL)
		return false;
	if (until != NULL)
		(void)snprintf(number, sizeof(number), "%lld", *until);
	files_sign(
	    path, op, user, d->token, until != NULL ? number : NULL, want);
	if (!same_secret(want, given)) {
		rest_fail(r, 401, "invalid signature");
		return false;
	}
	if (until != NULL && *until < (long long)time(NULL)) {
		rest_fail(r, 401, "signature is already expired");
		return false;
	}
	return true;
}

/* Looked at even where nothing is signed.  False: refused. */
static bool
get_expiration(struct http_req *r, bool *there, long long *until)
{
	autofree char *text = param(r, "signature_expiration", there);
	char *end;

	if (text == NULL)
		return false;
	errno = 0;
	*until = strtoll(text, &end, 10);
	if (!*there || (*text != '\0' && *end == '\0' && errno == 0))
		return true;
	rest_fail(
	    r, 400, "signature_expiration is not a number: '%.40s'", text);
	return false;
}

bool
files_allowed(struct http_req *r, const struct envd *d, const char *op)
{
	const char *token = http_req_header(r, "X-Access-Token");
	bool signed_, expires;
	autofree char *signature = NULL;
	long long until;

	if (!get_expiration(r, &expires, &until))
		return false;
	if (d->token == NULL)
		return true;
	if (token != NULL && *token != '\0') {
		if (same_secret(d->token, token))
			return true;
		rest_fail(r, 401,
		    "access token present in header but does not match");
		return false;
	}
	signature = param(r, "signature", &signed_);
	if (signature == NULL)
		return false;
	if (!signed_) {
		rest_fail(r, 401, "missing signature query parameter");
		return false;
	}
	return check_signature(r, d, op, signature, expires ? &until : NULL);
}

bool
files_user(struct http_req *r, const struct envd *d, struct user *u)
{
	bool given;
	autofree char *name = param(r, "username", &given);
	struct err e;

	if (name == NULL)
		return false;
	if ((given ? user_find(name, u, &e) : default_user(d, u, &e)) == 0)
		return true;
	rest_fail(r, 401, "%s", e.msg);
	return false;
}
