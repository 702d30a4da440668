#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "proxy/proxy_int.h"

static unsigned
bucket(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return (h ^ h >> 16) % ROUTE_BUCKETS;
}

static struct route **
slot_of(struct proxy *p, const char *id)
{
	struct route **at = &p->routes[bucket(id)];

	while (*at != NULL && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

/* The sandbox, or this life of it, is over. */
static void
cut_all(struct route *r)
{
	socks_drop(r);
	while (r->conns != NULL) {
		struct conn *c = r->conns;

		conn_cut(c);
		if (r->conns == c) /* it must leave, whatever conn_cut did */
			conn_detach(c);
	}
}

static void
remove_at(struct proxy *p, struct route **at)
{
	struct route *r = *at;

	*at = r->next;
	p->nroutes--;
	cut_all(r);
	free(r);
}

static void
copy_text(char *to, size_t cap, const char *from, size_t n)
{
	size_t len = strnlen(from, n < cap ? n : cap - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

/* From the loop: this may be the middle of some other request. */
static void
wake_all(struct route *r, uint16_t status)
{
	for (struct conn *c = r->conns; c != NULL; c = c->rnext)
		if (c->state == C_WAKE) {
			c->wake_status = status;
			request_again(c, 0);
		}
}

static void
on_set(struct proxy *p, const struct route_set *s)
{
	struct route **at, *r;
	char id[TARGET_ID_MAX];

	copy_text(id, sizeof(id), s->id, sizeof(s->id));
	if (s->state > ROUTE_CHANGING || id[0] == '\0') {
		log_error("route.bad id=%s state=%u", id, s->state);
		return;
	}
	at = slot_of(p, id);
	r = *at;
	if (r == NULL) {
		r = calloc(1, sizeof(*r));
		if (r == NULL) {
			log_error("route.lost id=%s: no memory", id);
			return;
		}
		memcpy(r->id, id, sizeof(r->id));
		*at = r;
		p->nroutes++;
	} else if (r->slot != s->slot || r->incarnation != s->incarnation) {
		cut_all(r);
		r->received = r->sent = 0;
	}
	r->slot = s->slot;
	r->incarnation = s->incarnation;
	r->state = (enum route_state)s->state;
	r->private_traffic = s->private_traffic != 0;
	r->auto_resume = s->auto_resume != 0;
	r->stale = false;
	copy_text(r->token, sizeof(r->token), s->traffic_token,
	    sizeof(s->traffic_token));
	copy_text(r->mask_host, sizeof(r->mask_host), s->mask_host,
	    sizeof(s->mask_host));
	copy_text(r->envd_token, sizeof(r->envd_token), s->envd_token,
	    sizeof(s->envd_token));
	if (r->state == ROUTE_RUNNING)
		socks_prepare(p, r);
	if (r->state == ROUTE_RUNNING || !r->auto_resume)
		wake_all(r, 0);
}

static void
on_woke(struct proxy *p, const struct route_woke *w)
{
	char id[TARGET_ID_MAX];
	struct route *r;

	copy_text(id, sizeof(id), w->id, sizeof(w->id));
	r = *slot_of(p, id);
	if (r == NULL)
		return;
	r->waking = false;
	wake_all(r, w->status);
}

static void
on_del(struct proxy *p, const struct route_del *d)
{
	char id[TARGET_ID_MAX];
	struct route **at;

	copy_text(id, sizeof(id), d->id, sizeof(d->id));
	at = slot_of(p, id);
	if (*at != NULL)
		remove_at(p, at);
}

/* A new apid says all it knows; the old table serves until it has. */
static void
on_reset(struct proxy *p)
{
	for (size_t i = 0; i < ROUTE_BUCKETS; i++)
		for (struct route *r = p->routes[i]; r != NULL; r = r->next)
			r->stale = true;
}

static void
on_synced(struct proxy *p)
{
	for (size_t i = 0; i < ROUTE_BUCKETS; i++)
		for (struct route **at = &p->routes[i]; *at != NULL;)
			if ((*at)->stale)
				remove_at(p, at);
			else
				at = &(*at)->next;
	p->synced = true;
	/* The apid that was asked is gone; this one has not heard of it. */
	for (size_t i = 0; i < ROUTE_BUCKETS; i++)
		for (struct route *r = p->routes[i]; r != NULL; r = r->next) {
			r->waking = false;
			wake_all(r, 0);
		}
	log_info("route.synced n=%zu", p->nroutes);
}

static void
on_msg(
    struct seqpkt *ch, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct proxy *p = container_of(ch, struct proxy, route_ch);
	const char *body = (const char *)msg + sizeof(struct route_hdr);
	struct route_hdr h = { 0 };
	union {
		struct route_set set;
		struct route_del del;
		struct route_woke woke;
	} u;

	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
	if (len >= sizeof(h))
		memcpy(&h, msg, sizeof(h));
	if (len < sizeof(h) || h.len != len - sizeof(h)) {
		log_error("route.bad len=%zu", len);
	} else if (h.type == ROUTE_RESET && h.len == 0) {
		on_reset(p);
	} else if (h.type == ROUTE_SYNCED && h.len == 0) {
		on_synced(p);
	} else if (h.type == ROUTE_SET && h.len == sizeof(u.set)) {
		memcpy(&u.set, body, sizeof(u.set));
		on_set(p, &u.set);
	} else if (h.type == ROUTE_DEL && h.len == sizeof(u.del)) {
		memcpy(&u.del, body, sizeof(u.del));
		on_del(p, &u.del);
	} else if (h.type == ROUTE_WOKE && h.len == sizeof(u.woke)) {
		memcpy(&u.woke, body, sizeof(u.woke));
		on_woke(p, &u.woke);
	} else {
		log_error("route.bad type=%u len=%u", h.type, h.len);
	}
}

/* The table stays: sandboxes outlive apid, and a new one says what changed. */
static void
on_close(struct seqpkt *ch)
{
	(void)ch;
	log_warn("route.closed: serving from the table until apid is back");
}

void
table_open(struct proxy *p, int fd)
{
	if (p->route_ch.io.fd >= 0)
		seqpkt_close(&p->route_ch);
	p->route_ch.on_msg = on_msg;
	p->route_ch.on_close = on_close;
	seqpkt_open(p->loop, &p->route_ch, fd);
}

struct route *
table_find(struct proxy *p, const char *id)
{
	struct mono now = loop_now(p->loop);

	/*
	 * What apid said before it answered a client lay here before that
	 * client's request did: once in a turn of the loop is enough.
	 */
	if (p->drained.ns != now.ns)
		seqpkt_drain(&p->route_ch);
	p->drained = now;
	return *slot_of(p, id);
}

void
table_wake(struct proxy *p, struct route *r)
{
	struct __attribute__((packed)) {
		struct route_hdr h;
		struct route_wake w;
	} m;
	struct err e;

	/* Without apid they wait for the next, which says its table first. */
	if (r->waking || p->route_ch.io.fd < 0)
		return;
	memset(&m, 0, sizeof(m));
	m.h.type = ROUTE_WAKE;
	m.h.len = sizeof(m.w);
	copy_text(m.w.id, sizeof(m.w.id), r->id, sizeof(r->id));
	if (seqpkt_post(&p->route_ch, &m, sizeof(m), NULL, 0, &e) < 0)
		log_error("route.wake id=%s err=\"%s\"", r->id, e.msg);
	else
		r->waking = true;
}

void
table_count(struct conn *c, uint64_t received, uint64_t sent)
{
	if (c->route == NULL)
		return;
	c->route->received += received;
	c->route->sent += sent;
	c->route->carried = c->p->carried = true;
}

static int
report(struct proxy *p, struct route *r)
{
	struct __attribute__((packed)) {
		struct route_hdr h;
		struct route_bytes b;
	} m;
	struct err e;

	memset(&m, 0, sizeof(m));
	m.h.type = ROUTE_BYTES;
	m.h.len = sizeof(m.b);
	copy_text(m.b.id, sizeof(m.b.id), r->id, sizeof(r->id));
	m.b.slot = r->slot;
	m.b.incarnation = r->incarnation;
	m.b.received = r->received;
	m.b.sent = r->sent;
	if (seqpkt_post(&p->route_ch, &m, sizeof(m), NULL, 0, &e) < 0)
		return -1;
	r->carried = false;
	return 0;
}

void
table_report(struct proxy *p)
{
	bool all = true;

	if (!p->carried || p->route_ch.io.fd < 0)
		return;
	/* Whom the channel has no room for waits for the next time. */
	for (size_t i = 0; i < ROUTE_BUCKETS && all; i++)
		for (struct route *r = p->routes[i]; r != NULL; r = r->next)
			all = all && (!r->carried || report(p, r) == 0);
	p->carried = !all;
}

void
table_free(struct proxy *p)
{
	for (size_t i = 0; i < ROUTE_BUCKETS; i++)
		while (p->routes[i] != NULL)
			remove_at(p, &p->routes[i]);
}
