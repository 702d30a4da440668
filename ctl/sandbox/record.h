/*
 * record.h - what is known of a sandbox and outlives the daemon: the row of
 * the store, and what the API shows.
 */
#ifndef SANDBOX_RECORD_H
#define SANDBOX_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/priv/spawn_msg.h"
#include "ctl/sandbox/fsm.h"
#include "ctl/sandbox/ids.h"

struct sb_pair {
	char *name, *value;
};

struct sb_pairs {
	struct sb_pair *v;
	size_t n, cap;
};

void sb_pairs_fini(struct sb_pairs *p);
/* Copies both. */
int sb_pairs_add(
    struct sb_pairs *p, const char *name, const char *value, struct err *e);
/* The value of that name, or NULL. */
const char *sb_pairs_get(const struct sb_pairs *p, const char *name);

/* A yes or no that nobody may have said. */
enum sb_choice { SB_UNSAID = -1, SB_NO = 0, SB_YES = 1 };

/* The egress half of the network object, and the switch beside it. */
struct sb_net {
	/* {"allowOut":[..],"denyOut":[..]}, spelt as the client did; NULL if
	 * no network was ever given. */
	char *json;
	enum sb_choice internet; /* allow_internet_access */
};

void sb_net_fini(struct sb_net *n);

enum { SB_MASK_HOST_MAX = 255, SB_ALIAS_MAX = 128 };

struct sb_record {
	char id[SPAWN_ID_MAX];
	char template_id[SPAWN_TEMPLATE_MAX];
	char build_id[40];
	char alias[SB_ALIAS_MAX + 1]; /* of the template, "" if none */
	char envd_version[24];
	char user[64], workdir[256]; /* defaults inside */
	uint32_t cpu_count, memory_mb, disk_mb;

	bool has_metadata;
	struct sb_pairs metadata;
	char *env_json; /* object of strings, or NULL */
	char *mcp_json; /* as given, or NULL */

	struct sb_net net;
	bool private_traffic; /* allowPublicTraffic: false */
	char mask_host[SB_MASK_HOST_MAX + 1];

	char envd_token[ID_TOKEN_LEN + 1];    /* "" if not secured */
	char traffic_token[ID_TOKEN_LEN + 1]; /* "" if traffic is public */
	uint8_t secret[SPAWN_SECRET_LEN];     /* what /init asks for */

	bool pause_on_timeout, auto_resume;
	bool pause_files_only; /* on timeout: without memory */
	uint64_t timeout_s;    /* as of create; what auto-resume gives again */
	int64_t created_ms, started_ms, end_ms; /* wall clock */

	enum sb_state state;
	struct spawn_ref slot; /* slot 0: no processes */
	uint32_t gen;	       /* of the policy that holds */
};

void sb_record_fini(struct sb_record *r);

#endif
