/* pool_member.c - one member: how it comes to stand, and how it is taken. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "ctl/sandbox/pool_int.h"
#include "io/log.h"

enum { KEEP_AGAIN_MS = 1000 };

/* --- standing up -----------------------------------------------------------*/

static void
on_shut(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb != NULL)
		sandbox_step_over(
		    sb, r->u.rules.rc < 0 ? &r->u.rules.err : NULL);
}

/*
 * What nobody owns has no rules, and so is closed: but the last run may have
 * died before it came to that with this slot.  What most creates will open is
 * put there, behind the closed door.
 */
static enum step_rc
shut(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	struct rules_clear m = { sb->r.slot.slot };
	struct chan_ask a = {
		.type = RULES_PREPARE,
		.head = &m,
		.head_len = sizeof(m),
		.fd = -1,
		.done = on_shut,
		.ctx = sb->en,
		.who = sb->ref.index,
		.n = sb->ref.gen,
	};

	return chan_ask(&sb->en->rules, &a, e) < 0 ? STEP_FAIL : STEP_PENDING;
}

enum { STEP_SLOT, STEP_SHUT, STEP_PROCESSES };

static const struct step member_steps[] = {
	[STEP_SLOT] = { "slot", step_slot, undo_slot },
	[STEP_SHUT] = { "closed rules", shut, NULL },
	[STEP_PROCESSES] = { "processes", step_spawn, NULL },
	{ "envd", step_init, NULL },
	{ "start", step_start, NULL },
};

bool
pool_waits_for_privd(const struct sandbox *sb)
{
	return sb->plan.at == STEP_SHUT || sb->plan.at == STEP_PROCESSES;
}

struct sandbox *
pool_member_new(struct engine *en, const struct template *t, struct err *e)
{
	struct sb_record r = { .state = SB_WARMING };
	struct sandbox *sb = NULL;

	if (template_fill(t, &r, e) == 0 && id_sandbox(r.id, e) == 0 &&
	    id_bytes(r.secret, sizeof(r.secret), e) == 0)
		sb = registry_add(en, r.id, e);
	if (sb == NULL) {
		sb_record_fini(&r);
		return NULL;
	}
	sb->r = r;
	sb->member = true;
	/* What it is denied before it is somebody's does not count. */
	sb->denials.tenant = UINT32_MAX;
	count_memory(sb, POOL_MEMORY_FLOOR);
	return sb;
}

void
pool_member_begin(struct sandbox *sb)
{
	sandbox_plan(sb, member_steps, countof(member_steps));
}

/* --- its connection
 * ---------------------------------------------------------*/

static void
on_kept(struct loop_io *w, unsigned events)
{
	struct sandbox *sb = container_of(w, struct sandbox, kept);

	(void)events;
	/* envd ends what is quiet for minutes; nothing else is to come. */
	pool_forget(sb);
	pool_keep(sb);
}

static void
keep(struct sandbox *sb, int fd)
{
	sb->kept.fd = fd;
	sb->kept.on_ready = on_kept;
	loop_io_set(sb->en->loop, &sb->kept, LOOP_READ);
}

static void
on_socket(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });
	struct sockaddr_in a = {
		.sin_family = AF_INET,
		.sin_port = htons(SPAWN_ENVD_PORT),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = take_fd(&r->fd);

	if (fd >= 0 && sb != NULL && sb->r.state == SB_WARM &&
	    (connect(fd, (const struct sockaddr *)(const void *)&a,
		 sizeof(a)) == 0 ||
		errno == EINPROGRESS))
		keep(sb, fd);
	else
		own_close(&fd);
}

/* Without one the claim makes its own, which takes longer. */
void
pool_keep(struct sandbox *sb)
{
	struct mono now = mono_now();
	struct err e;

	if (sb->init_fd >= 0) {
		keep(sb, take_fd(&sb->init_fd));
		return;
	}
	if (sb->kept_at.ns != 0 && mono_ms(sb->kept_at, now) < KEEP_AGAIN_MS)
		return;
	sb->kept_at = now;
	if (ask_socket(sb, on_socket, &e) < 0)
		log_warn("pool.keep sbx=%s err=\"%s\"", sb->r.id, e.msg);
}

