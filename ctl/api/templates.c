/* templates.c - GET /templates, /v2/templates, /templates/{id}, aliases */
#include "ctl/api/api_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum { LIMIT_MAX = 100 };

static void
out_names(struct buf *b, const struct template *t, const char *front)
{
	char name[sizeof(TEMPLATE_SLUG) + SB_ALIAS_MAX + 2];

	(void)buf_puts(b, "[");
	for (size_t i = 0; i < t->nnames; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", front, t->names[i]);
		if (i > 0)
			(void)buf_puts(b, ",");
		out_string(b, name);
	}
	(void)buf_puts(b, "]");
}

static void
out_template(struct buf *b, const struct template *t)
{
	(void)buf_puts(b, "{\"templateID\":");
	out_string(b, t->id);
	(void)buf_puts(b, ",\"public\":true,\"aliases\":");
	out_names(b, t, "");
	(void)buf_puts(b, ",\"names\":");
	out_names(b, t, TEMPLATE_SLUG "/");
	out_time(b, "createdAt", t->created_ms);
	out_time(b, "updatedAt", t->updated_ms);
	if (t->last_spawned_ms != 0)
		out_time(b, "lastSpawnedAt", t->last_spawned_ms);
	else
		(void)buf_puts(b, ",\"lastSpawnedAt\":null");
	(void)buf_printf(
	    b, ",\"spawnCount\":%llu", (unsigned long long)t->spawned);
}

static void
out_resources(struct buf *b, const struct template *t)
{
	(void)buf_printf(b,
	    ",\"cpuCount\":%u,\"memoryMB\":%u,\"diskSizeMB\":%u,"
	    "\"envdVersion\":",
	    t->cpu_count, t->memory_mb, t->disk_mb);
	out_string(b, t->envd_version);
}

static void
out_listed_template(struct buf *b, const struct template *t)
{
	out_template(b, t);
	out_resources(b, t);
	(void)buf_puts(b, ",\"buildID\":");
	out_string(b, t->build_id);
	(void)buf_puts(b, ",\"createdBy\":null,\"buildCount\":1,"
			  "\"buildStatus\":\"ready\"}");
}

/* A team that is not the key's: there is one. */
static int
check_team(struct call *c)
{
	const char *team = query_get(&c->query, "teamID");

	if (team == NULL || strcmp(team, API_TEAM_ID) == 0)
		return 0;
	call_fail(c, 400, NULL, "teamID is not the team of this API key");
	return -1;
}

static void
answer(struct call *c, const struct template *v, size_t n)
{
	struct buf b;

	buf_init(&b, API_ANSWER_MAX);
	(void)buf_puts(&b, "[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)buf_puts(&b, ",");
		out_listed_template(&b, &v[i]);
	}
	(void)buf_puts(&b, "]");
	call_ok(c, 200, &b);
}

void
get_templates(struct call *c)
{
	struct templates *t = engine_templates(c->api->en);

	if (check_team(c) < 0)
		return;
	templates_refresh(t);
	answer(c, t->v, t->n);
}

/* They are sorted by id: a page begins after the token's. */
void
get_templates_v2(struct call *c)
{
	struct templates *t = engine_templates(c->api->en);
	const char *token = query_get(&c->query, "nextToken");
	struct page_token end = { .ms = 0 };
	char text[PAGE_TOKEN_TEXT];
	size_t from = 0, n;
	int64_t limit;
	struct err e;

	if (check_team(c) < 0)
		return;
	if (query_int(&c->query, "limit", 1, LIMIT_MAX, LIMIT_MAX, &limit, &e) <
		0 ||
	    (token != NULL && *token != '\0' &&
		page_token_parse(token, &end, &e) < 0)) {
		call_error(c, &e, NULL);
		return;
	}
	templates_refresh(t);
	while (from < t->n && strcmp(t->v[from].id, end.id) <= 0)
		from++;
	n = t->n - from;
	if (n > (size_t)limit) {
		n = (size_t)limit;
		(void)snprintf(
		    end.id, sizeof(end.id), "%s", t->v[from + n - 1].id);
		call_header(
		    c, "X-Next-Token", "%s", page_token_text(&end, text));
	}
	answer(c, t->v + from, n);
}

const struct template *
call_template(struct call *c)
{
	struct err e;
	const struct template *t =
	    templates_find(engine_templates(c->api->en), c->arg, &e);

	if (t == NULL)
		call_error(c, &e, NULL);
	return t;
}

/* A host keeps one build of a template: the one that it runs. */
void
get_template(struct call *c)
{
	const char *token = query_get(&c->query, "nextToken");
	const struct template *t = call_template(c);
	struct page_token end;
	struct buf b;
	struct err e;
	int64_t limit;

	if (t == NULL)
		return;
	if (query_int(&c->query, "limit", 1, LIMIT_MAX, LIMIT_MAX, &limit, &e) <
		0 ||
	    (token != NULL && *token != '\0' &&
		page_token_parse(token, &end, &e) < 0)) {
		call_error(c, &e, NULL);
		return;
	}
	buf_init(&b, API_ANSWER_MAX);
	out_template(&b, t);
	(void)buf_puts(&b, ",\"builds\":[");
	if (token == NULL || *token == '\0') {
		(void)buf_puts(&b, "{\"buildID\":");
		out_string(&b, t->build_id);
		(void)buf_puts(&b, ",\"status\":\"ready\"");
		out_time(&b, "createdAt", t->created_ms);
		out_time(&b, "updatedAt", t->updated_ms);
		out_time(&b, "finishedAt", t->updated_ms);
		out_resources(&b, t);
		(void)buf_puts(&b, "}");
	}
	(void)buf_puts(&b, "]}");
	call_ok(c, 200, &b);
}

void
get_alias(struct call *c)
{
	const struct template *t = call_template(c);
	struct buf b;

	if (t == NULL)
		return;
	buf_init(&b, 1024);
	(void)buf_puts(&b, "{\"templateID\":");
	out_string(&b, t->id);
	(void)buf_puts(&b, ",\"public\":true}");
	call_ok(c, 200, &b);
}
