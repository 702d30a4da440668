/*
 * api.h - E2B's control-plane REST API in front of the engine.
 *
 * HTTP and JSON end here: what goes on to ctl/sandbox are structs.
 */
#ifndef API_API_H
#define API_API_H

#include "ctl/sandbox/sandbox.h"
#include "http/server.h"

/* The one team there is, and what E2B calls a client. */
#define API_TEAM_ID   "7d0c6f4e-52d4-4f0b-9b4e-2f1f6c0a9d11"
#define API_CLIENT_ID "6532622b"

struct api_conf {
	char domain[256];    /* of sandbox URLs, "" = say nothing */
	char api_keys[1024]; /* separated by commas */
	char api_keys_file[256];
	uint64_t default_timeout_s, max_timeout_s;
	uint32_t host_memory_mb;
	bool require_secure;
};

struct api;

struct api *api_new(struct loop *l, const struct api_conf *cf, struct err *e);
/* Where requests go; before, all are answered 503. */
void api_engine(struct api *api, struct engine *en);
/* True if keys are configured: then it may listen beyond loopback. */
bool api_has_keys(const struct api *api);
/* Takes fd, a listening socket. */
int api_listen(struct api *api, int fd, struct err *e);
/* Requests that are not answered yet. */
size_t api_busy(const struct api *api);
void api_free(struct api *api);

/* struct engine_calls.envd, over HTTP; ctx is the struct api. */
int api_envd(void *ctx, const struct envd_ask *q, struct err *e);
/* Likewise .logs and .logs_stop. */
void *api_envd_logs(struct api *api, const struct sb_record *r,
    struct sb_ref ref, int fd, uint64_t after, struct err *e);
void api_envd_logs_stop(void *conn);

#endif
