/* create_body.h - what may be said when a sandbox is created. */
#ifndef API_CREATE_BODY_H
#define API_CREATE_BODY_H

#include "ctl/api/network_body.h"
#include "ctl/api/schema.h"

struct create_body {
	char *template_name;
	int64_t timeout_s; /* -1: not said */
	enum sb_choice auto_pause, auto_pause_memory, auto_resume, secure;
	bool has_metadata;
	struct sb_pairs metadata;
	char *env_json, *mcp_json;
	struct network_body network;
	/* Seed fields: E2B's win. */
	int64_t timeout_ms;
	enum sb_choice seed_pause, seed_resume;
};

/* On failure nothing is left to free. */
int create_body_take(
    const json_t *body, struct create_body *out, struct err *e);
void create_body_fini(struct create_body *b);

/* Names of all fields that are read, for a request's fingerprint. */
extern const char *const create_body_fields[];
extern const size_t create_body_nfields;

#endif
