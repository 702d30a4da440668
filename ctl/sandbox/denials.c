/*
 * denials.c - what egressd tells of denied packets, kept for each sandbox.
 *
 * Which rule it was is judged when somebody asks, or before the policy of that
 * generation is forgotten, so that no answer names a rule of another one.
 */
#include "ctl/sandbox/denials.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "ctl/sandbox/judge.h"
#include "ctl/sandbox/sandbox_int.h"
#include "io/log.h"
#include "netpolicy/explain.h"

enum { CAP_FIRST = 8 };

/* --- the list --------------------------------------------------------------
 */

static bool
same_flow(const struct denial *a, const struct denial *b)
{
	return a->gen == b->gen && a->proto == b->proto && a->port == b->port &&
	       a->from_port == b->from_port && a->inbound == b->inbound &&
	       a->family == b->family &&
	       memcmp(a->to, b->to, sizeof(a->to)) == 0;
}

static struct sb_denial *
find(struct sb_denials *l, const struct denial *d)
{
	for (uint32_t i = l->n; i > 0; i--)
		if (same_flow(&l->v[i - 1].d, d))
			return &l->v[i - 1];
	return NULL;
}

/* That which has been silent for longest makes room. */
static struct sb_denial *
oldest(struct sb_denials *l)
{
	struct sb_denial *x = &l->v[0];

	for (uint32_t i = 1; i < l->n; i++)
		if (l->v[i].last_us < x->last_us)
			x = &l->v[i];
	l->dropped += x->count;
	free(x->text);
	return x;
}

static struct sb_denial *
room(struct sb_denials *l)
{
	uint32_t cap;
	void *p;

	if (l->n == DENIALS_MAX)
		return oldest(l);
	if (l->n < l->cap)
		return &l->v[l->n++];
	cap = l->cap == 0 ? CAP_FIRST : l->cap * 2;
	p = realloc(l->v, cap * sizeof(l->v[0]));
	if (p == NULL)
		return l->n > 0 ? oldest(l) : NULL;
	l->v = p;
	l->cap = cap;
	return &l->v[l->n++];
}

static void
add(struct sb_denials *l, const struct denial *d)
{
	struct sb_denial *x = find(l, d);

	if (x == NULL) {
		x = room(l);
		if (x == NULL)
			return;
		*x = (struct sb_denial){ .d = *d };
	}
	x->count++;
	if (d->at_us > x->last_us)
		x->last_us = d->at_us;
}

void
denials_fini(struct sandbox *sb)
{
	struct sb_denials *l = &sb->denials;

	for (uint32_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
	sb_net_fini(&l->was);
	*l = (struct sb_denials){ .v = NULL };
}

/* --- whose rule it was -----------------------------------------------------
 */

static void
name_rule(
    struct sb_denial *x, const struct sb_judge *j, const struct np_site *site)
{
	const struct sb_flow f = { x->d.to, x->d.family, x->d.proto,
		x->d.port };
	const struct np_rule *r = judge(j, &f);
	char to[NP_TO_TEXT];

	x->judged = true;
	if (r == NULL || r->verdict != NP_DROP)
		return;
	x->src = r->origin.src;
	(void)np_origin_text(r->origin, site, x->origin);
	x->text = strdup(np_to_text(r, to));
}

/* All that were denied under generations first to last of this policy. */
static void
judge_range(
    struct sandbox *sb, const struct sb_net *net, uint32_t first, uint32_t last)
{
	struct sb_denials *l = &sb->denials;
	struct engine *en = sb->en;
	struct sb_judge j;
	bool ready = false;
	struct err e;

	for (uint32_t i = 0; i < l->n; i++) {
		struct sb_denial *x = &l->v[i];

		if (x->judged || x->d.gen < first || x->d.gen > last)
			continue;
		if (!ready && judge_init(&j, en, net, &e) < 0) {
			log_warn(
			    "denials.judge sbx=%s err=\"%s\"", sb->r.id, e.msg);
			return;
		}
		ready = true;
		name_rule(x, &j, &en->site);
	}
	if (ready)
		judge_fini(&j);
}

/* The policies of these generations are known to nobody any more. */
static void
give_up(struct sb_denials *l, uint32_t below)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i].d.gen < below)
			l->v[i].judged = true;
}

static void
judge_was(struct sandbox *sb)
{
	struct sb_denials *l = &sb->denials;

	if (l->was_until != 0)
		judge_range(sb, &l->was, l->was_since, l->was_until);
}

static void
forget_was(struct sandbox *sb)
{
	struct sb_denials *l = &sb->denials;

	judge_was(sb);
	sb_net_fini(&l->was);
	l->was = (struct sb_net){ .json = NULL };
	l->was_since = l->was_until = 0;
	l->was_aged = false;
}

