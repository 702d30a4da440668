/*
 * cors.c - browsers: as E2B where keys are configured; without keys nothing
 * is granted, since then a page would need no secret.
 */
#include "ctl/api/api_int.h"

#define METHODS "GET, POST, PUT, PATCH, DELETE, OPTIONS"
#define HEADERS                                                                \
	"X-API-Key, Authorization, Content-Type, X-Team-ID, "                  \
	"Idempotency-Key, browser, lang, lang_version, machine, os, "          \
	"package_version, processor, publisher, release, sdk_runtime, system"
#define EXPOSED                                                                \
	"X-Next-Token, X-Total-Running, RateLimit-Limit, "                     \
	"RateLimit-Remaining, RateLimit-Reset, Retry-After, "                  \
	"Coppice-Generation, Coppice-Warning"

void
cors_headers(const struct api *api, struct http_req *r)
{
	if (api->auth.n == 0 || http_req_header(r, "Origin") == NULL)
		return;
	http_reply_header(r, "Access-Control-Allow-Origin", "*");
	http_reply_header(r, "Access-Control-Expose-Headers", EXPOSED);
}

void
cors_preflight(const struct api *api, struct http_req *r)
{
	if (api->auth.n > 0) {
		cors_headers(api, r);
		http_reply_header(r, "Access-Control-Allow-Methods", METHODS);
		http_reply_header(r, "Access-Control-Allow-Headers", HEADERS);
		http_reply_header(r, "Access-Control-Max-Age", "86400");
	}
	http_reply(r, 204, NULL, NULL, 0);
}
