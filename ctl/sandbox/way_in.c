/* way_in.c - keeps coppice-proxyd's table of sandboxes right. */
#include "ctl/sandbox/sandbox_int.h"

#include <string.h>

#include "dataplane/proxy/route_msg.h"
#include "io/log.h"

static void
tell(struct engine *en, uint16_t type, const void *body, size_t len)
{
	struct {
		struct route_hdr h;
		char body[sizeof(struct route_set)];
	} m = { .h = { .type = type, .len = (uint16_t)len } };
	struct err e;

	if (en->route.io.fd < 0)
		return; /* none was given, or it is gone and so are we soon */
	memcpy(m.body, body, len);
	if (seqpkt_post(&en->route, &m, sizeof(m.h) + len, NULL, 0, &e) < 0)
		log_error("route.send err=\"%s\"", e.msg);
}

/* Who did not say how long a sandbox lives is given so much. */
enum { WAKE_TIMEOUT_S = 300 };

static uint8_t
state_of(enum sb_state s)
{
	if (s == SB_RUNNING)
		return ROUTE_RUNNING;
	return s == SB_PAUSED ? ROUTE_PAUSED : ROUTE_CHANGING;
}

void
way_in_set(struct sandbox *sb, enum sb_state as)
{
	const struct sb_record *r = &sb->r;
	struct route_set m = {
		.slot = r->slot.slot,
		.incarnation = r->slot.incarnation,
		.state = state_of(as),
		.private_traffic = r->private_traffic,
		/* Traffic wakes what has its memory, and nothing else. */
		.auto_resume = r->auto_resume && r->slot.slot != 0,
	};

	memcpy(m.id, r->id, sizeof(r->id));
	memcpy(m.traffic_token, r->traffic_token, sizeof(r->traffic_token));
	memcpy(m.mask_host, r->mask_host, sizeof(r->mask_host));
	/* Nobody else needs to know it. */
	if (m.auto_resume)
		memcpy(m.envd_token, r->envd_token, sizeof(r->envd_token));
	tell(sb->en, ROUTE_SET, &m, sizeof(m));
}

void
way_in_del(struct sandbox *sb)
{
	struct route_del m;

	memset(&m, 0, sizeof(m));
	memcpy(m.id, sb->r.id, sizeof(sb->r.id));
	tell(sb->en, ROUTE_DEL, &m, sizeof(m));
}

/* --- a request for what is paused
 * ----------------------------------------------------------------------*/

static uint16_t
status_of(enum err_kind k)
{
	if (k == ERR_NONE)
		return 0;
	if (k == ERR_CONFLICT)
		return 409;
	return k == ERR_LIMIT || k == ERR_BUSY ? 429 : 502;
}

static void
answer(struct engine *en, const char *id, enum err_kind why)
{
	struct route_woke m = { .status = status_of(why) };

	memcpy(m.id, id, strlen(id));
	tell(en, ROUTE_WOKE, &m, sizeof(m));
}

static void
on_woken(void *ctx, const struct sb_answer *a)
{
	if (a->sb == NULL)
		return; /* it is gone, and proxyd has been told */
	if (a->err.kind != ERR_NONE)
		log_warn(
		    "wake.failed sbx=%s err=\"%s\"", a->sb->r.id, a->err.msg);
	answer(ctx, a->sb->r.id, a->err.kind);
}

/* As long as its creator asked for: later timeouts were for another life. */
static uint64_t
wake_timeout(const struct engine *en, const struct sb_record *r)
{
	uint64_t s = r->timeout_s > 0 ? r->timeout_s : WAKE_TIMEOUT_S;

	return s < en->cf.max_life_s ? s : en->cf.max_life_s;
}

static void
wake(struct engine *en, const char *id)
{
	struct sb_call c = { .op = OP_WAKE, .done = on_woken, .ctx = en };
	const struct sandbox *sb = engine_find(en, id);

	/* The whole table comes when we are, and it is asked again then. */
	if (!en->ready)
		return;
	if (sb == NULL) {
		answer(en, id, ERR_NOTFOUND);
		return;
	}
	c.timeout_s = wake_timeout(en, &sb->r);
	engine_call(en, id, &c);
}

/* --- what proxyd says
 * ----------------------------------------------------------------------*/

static void
count(struct engine *en, const struct route_bytes *m)
{
	struct sandbox *sb = engine_find(en, m->id);

	if (sb == NULL || sb->r.slot.incarnation != m->incarnation)
		return; /* it has ended meanwhile */
	sb->carried = (struct sb_carried){ m->received, m->sent };
}

bool
way_in_take(struct engine *en, const void *msg, size_t len)
{
	const char *body = (const char *)msg + sizeof(struct route_hdr);
	struct route_hdr h;
	union {
		char id[32];
		struct route_bytes bytes;
		struct route_wake wake;
	} m;

	if (len < sizeof(h))
		return false;
	memcpy(&h, msg, sizeof(h));
	if (h.len != len - sizeof(h) || h.len > sizeof(m))
		return false;
	memset(&m, 0, sizeof(m));
	memcpy(&m, body, h.len);
	if (memchr(m.id, '\0', sizeof(m.id)) == NULL)
		return false;
	if (h.type == ROUTE_BYTES && h.len == sizeof(m.bytes))
		count(en, &m.bytes);
	else if (h.type == ROUTE_WAKE && h.len == sizeof(m.wake))
		wake(en, m.id);
	else
		return false;
	return true;
}

void
way_in_all(struct engine *en)
{
	tell(en, ROUTE_RESET, "", 0);
	for (uint32_t i = 1; i <= en->n; i++)
		if (en->v[i] != NULL && sandbox_visible(en->v[i]))
			way_in_set(en->v[i], en->v[i]->r.state);
	tell(en, ROUTE_SYNCED, "", 0);
}

const struct sb_carried *
sandbox_carried(const struct sandbox *sb)
{
	return &sb->carried;
}
