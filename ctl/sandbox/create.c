/* create.c - from a request to a sandbox that can be reached. */
#include "ctl/sandbox/sandbox_int.h"

#include <string.h>

#include "base/own.h"
#include "io/log.h"

enum step_rc
create_store(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	struct store *st = sb->en->store;
	struct sb_record row;

	sb->r.created_ms = sb->r.started_ms = wall_ms();
	sb->r.end_ms = sb->r.started_ms + (int64_t)sb->r.timeout_s * 1000;
	row = sb->r; /* borrows */
	row.state = SB_RUNNING;
	if (store_begin(st, e) < 0)
		return STEP_FAIL;
	if (store_insert(st, &row, e) < 0) {
		store_rollback(st);
		return STEP_FAIL;
	}
	return store_commit(st, e) < 0 ? STEP_FAIL : STEP_DONE;
}

enum step_rc
create_route(void *obj, struct err *e)
{
	(void)e;
	way_in_set(obj, SB_RUNNING);
	return STEP_DONE;
}

static const struct step create_steps[] = {
	{ "slot", step_slot, undo_slot },
	{ "rules", step_rules, NULL }, /* closed with the slot */
	{ "processes", step_spawn, NULL },
	{ "envd", step_init, NULL },
	{ "start", step_start, NULL },
	{ "store", create_store, NULL },
	{ "route", create_route, NULL },
};

static bool
full(const struct engine *en)
{
	return en->slots.ntaken + en->nqueue - pool_going(en) >= en->slots.max;
}

int
capacity_check(struct engine *en, const char **code, struct err *e)
{
	uint64_t budget = en->cf.host_memory_mb * 1024 * 1024;

	*code = NULL;
	/* Whoever is here for real goes before those that are kept ready. */
	while (full(en) && pool_give_up(en))
		continue;
	while (en->mem_used + POOL_MEMORY_FLOOR > budget && pool_give_up(en))
		continue;
	if (full(en))
		return err_set(e, ERR_LIMIT,
		    "you have reached the maximum number of concurrent "
		    "sandboxes (%u)",
		    en->slots.max);
	if (en->mem_used + POOL_MEMORY_FLOOR > budget) {
		*code = "sandbox_capacity_unavailable";
		return err_set(e, ERR_BUSY,
		    "the sandboxes of this host use %llu of %llu MiB: try "
		    "again later",
		    (unsigned long long)(en->mem_used >> 20),
		    (unsigned long long)en->cf.host_memory_mb);
	}
	return 0;
}

int
create_tokens(struct sb_create *c, struct err *e)
{
	struct sb_record *r = &c->r;

	if (c->secure && id_token(r->envd_token, e) < 0)
		return -1;
	if (r->private_traffic && id_token(r->traffic_token, e) < 0)
		return -1;
	return 0;
}

static struct sandbox *
begin(struct engine *en, struct sb_create *c, struct sb_answer *a)
{
	struct sandbox *sb;

	if (capacity_check(en, &a->code, &a->err) < 0 ||
	    id_sandbox(c->r.id, &a->err) < 0 ||
	    id_bytes(c->r.secret, sizeof(c->r.secret), &a->err) < 0 ||
	    create_tokens(c, &a->err) < 0)
		return NULL;
	sb = registry_add(en, c->r.id, &a->err);
	if (sb == NULL)
		return NULL;
	sb->r = c->r;
	sb->r.state = SB_CREATING;
	sb->policy = c->policy;
	sb->create_done = c->done;
	sb->create_ctx = c->ctx;
	count_memory(sb, POOL_MEMORY_FLOOR);
	/* They are the sandbox's now. */
	c->r = (struct sb_record){ .state = SB_NONE };
	c->policy = (struct sb_policy){ .v = NULL };
	return sb;
}

void
engine_create(struct engine *en, struct sb_create *c)
{
	pool_busy(en);
	if (!pool_claim(en, c))
		create_cold(en, c);
}

void
create_cold(struct engine *en, struct sb_create *c)
{
	struct sb_answer a = { .sb = NULL };
	struct sandbox *sb = begin(en, c, &a);

	if (sb == NULL) {
		sb_record_fini(&c->r);
		sb_policy_fini(&c->policy);
		c->done(c->ctx, &a);
		return;
	}
	sandbox_plan(sb, create_steps, countof(create_steps));
}

/*
 * The event, once the answer is out and before anything else is asked.  What
 * dies in between finds its event missing at the next start, and adds it.
 */
static void
note_created(struct sandbox *sb)
{
	struct store *st = sb->en->store;
	struct err e;
	int rc = store_begin(st, &e);

	if (rc == 0) {
		rc = sandbox_note(sb, "created", "sandbox created", NULL, &e);
		if (rc < 0)
			store_rollback(st);
		else
			rc = store_commit(st, &e);
	}
	if (rc < 0)
		log_error("create.event sbx=%s err=\"%s\"", sb->r.id, e.msg);
}

/* The plan has ended: the sandbox runs, or is gone and this is its wake. */
void
create_over(struct sandbox *sb, const struct err *e)
{
	struct sb_answer a = { .sb = NULL };
	struct engine *en = sb->en;
	struct sb_ref ref = sb->ref;

	loop_timer_stop(&sb->init_again);
	if (e != NULL && sb->claimed) {
		claim_failed(sb);
		return;
	}
	if (e != NULL) {
		a.err = *e;
		a.code = "sandbox_create_failed";
	} else {
		struct template *t =
		    templates_by_id(&en->templates, sb->r.template_id);

		if (t != NULL) {
			t->spawned++;
			t->last_spawned_ms = sb->r.started_ms;
		}
		metrics_restart(
		    &sb->metrics, (uint64_t)sb->r.started_ms * 1000);
		sb->metrics.cpu_us = sb->warm_cpu_us;
		deadline_from_end(sb);
		sb_policy_fini(&sb->policy);
		a.sb = sb;
		a.gen = sb->r.gen;
	}
	sb->create_done(sb->create_ctx, &a);
	/* Nobody waits for the rest. */
	sb = e == NULL ? registry_get(en, ref) : NULL;
	if (sb == NULL)
		return;
	note_created(sb);
	logs_begin(sb, false);
}
