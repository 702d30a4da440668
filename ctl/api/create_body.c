#include "ctl/api/create_body.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum {
	METADATA_MAX = 64 * 1024, /* bytes of all names and values */
	ENV_MAX = 256 * 1024,
	MCP_MAX = 64 * 1024,
	TEMPLATE_NAME_MAX = 256,
};

static int
take_template(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	if (json_string_length(v) == 0 ||
	    json_string_length(v) > TEMPLATE_NAME_MAX)
		return schema_bad(
		    e, v, "must be 1 to %d characters", TEMPLATE_NAME_MAX);
	free(b->template_name);
	b->template_name = strdup(json_string_value(v));
	return b->template_name != NULL ? 0 : err_sys(e, "template");
}

static int
take_timeout(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	return schema_int(v, 0, INT32_MAX, &b->timeout_s, e);
}

static int
take_timeout_ms(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	return schema_int(v, 0, (int64_t)INT32_MAX * 1000, &b->timeout_ms, e);
}

static enum sb_choice
choice(const json_t *v)
{
	return json_is_true(v) ? SB_YES : SB_NO;
}

static int
take_auto_pause(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	(void)e;
	b->auto_pause = choice(v);
	return 0;
}

static int
take_auto_pause_memory(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	(void)e;
	b->auto_pause_memory = choice(v);
	return 0;
}

/* E2B: {enabled}; others a boolean. */
static int
enabled(const json_t *v, enum sb_choice *to, struct err *e)
{
	const json_t *on =
	    json_is_object(v) ? json_object_get(v, "enabled") : v;

	if (!json_is_boolean(on)) {
		err_set(e, ERR_INVALID,
		    "validation error: enabled is missing or no boolean");
		return err_at(e, "/enabled");
	}
	*to = choice(on);
	return 0;
}

static int
take_auto_resume(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	return enabled(v, &b->auto_resume, e);
}

static int
take_secure(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	(void)e;
	b->secure = choice(v);
	return 0;
}

/* An object of strings, of at most max bytes. */
static int
check_strings(const json_t *v, size_t max, struct err *e)
{
	json_t *o = json_copy(unconst(v)), *x;
	const char *name;
	size_t bytes = 0;
	int rc = 0;

	json_object_foreach (o, name, x) {
		bytes += strlen(name) + json_string_length(x);
		if (rc == 0 && !json_is_string(x)) {
			schema_bad(e, x, "%.60s must be a string", name);
			rc = err_at(e, "/%.60s", name);
		}
	}
	json_decref(o);
	if (rc == 0 && bytes > max)
		rc = err_set(e, ERR_INVALID,
		    "validation error: must be at most %zu bytes, not %zu", max,
		    bytes);
	return rc;
}

static int
take_metadata(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;
	json_t *o, *x;
	const char *name;
	int rc = 0;

	if (check_strings(v, METADATA_MAX, e) < 0)
		return -1;
	sb_pairs_fini(&b->metadata);
	o = json_copy(unconst(v));
	json_object_foreach (o, name, x)
		if (rc == 0)
			rc = sb_pairs_add(
			    &b->metadata, name, json_string_value(x), e);
	json_decref(o);
	b->has_metadata = true;
	return rc;
}

static int
text_of(const json_t *v, char **to, struct err *e)
{
	free(*to);
	*to = json_dumps(v, JSON_COMPACT);
	return *to != NULL ? 0 : err_sys(e, "request");
}

static int
take_env(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;
	json_t *o = json_copy(unconst(v)), *x;
	const char *name;
	int rc = check_strings(v, ENV_MAX, e);

	json_object_foreach (o, name, x)
		if (rc == 0 && (*name == '\0' || strchr(name, '=') != NULL)) {
			err_set(e, ERR_INVALID,
			    "validation error: \"%.60s\" is no name for an "
			    "environment variable",
			    name);
			rc = err_at(e, "/%.60s", name);
		}
	json_decref(o);
	return rc < 0 ? -1 : text_of(v, &b->env_json, e);
}

static int
take_mcp(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	if (text_of(v, &b->mcp_json, e) < 0)
		return -1;
	if (strlen(b->mcp_json) > MCP_MAX)
		return schema_bad(e, v, "must be at most %d bytes", MCP_MAX);
	return 0;
}

static int
take_iam(const json_t *v, void *out, struct err *e)
{
	(void)out;
	if (json_object_size(json_object_get(v, "tokens")) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "Identity tokens (iam) are not available for your team.");
}

static int
take_volumes(const json_t *v, void *out, struct err *e)
{
	(void)out;
	if (json_array_size(v) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "Volume mounts (volumeMounts) are not available for your team.");
}