/* --- being taken
 * ------------------------------------------------------------*/

void
claim_half(struct sandbox *sb, const struct err *e)
{
	if (e != NULL && sb->claim_err.kind == ERR_NONE)
		sb->claim_err = *e;
	if (--sb->claim_left > 0)
		return;
	sandbox_step_over(
	    sb, sb->claim_err.kind != ERR_NONE ? &sb->claim_err : NULL);
}

static void
on_rules(void *ctx, uint32_t index, uint32_t gen, struct chan_reply *r)
{
	struct sandbox *sb = registry_get(ctx, (struct sb_ref){ index, gen });

	drop_fd(&r->fd);
	if (sb != NULL)
		claim_half(sb, r->u.rules.rc < 0 ? &r->u.rules.err : NULL);
}

static enum step_rc
taken(void *obj, struct err *e)
{
	(void)obj;
	(void)e;
	return STEP_DONE;
}

/*
 * Identity and rules, side by side: nobody can reach it before both.  Rules
 * last: we sleep then, and coppice-privd may run where we did.
 */
static enum step_rc
identity(void *obj, struct err *e)
{
	struct sandbox *sb = obj;
	enum step_rc rc;

	loop_io_stop(&sb->kept);
	sb->init_fd = take_fd(&sb->kept.fd);
	sb->claim_err = (struct err){ .kind = ERR_NONE };
	rc = step_init(sb, e);
	if (rc != STEP_PENDING)
		return rc;
	sb->claim_left = 2;
	if (rules_send(sb, on_rules, &sb->claim_err) < 0)
		sb->claim_left--;
	return STEP_PENDING;
}

static const struct step claim_steps[] = {
	{ "slot", taken, undo_slot },
	{ "identity", identity, NULL },
	{ "store", create_store, NULL },
	{ "route", create_route, NULL },
};

/* What the create says of it, under its own id, slot and secret. */
static void
become(struct sandbox *sb, struct sb_create *c)
{
	memcpy(c->r.id, sb->r.id, sizeof(c->r.id));
	memcpy(c->r.secret, sb->r.secret, sizeof(c->r.secret));
	c->r.slot = sb->r.slot;
	c->r.state = sb->r.state;
	sb_record_fini(&sb->r);
	sb->r = c->r;
	sb->policy = c->policy;
	sb->create_done = c->done;
	sb->create_ctx = c->ctx;
	sb->member = false;
	sb->claimed = true;
	c->r = (struct sb_record){ .state = SB_NONE };
	c->policy = (struct sb_policy){ .v = NULL };
}

bool
pool_claim(struct engine *en, struct sb_create *c)
{
	struct sandbox *sb;
	struct err e;

	if (create_tokens(c, &e) < 0)
		return false; /* a cold create will say so */
	sb = pool_take(en, &c->r);
	if (sb == NULL)
		return false;
	become(sb, c);
	(void)sandbox_event(sb, EV_CLAIM, &e);
	sandbox_plan(sb, claim_steps, countof(claim_steps));
	return true;
}

void
claim_failed(struct sandbox *sb)
{
	struct sb_create c = {
		.r = sb->r,
		.policy = sb->policy,
		.secure = sb->r.envd_token[0] != '\0',
		.done = sb->create_done,
		.ctx = sb->create_ctx,
	};

	/* It owns them no longer. */
	sb->r.metadata = (struct sb_pairs){ .n = 0 };
	sb->r.env_json = sb->r.mcp_json = sb->r.net.json = NULL;
	sb->policy.v = NULL;
	log_warn("pool.claim_failed template=%s sbx=%s", sb->r.template_id,
	    sb->r.id);
	c.r.slot = (struct spawn_ref){ 0, 0 };
	c.r.gen = 0;
	create_cold(sb->en, &c);
}
