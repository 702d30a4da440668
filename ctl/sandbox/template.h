/* template.h - named images and their settings, as files say. */
#ifndef SANDBOX_TEMPLATE_H
#define SANDBOX_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "ctl/sandbox/record.h"

enum {
	TEMPLATE_NAMES_MAX = 16,
	TEMPLATE_COMMAND_MAX = 32 * 1024,
	TEMPLATE_ENV_MAX = 64 * 1024,
	TEMPLATE_START_S = 20, /* where a template says nothing */
	TEMPLATE_START_MAX_S = 600,
	TEMPLATE_POOL_MAX = 1024,
};

/* The one team's name space: names are `coppice/base`. */
#define TEMPLATE_SLUG "coppice"

struct template
{
	char id[SPAWN_TEMPLATE_MAX];
	char build_id[40];
	char names[TEMPLATE_NAMES_MAX][SB_ALIAS_MAX + 1];
	size_t nnames;
	uint32_t cpu_count, memory_mb, disk_mb;
	char envd_version[24];
	char user[64], workdir[256];
	/* What runs in each of its sandboxes; "" for none. */
	char *start_cmd, *ready_cmd;
	char start_user[64];
	uint32_t start_timeout_s;
	char *env_json;	   /* an object of strings, or NULL */
	int32_t pool_size; /* sandboxes kept ready; -1: it does not say */
	int64_t created_ms, updated_ms;
	uint64_t spawned; /* since this process began */
	int64_t last_spawned_ms;
};

struct templates {
	char dir[512];
	uint32_t cpu_count, memory_mb, disk_mb; /* where a file is silent */
	struct template *v;			/* by id */
	size_t n;
	uint64_t stamp; /* of the files, as they were read */
	struct mono read_at;
	bool was_read;
};

/* What is in state_dir/templates; an absent directory has none. */
int templates_read(struct templates *t, struct err *e);
void templates_fini(struct templates *t);
/* Reads again if the last time is more than a second ago. */
void templates_refresh(struct templates *t);

/* Is there another file than those that were read, or one the less? */
bool templates_changed(const struct templates *t);
/* NULL if there is none, as far as was read; valid as above. */
struct template *templates_by_id(struct templates *t, const char *id);
/* What a sandbox has of its template. */
int template_fill(const struct template *t, struct sb_record *r, struct err *e);

/*
 * By id or by [namespace/]name[:tag]; looks at the disk again before it says
 * no.  Valid until the next call of any of these.  ERR_INVALID: no such name
 * can be; ERR_NOTFOUND.
 */
struct template *templates_find(
    struct templates *t, const char *name, struct err *e);
/* A reference taken apart: lower-cased, and checked. */
struct template_name {
	char space[SB_ALIAS_MAX + 1]; /* "" if none */
	char name[SB_ALIAS_MAX + 1];
	char tag[SB_ALIAS_MAX + 1]; /* "" if none, or `default` */
	bool has_tag;
};
int template_name_parse(
    const char *s, struct template_name *out, struct err *e);

#endif
