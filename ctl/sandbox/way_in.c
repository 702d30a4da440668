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

bool
way_in_take(struct engine *en, const void *msg, size_t len)
{
	struct route_bytes m;
	struct route_hdr h;
	struct sandbox *sb;

	if (len != sizeof(h) + sizeof(m))
		return false;
	memcpy(&h, msg, sizeof(h));
	memcpy(&m, (const char *)msg + sizeof(h), sizeof(m));
	if (h.type != ROUTE_BYTES || h.len != sizeof(m) ||
	    memchr(m.id, '\0', sizeof(m.id)) == NULL)
		return false;
	sb = engine_find(en, m.id);
	if (sb == NULL || sb->r.slot.incarnation != m.incarnation)
		return true; /* it has ended meanwhile */
	sb->carried = (struct sb_carried){ m.received, m.sent };
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
