/*
 * network.c - a new egress policy for a sandbox that lives: to the kernel,
 * then to the store, then the answer; one at a time for each sandbox.
 */
#include "ctl/sandbox/sandbox_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/log.h"

static void next(struct sandbox *sb);

static void
op_free(struct net_op *op)
{
	sb_net_fini(&op->net);
	sb_policy_fini(&op->policy);
	free(op);
}

static void
waited_for(const struct net_op *op, bool failed)
{
	struct engine *en = op->en;

	if (op->after == AGAIN_RECOVERY)
		reclaim_one_less(en);
	if (op->after != AGAIN_ALL)
		return;
	en->again_failed += failed;
	if (--en->again_left > 0)
		return;
	log_info("rules.again sandboxes=%u failed=%u ms=%llu", en->again_all,
	    en->again_failed,
	    (unsigned long long)mono_ms(en->again_since, mono_now()));
	en->again_all = en->again_failed = 0;
}

static void
answer(struct net_op *op, struct sandbox *sb, const struct err *e)
{
	struct sb_answer a = { .sb = sb, .gen = op->gen };

	if (e != NULL)
		a.err = *e;
	if (op->done != NULL)
		op->done(op->ctx, &a);
	waited_for(op, e != NULL && e->kind != ERR_NOTFOUND);
	op_free(op);
}

/* The store has the last word: commit, or take the kernel back. */
static int
commit(struct sandbox *sb, struct net_op *op, struct err *e)
{
	struct store *st = sb->en->store;
	struct sb_record row = sb->r; /* borrows */

	row.net = op->net;
	row.gen = op->gen;
	if (row.net.internet == SB_UNSAID)
		/* Saying nothing opens what was closed; see docs/e2b.md. */
		row.net.internet =
		    sb->r.net.internet == SB_UNSAID ? SB_UNSAID : SB_YES;
	if (store_begin(st, e) < 0)
		return -1;
	if (store_update_net(st, &row, e) < 0 ||
	    sandbox_note(sb, "updated", "sandbox network changed", NULL, e) <
		0) {
		store_rollback(st);
		return -1;
	}
	if (store_commit(st, e) < 0)
		return -1;
	denials_policy(sb, &sb->r.net, op->gen);
	sb_net_fini(&sb->r.net);
	sb->r.net = row.net;
	sb->r.gen = op->gen;
	op->net.json = NULL;
	sandbox_touch(sb);
	return 0;
}

/* What holds once more was perhaps never looked at: privd was away. */
static void
look_at_sockets(struct sandbox *sb, const struct net_op *op,
    const struct rules_reply *r, bool ok)
{
	if (ok ? r->revoked > 0 && !op->again : sb->cut_due)
		cut_begin(sb, true);
	else if (ok && op->again)
		cut_begin(sb, false);
}

static void
applied(struct sandbox *sb, struct net_op *op, struct chan_reply *r)
{
	struct err e = { .kind = ERR_NONE };

	if (r->u.rules.rc < 0) {
		log_error("rules.apply sbx=%s gen=%u err=\"%s\"", sb->r.id,
		    op->gen, r->u.rules.err.msg);
		sb->net_failed = sb->net_failed || op->again;
		err_set(
		    &e, ERR_SYS, "Error applying network config to sandbox");
	} else if (op->again) {
		sb->net_failed = false;
		denials_again(sb, op->gen);
		sb->r.gen = op->gen;
		sandbox_touch(sb);
	} else if (commit(sb, op, &e) < 0) {
		log_error("rules.store sbx=%s gen=%u err=\"%s\"", sb->r.id,
		    op->gen, e.msg);
		err_set(
		    &e, ERR_SYS, "Error applying network config to sandbox");
		denials_unsure(sb);
		network_again(sb, false, AGAIN_NOBODY);
	}
	look_at_sockets(sb, op, &r->u.rules, e.kind == ERR_NONE);
	answer(op, sb, e.kind != ERR_NONE ? &e : NULL);
}

static void
on_applied(void *ctx, uint32_t who, uint32_t n, struct chan_reply *r)
{
	struct net_op *op = ctx;
	struct engine *en = op->en;
	struct sandbox *sb = registry_get(en, op->ref);
	struct sb_ref ref = op->ref;
	struct err e;

	(void)who;
	(void)n;
	drop_fd(&r->fd);
	if (sb == NULL) {
		sb_not_found(op->id, &e);
		answer(op, NULL, &e);
		return;
	}
	sb->net_now = NULL;
	applied(sb, op, r);
	sb = registry_get(en, ref);
	if (sb != NULL)
		next(sb);
}