static int
take_on_timeout(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;
	const char *s = json_string_value(v);

	if (strcmp(s, "kill") != 0 && strcmp(s, "pause") != 0)
		return schema_bad(e, v, "must be \"kill\" or \"pause\"");
	b->seed_pause = strcmp(s, "pause") == 0 ? SB_YES : SB_NO;
	return 0;
}

static int
take_seed_resume(const json_t *v, void *out, struct err *e)
{
	struct create_body *b = out;

	return enabled(v, &b->seed_resume, e);
}

static const struct field lifecycle_fields[] = {
	{ "onTimeout", T_STRING, false, take_on_timeout },
	{ "on_timeout", T_STRING, false, take_on_timeout },
	{ "autoResume", T_BOOL | T_OBJECT, false, take_seed_resume },
	{ "auto_resume", T_BOOL | T_OBJECT, false, take_seed_resume },
};

static int
take_lifecycle(const json_t *v, void *out, struct err *e)
{
	return schema_take(
	    lifecycle_fields, countof(lifecycle_fields), v, out, e);
}

/* Of two rows for one thing the later wins: E2B's name stands last. */
static const struct field fields[] = {
	{ "templateID", T_STRING, true, take_template },
	{ "timeout_seconds", T_INT, false, take_timeout },
	{ "timeoutSeconds", T_INT, false, take_timeout },
	{ "timeout", T_INT, false, take_timeout },
	{ "timeout_ms", T_INT, false, take_timeout_ms },
	{ "timeoutMs", T_INT, false, take_timeout_ms },
	{ "autoPause", T_BOOL, false, take_auto_pause },
	{ "autoPauseMemory", T_BOOL, false, take_auto_pause_memory },
	{ "autoResume", T_BOOL | T_OBJECT, false, take_auto_resume },
	{ "secure", T_BOOL, false, take_secure },
	{ "metadata", T_OBJECT, false, take_metadata },
	{ "envVars", T_OBJECT, false, take_env },
	{ "mcp", T_OBJECT, false, take_mcp },
	{ "iam", T_OBJECT, false, take_iam },
	{ "volumeMounts", T_ARRAY, false, take_volumes },
	{ "onTimeout", T_STRING, false, take_on_timeout },
	{ "lifecycle", T_OBJECT, false, take_lifecycle },
};

const char *const create_body_fields[] = { "templateID", "timeout_seconds",
	"timeoutSeconds", "timeout", "timeout_ms", "timeoutMs", "autoPause",
	"autoPauseMemory", "autoResume", "secure", "metadata", "envVars", "mcp",
	"iam", "volumeMounts", "onTimeout", "lifecycle", "network",
	"allow_internet_access" };
const size_t create_body_nfields = countof(create_body_fields);

void
create_body_fini(struct create_body *b)
{
	free(b->template_name);
	free(b->env_json);
	free(b->mcp_json);
	sb_pairs_fini(&b->metadata);
	network_body_fini(&b->network);
}

static void
settle(struct create_body *b)
{
	if (b->timeout_s < 0 && b->timeout_ms >= 0)
		b->timeout_s = (b->timeout_ms + 999) / 1000;
	if (b->auto_pause == SB_UNSAID)
		b->auto_pause = b->seed_pause;
	if (b->auto_resume == SB_UNSAID)
		b->auto_resume = b->seed_resume;
}

static int
check(const struct create_body *b, struct err *e)
{
	if (b->auto_pause_memory == SB_NO && b->auto_pause != SB_YES) {
		err_set(e, ERR_INVALID,
		    "autoPauseMemory can only be false together with "
		    "autoPause");
		return err_at(e, "/autoPauseMemory");
	}
	if (b->auto_pause_memory == SB_NO && b->auto_resume == SB_YES) {
		err_set(e, ERR_INVALID,
		    "autoPauseMemory: false does not go with autoResume");
		return err_at(e, "/autoPauseMemory");
	}
	if (b->auto_resume == SB_YES && b->seed_resume == SB_YES &&
	    b->auto_pause != SB_YES) {
		err_set(e, ERR_INVALID,
		    "autoResume needs onTimeout \"pause\" or autoPause");
		return err_at(e, "/lifecycle/autoResume");
	}
	return 0;
}

int
create_body_take(const json_t *body, struct create_body *out, struct err *e)
{
	*out = (struct create_body){
		.timeout_s = -1,
		.timeout_ms = -1,
		.auto_pause = SB_UNSAID,
		.auto_pause_memory = SB_UNSAID,
		.auto_resume = SB_UNSAID,
		.secure = SB_UNSAID,
		.seed_pause = SB_UNSAID,
		.seed_resume = SB_UNSAID,
	};
	if (schema_take(fields, countof(fields), body, out, e) < 0) {
		create_body_fini(out);
		return -1;
	}
	settle(out);
	if (check(out, e) < 0 ||
	    network_body_take(body, true, &out->network, e) < 0) {
		create_body_fini(out);
		return -1;
	}
	return 0;
}
