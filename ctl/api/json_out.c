/* json_out.c - sandboxes as E2B's JSON, in one place. */
#include "ctl/api/api_int.h"

#include <string.h>

#include "base/json_put.h"

/* Whatever s holds, the answer is valid JSON: errors quote what came in. */
void
out_string(struct buf *b, const char *s)
{
	(void)json_put(b, s);
}

static void
out_member(struct buf *b, const char *name, const char *value)
{
	(void)buf_puts(b, ",\"");
	(void)buf_puts(b, name);
	(void)buf_puts(b, "\":");
	out_string(b, value);
}

void
out_time(struct buf *b, const char *name, int64_t ms)
{
	char text[TIME_TEXT];

	out_member(b, name, time_text(ms, text));
}

static const char *
bool_text(bool yes)
{
	return yes ? "true" : "false";
}

static bool
is_paused(const struct sb_record *r)
{
	return r->state != SB_RUNNING;
}

static void
out_ids(struct buf *b, const struct sb_record *r)
{
	(void)buf_puts(b, "{\"templateID\":");
	out_string(b, r->template_id);
	out_member(b, "sandboxID", r->id);
	out_member(b, "clientID", API_CLIENT_ID);
	out_member(b, "envdVersion", r->envd_version);
	if (r->alias[0] != '\0')
		out_member(b, "alias", r->alias);
}

void
out_sandbox(struct buf *b, const struct api *api, const struct sandbox *sb)
{
	const struct sb_record *r = sandbox_record(sb);

	out_ids(b, r);
	if (r->envd_token[0] != '\0')
		out_member(b, "envdAccessToken", r->envd_token);
	if (r->traffic_token[0] != '\0')
		out_member(b, "trafficAccessToken", r->traffic_token);
	if (api->cf.domain[0] != '\0')
		out_member(b, "domain", api->cf.domain);
	(void)buf_puts(b, "}");
}

static void
out_metadata(struct buf *b, const struct sb_record *r)
{
	if (!r->has_metadata)
		return;
	(void)buf_puts(b, ",\"metadata\":{");
	for (size_t i = 0; i < r->metadata.n; i++) {
		if (i > 0)
			(void)buf_puts(b, ",");
		out_string(b, r->metadata.v[i].name);
		(void)buf_puts(b, ":");
		out_string(b, r->metadata.v[i].value);
	}
	(void)buf_puts(b, "}");
}

/* What a list and a single answer share; the brace stays open. */
static void
out_common(struct buf *b, const struct sb_record *r)
{
	out_ids(b, r);
	out_time(b, "startedAt", r->started_ms);
	out_time(b, "endAt", r->end_ms);
	(void)buf_printf(b,
	    ",\"cpuCount\":%u,\"memoryMB\":%u,\"diskSizeMB\":%u,\"state\":\"%"
	    "s\"",
	    r->cpu_count, r->memory_mb, r->disk_mb,
	    is_paused(r) ? "paused" : "running");
	out_metadata(b, r);
}

void
out_listed(struct buf *b, const struct sandbox *sb)
{
	out_common(b, sandbox_record(sb));
	(void)buf_puts(b, "}");
}

/* json is {"allowOut":[..],"denyOut":[..]}; empty lists are not in it. */
static void
out_network(struct buf *b, const struct sb_record *r)
{
	size_t n;

	if (r->net.json == NULL)
		return;
	n = strlen(r->net.json);
	(void)buf_puts(b, ",\"network\":");
	(void)buf_add(b, r->net.json, n - 1);
	if (n > 2)
		(void)buf_puts(b, ",");
	(void)buf_printf(
	    b, "\"allowPublicTraffic\":%s", bool_text(!r->private_traffic));
	if (r->mask_host[0] != '\0')
		out_member(b, "maskRequestHost", r->mask_host);
	(void)buf_puts(b, "}");
}

void
out_detail(struct buf *b, const struct api *api, const struct sandbox *sb)
{
	const struct sb_record *r = sandbox_record(sb);

	out_common(b, r);
	if (r->envd_token[0] != '\0')
		out_member(b, "envdAccessToken", r->envd_token);
	if (!is_paused(r) && api->cf.domain[0] != '\0')
		out_member(b, "domain", api->cf.domain);
	else
		(void)buf_puts(b, ",\"domain\":null");
	(void)buf_printf(b, ",\"allowInternetAccess\":%s",
	    r->net.internet == SB_UNSAID
		? "null"
		: bool_text(r->net.internet == SB_YES));
	out_network(b, r);
	(void)buf_printf(b,
	    ",\"lifecycle\":{\"onTimeout\":\"%s\",\"autoResume\":%s}",
	    r->pause_on_timeout ? "pause" : "kill", bool_text(r->auto_resume));
	if (!is_paused(r))
		(void)buf_puts(b, ",\"volumeMounts\":[]");
	(void)buf_puts(b, "}");
}