static void
judge_now(struct sandbox *sb)
{
	judge_range(sb, &sb->r.net, sb->denials.since, sb->r.gen);
}

void
denials_policy(struct sandbox *sb, struct sb_net *old, uint32_t gen)
{
	struct sb_denials *l = &sb->denials;

	forget_was(sb);
	give_up(l, l->since);
	if (l->since <= sb->r.gen) {
		l->was = *old;
		l->was_since = l->since;
		l->was_until = sb->r.gen;
		*old = (struct sb_net){ .json = NULL };
	}
	/* Without processes there are no rules: 0, until it is resumed. */
	l->since = gen != 0 ? gen : sb->r.gen + 1;
}

void
denials_unsure(struct sandbox *sb)
{
	judge_now(sb);
	forget_was(sb);
	give_up(&sb->denials, sb->r.gen + 1);
	sb->denials.since = UINT32_MAX;
}

void
denials_again(struct sandbox *sb, uint32_t gen)
{
	if (sb->denials.since == UINT32_MAX)
		sb->denials.since = gen;
}

void
denials_tick(struct sandbox *sb)
{
	struct sb_denials *l = &sb->denials;

	if (l->was_until == 0)
		return;
	if (l->was_aged)
		forget_was(sb);
	else
		l->was_aged = true;
}

static int
by_time(const void *a, const void *b)
{
	const struct sb_denial *x = a, *y = b;

	return x->last_us < y->last_us ? -1 : x->last_us > y->last_us;
}

const struct sb_denials *
sandbox_denials(struct sandbox *sb)
{
	struct sb_denials *l = &sb->denials;

	judge_was(sb);
	judge_now(sb);
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(l->v[0]), by_time);
	return l;
}

/* --- the channel -----------------------------------------------------------
 */

/* pf says no generation: then it is that which holds. */
static uint32_t
gen_of(const struct sandbox *sb, const struct denial *d)
{
	if (d->gen != 0)
		return d->gen;
	return (int64_t)(d->at_us / 1000) < sb->r.started_ms ? 0 : sb->r.gen;
}

static void
take_one(struct engine *en, struct denial *d)
{
	uint32_t index;
	struct sandbox *sb;

	if (d->slot == 0 || d->slot > en->cf.max_sandboxes ||
	    (d->family != 4 && d->family != 6))
		return;
	index = en->by_slot[d->slot];
	sb = index == 0 ? NULL : en->v[index];
	if (sb == NULL)
		return;
	d->gen = gen_of(sb, d);
	/* It was its predecessor's. */
	if (d->gen < sb->denials.tenant)
		return;
	add(&sb->denials, d);
}

static void
on_msg(
    struct seqpkt *c, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct engine *en = container_of(c, struct engine, denials);
	const char *at = (const char *)msg + sizeof(struct denial_hdr);
	struct denial_hdr h = { 0 };
	struct denial d;

	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
	if (len >= sizeof(h))
		memcpy(&h, msg, sizeof(h));
	if (h.type != DENIAL_BATCH || h.n > DENIAL_BATCH_MAX ||
	    len != sizeof(h) + h.n * sizeof(d)) {
		log_error("denials.misfit type=%u bytes=%zu", h.type, len);
		return;
	}
	if (h.dropped > 0)
		log_warn("denials.dropped packets=%u", h.dropped);
	for (; h.n > 0; h.n--, at += sizeof(d)) {
		memcpy(&d, at, sizeof(d));
		take_one(en, &d);
	}
}

/* egressd is gone; the monitor hands us an end to the next one. */
static void
on_close(struct seqpkt *c)
{
	(void)c;
	log_info("denials.closed");
}

static void
send_source(struct engine *en)
{
	const struct denial_hdr h = { .type = DENIAL_SOURCE };
	struct err e;
	int fd;

	if (en->log_fd < 0 || en->denials.io.fd < 0)
		return;
	/* One stays with us, for the next egressd. */
	fd = fcntl(en->log_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		(void)err_sys(&e, "dup");
	if (fd < 0 || seqpkt_post(&en->denials, &h, sizeof(h), &fd, 1, &e) < 0)
		log_error("denials.source err=\"%s\"", e.msg);
}

void
denials_source(struct engine *en, int fd)
{
	drop_fd(&en->log_fd);
	en->log_fd = fd;
	send_source(en);
}

void
engine_denials(struct engine *en, int fd)
{
	if (en->denials.io.fd >= 0)
		seqpkt_close(&en->denials);
	en->denials.on_msg = on_msg;
	en->denials.on_close = on_close;
	seqpkt_open(en->loop, &en->denials, fd);
	send_source(en);
}

void
denials_close(struct engine *en)
{
	if (en->denials.io.fd >= 0)
		seqpkt_close(&en->denials);
	drop_fd(&en->log_fd);
}