static int
begin(struct sandbox *sb, struct net_op *op, struct err *e)
{
	struct engine *en = sb->en;
	struct chan_ask how = { .done = on_applied, .ctx = op };
	int rc = 0;

	op->gen = counter_next(en, STORE_GEN, e);
	if (op->gen == 0)
		return -1;
	if (op->again)
		rc = sb_policy_load(&sb->r.net, &op->policy, e);
	if (rc == 0)
		rc = sb_policy_send(&en->rules, &op->policy, sb->r.slot.slot,
		    op->gen, op->birth, how, e);
	/* The message has them now. */
	sb_policy_fini(&op->policy);
	return rc;
}

static int
may(const struct sandbox *sb, struct err *e)
{
	switch (sb->r.state) {
	case SB_RUNNING:
		return 0;
	case SB_PAUSED:
		if (sb->en->cf.policy_while_paused)
			return 0;
		return sb_not_found(sb->r.id, e);
	case SB_PAUSING:
	case SB_RESUMING:
	case SB_KILLING:
		return sb_busy(sb, e);
	case SB_NONE:
	case SB_WARMING:
	case SB_WARM:
	case SB_CREATING:
	case SB_GONE:
	case SB_NSTATES:
		break;
	}
	return sb_not_found(sb->r.id, e);
}

static struct net_op *
pop(struct sandbox *sb)
{
	struct net_op *op = sb->net_head;

	if (op == NULL)
		return NULL;
	sb->net_head = op->next;
	if (sb->net_head == NULL)
		sb->net_tail = &sb->net_head;
	return op;
}

/* Rules that are closed already must not be opened for whoever comes next. */
static bool
has_rules(const struct sandbox *sb)
{
	uint32_t slot = sb->r.slot.slot;

	return slot != 0 && sb->en->slots.v[slot].state == SLOT_TAKEN;
}

static void
run(struct sandbox *sb, struct net_op *op)
{
	struct err e;

	if (!op->again && may(sb, &e) < 0) {
		answer(op, sb, &e);
		return;
	}
	if (!has_rules(sb)) {
		/* No processes, no rules: they get it when it is resumed. */
		bool ok = op->again || commit(sb, op, &e) == 0;

		answer(op, sb, ok ? NULL : &e);
		return;
	}
	if (begin(sb, op, &e) == 0) {
		sb->net_now = op;
		return;
	}
	log_error("rules.apply sbx=%s err=\"%s\"", sb->r.id, e.msg);
	sb->net_failed = sb->net_failed || op->again;
	err_set(&e, ERR_SYS, "Error applying network config to sandbox");
	answer(op, sb, &e);
}

/* One after the other, as they came. */
static void
next(struct sandbox *sb)
{
	struct engine *en = sb->en;
	struct sb_ref ref = sb->ref;

	while (sb != NULL && sb->net_now == NULL && sb->net_head != NULL) {
		run(sb, pop(sb));
		sb = registry_get(en, ref);
	}
}

static void
push(struct sandbox *sb, struct net_op *op)
{
	op->en = sb->en;
	op->ref = sb->ref;
	memcpy(op->id, sb->r.id, sizeof(op->id));
	*sb->net_tail = op;
	sb->net_tail = &op->next;
	next(sb);
}

void
engine_network(struct engine *en, const char *id, struct sb_net_call *c)
{
	struct sandbox *sb = registry_by_id(en, id);
	struct net_op *op = NULL;
	struct sb_answer a = { .sb = NULL };

	pool_busy(en);
	if (sb == NULL)
		sb_not_found(id, &a.err);
	else if ((op = calloc(1, sizeof(*op))) == NULL)
		err_sys(&a.err, "request");
	if (op == NULL) {
		sb_net_fini(&c->net);
		sb_policy_fini(&c->policy);
		c->done(c->ctx, &a);
		return;
	}
	op->net = c->net;
	op->policy = c->policy;
	op->done = c->done;
	op->ctx = c->ctx;
	push(sb, op);
}

void
network_again(struct sandbox *sb, bool birth, enum again after)
{
	struct net_op *op = calloc(1, sizeof(*op));
	struct net_op none = { .en = sb->en, .after = after };

	if (after == AGAIN_ALL) {
		sb->en->again_all++;
		sb->en->again_left++;
	}
	if (op == NULL) {
		log_error("rules.again sbx=%s err=\"no memory\"", sb->r.id);
		sb->net_failed = true;
		waited_for(&none, true);
		return;
	}
	op->again = true;
	op->birth = birth;
	op->after = after;
	push(sb, op);
}

/* It is gone; the one under way is answered when privd answers. */
void
network_end(struct sandbox *sb)
{
	struct net_op *op;
	struct err e;

	while ((op = pop(sb)) != NULL) {
		sb_not_found(op->id, &e);
		answer(op, NULL, &e);
	}
}

void
network_drop(struct sandbox *sb)
{
	struct net_op *op;

	if (sb->net_now != NULL)
		op_free(sb->net_now);
	sb->net_now = NULL;
	while ((op = pop(sb)) != NULL)
		op_free(op);
}
