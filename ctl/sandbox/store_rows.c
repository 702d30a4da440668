/* store_rows.c - sandboxes to rows and back. */
#include "ctl/sandbox/store_int.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/* The text is the caller's to free; NULL where there is no memory. */
static char *
pairs_text(const struct sb_pairs *p)
{
	json_t *o = json_object();
	char *text;

	for (size_t i = 0; o != NULL && i < p->n; i++)
		(void)json_object_set_new(
		    o, p->v[i].name, json_string(p->v[i].value));
	text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

static int
pairs_from(const char *text, struct sb_pairs *out, struct err *e)
{
	json_t *o = json_loads(text, 0, NULL), *v;
	const char *name;
	int rc = 0;

	if (!json_is_object(o))
		rc = err_set(e, ERR_SYS, "store: metadata is no object");
	json_object_foreach (o, name, v) {
		if (rc == 0 && json_is_string(v))
			rc = sb_pairs_add(out, name, json_string_value(v), e);
	}
	json_decref(o);
	return rc;
}

int
store_insert(struct store *st, const struct sb_record *r, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_INSERT];
	autofree char *metadata = NULL;
	char secret[SPAWN_SECRET_LEN * 2 + 1];

	if (r->has_metadata && (metadata = pairs_text(&r->metadata)) == NULL)
		return err_sys(e, "metadata");
	hex_text(r->secret, SPAWN_SECRET_LEN, secret);
	store_text(q, 1, r->id);
	store_text(q, 2, fsm_state_name(r->state));
	(void)sqlite3_bind_int64(q, 3, r->slot.slot);
	(void)sqlite3_bind_int64(q, 4, r->slot.incarnation);
	store_text(q, 5, r->template_id);
	store_text(q, 6, r->build_id);
	store_text(q, 7, r->alias);
	store_text(q, 8, r->envd_version);
	store_text(q, 9, r->user);
	store_text(q, 10, r->workdir);
	(void)sqlite3_bind_int64(q, 11, r->cpu_count);
	(void)sqlite3_bind_int64(q, 12, r->memory_mb);
	(void)sqlite3_bind_int64(q, 13, r->disk_mb);
	store_text(q, 14, metadata);
	store_text(q, 15, r->env_json);
	store_text(q, 16, r->mcp_json);
	(void)sqlite3_bind_int(q, 17, r->private_traffic);
	store_text(q, 18, r->mask_host);
	store_text(q, 19, r->envd_token);
	store_text(q, 20, r->traffic_token);
	store_text(q, 21, secret);
	(void)sqlite3_bind_int(q, 22, r->pause_on_timeout);
	(void)sqlite3_bind_int(q, 23, r->auto_resume);
	(void)sqlite3_bind_int64(q, 24, (sqlite3_int64)r->timeout_s);
	(void)sqlite3_bind_int64(q, 25, r->created_ms);
	(void)sqlite3_bind_int64(q, 26, r->started_ms);
	(void)sqlite3_bind_int64(q, 27, r->end_ms);
	(void)sqlite3_bind_int(q, 28, r->pause_files_only);
	if (store_run(st, ST_INSERT, "insert sandbox", e) < 0)
		return -1;
	return store_update_net(st, r, e);
}

int
store_update(struct store *st, const struct sb_record *r, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_UPDATE];

	store_text(q, 1, r->id);
	store_text(q, 2, fsm_state_name(r->state));
	(void)sqlite3_bind_int64(q, 3, r->slot.slot);
	(void)sqlite3_bind_int64(q, 4, r->slot.incarnation);
	(void)sqlite3_bind_int(q, 5, r->pause_on_timeout);
	(void)sqlite3_bind_int64(q, 6, r->started_ms);
	(void)sqlite3_bind_int64(q, 7, r->end_ms);
	return store_run(st, ST_UPDATE, "update sandbox", e);
}

int
store_update_net(struct store *st, const struct sb_record *r, struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_UPDATE_NET];

	store_text(q, 1, r->id);
	store_text(q, 2, r->net.json);
	(void)sqlite3_bind_int(q, 3, (int)r->net.internet);
	(void)sqlite3_bind_int64(q, 4, r->gen);
	return store_run(st, ST_UPDATE_NET, "update policy", e);
}

int
store_delete(struct store *st, const char *id, struct err *e)
{
	store_text(st->stmt[ST_DELETE], 1, id);
	return store_run(st, ST_DELETE, "delete sandbox", e);
}

/* NULL for NULL; *bad is set without memory. */
static char *
copy(sqlite3_stmt *q, int at, bool *bad)
{
	char *text;

	if (sqlite3_column_type(q, at) == SQLITE_NULL)
		return NULL;
	text = strdup(store_peek(q, at));
	*bad = *bad || text == NULL;
	return text;
}

static uint32_t
u32(sqlite3_stmt *q, int at)
{
	return (uint32_t)sqlite3_column_int64(q, at);
}

static int
record_from(sqlite3_stmt *q, struct sb_record *r, struct err *e)
{
	bool bad = false;

	*r = (struct sb_record){ .net = { .internet = SB_UNSAID } };
	store_column(q, 0, r->id, sizeof(r->id));
	if (fsm_state_from(store_peek(q, 1), &r->state) < 0)
		return err_set(e, ERR_SYS, "store: %s is in state \"%s\"",
		    r->id, store_peek(q, 1));
	r->slot = (struct spawn_ref){ u32(q, 2), u32(q, 3) };
	store_column(q, 4, r->template_id, sizeof(r->template_id));
	store_column(q, 5, r->build_id, sizeof(r->build_id));
	store_column(q, 6, r->alias, sizeof(r->alias));
	store_column(q, 7, r->envd_version, sizeof(r->envd_version));
	store_column(q, 8, r->user, sizeof(r->user));
	store_column(q, 9, r->workdir, sizeof(r->workdir));
	r->cpu_count = u32(q, 10);
	r->memory_mb = u32(q, 11);
	r->disk_mb = u32(q, 12);
	r->has_metadata = sqlite3_column_type(q, 13) != SQLITE_NULL;
	if (r->has_metadata && pairs_from(store_peek(q, 13), &r->metadata, e))
		return -1;
	r->env_json = copy(q, 14, &bad);
	r->mcp_json = copy(q, 15, &bad);
	r->private_traffic = sqlite3_column_int(q, 16) != 0;
	store_column(q, 17, r->mask_host, sizeof(r->mask_host));
	store_column(q, 18, r->envd_token, sizeof(r->envd_token));
	store_column(q, 19, r->traffic_token, sizeof(r->traffic_token));
	if (hex_bytes(store_peek(q, 20), r->secret, SPAWN_SECRET_LEN) < 0)
		return err_set(e, ERR_SYS, "store: secret of %s", r->id);
	r->pause_on_timeout = sqlite3_column_int(q, 21) != 0;
	r->auto_resume = sqlite3_column_int(q, 22) != 0;
	r->timeout_s = (uint64_t)sqlite3_column_int64(q, 23);
	r->created_ms = sqlite3_column_int64(q, 24);
	r->started_ms = sqlite3_column_int64(q, 25);
	r->end_ms = sqlite3_column_int64(q, 26);
	r->pause_files_only = sqlite3_column_int(q, 27) != 0;
	r->net.json = copy(q, 28, &bad);
	if (sqlite3_column_type(q, 29) != SQLITE_NULL)
		r->net.internet = (enum sb_choice)sqlite3_column_int(q, 29);
	r->gen = u32(q, 30);
	return bad ? err_sys(e, "store") : 0;
}

int
store_load(struct store *st,
    int (*each)(void *ctx, struct sb_record *r, struct err *e), void *ctx,
    struct err *e)
{
	sqlite3_stmt *q = st->stmt[ST_LOAD];
	struct sb_record r;
	int rc, bad = 0;

	while (bad == 0 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		bad = record_from(q, &r, e);
		if (bad < 0)
			sb_record_fini(&r);
		else
			bad = each(ctx, &r, e);
	}
	if (bad == 0 && rc != SQLITE_DONE)
		bad = store_fail(st, "load", e);
	(void)sqlite3_reset(q);
	return bad;
}
