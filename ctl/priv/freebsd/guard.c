/*
 * guard.c - notices when somebody else flushes or edits our rules.
 *
 * pf tells nobody of a change, so we look, several times a second and for a
 * few milliseconds at most: at every anchor's tickets, which any load changes,
 * and how many addresses its tables hold; and at a few anchors word by word.
 * What is not as it was is loaded again.
 *
 * The operator's own rule set is his.  Where it does not call ours any more,
 * nothing would hold sandboxes back: their links go down until it does.
 */
#include "rules_bsd.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <net/if.h>

#include "base/own.h"
#include "io/log.h"

enum {
	LOOK_MS = 250,
	QUICK_US = 10000,
	DEEP_US = 4000,
	TEXT_MAX = 64 * 1024 * 1024,
};

void
guard_count(struct rules_kernel *k, uint32_t slot, size_t was, size_t is)
{
	struct pf_stamp *s = &k->slots[slot].stamp;

	s->naddrs = s->naddrs - (uint32_t)was + (uint32_t)is;
}

void
guard_mark(struct rules_kernel *k, uint32_t slot)
{
	char anchor[PF_ANCHOR_NAME];
	struct err e;

	if (!k->d.direct)
		return;
	if (pf_stamp(&k->d, pf_anchor_name(slot, anchor), &k->slots[slot].stamp,
		&e) < 0)
		log_warn("rules.look slot=%u err=\"%s\"", slot, e.msg);
}

/* --- links ---------------------------------------------------------------- */

static bool
set_up(int fd, uint32_t slot, bool up)
{
	struct ifreq ifr;
	short flags;

	memset(&ifr, 0, sizeof(ifr));
	pf_if_name(slot, ifr.ifr_name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return false; /* there is none */
	flags = ifr.ifr_flags;
	ifr.ifr_flags = (short)(up ? flags | IFF_UP : flags & ~IFF_UP);
	if (ifr.ifr_flags == flags)
		return false;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0) {
		log_error("rules.link slot=%u up=%d", slot, up);
		return false;
	}
	return true;
}

/* Again at each look: links are made meanwhile. */
static void
take_down(struct rules_kernel *k)
{
	for (uint32_t i = 1; i <= k->r->nslots; i++)
		if (set_up(k->socket, i, false))
			k->slots[i].down = true;
}

static void
take_up(struct rules_kernel *k)
{
	for (uint32_t i = 1; i <= k->r->nslots; i++) {
		if (k->slots[i].down)
			(void)set_up(k->socket, i, true);
		k->slots[i].down = false;
	}
}

/* --- the root ------------------------------------------------------------- */

static bool
same_stamp(const struct pf_stamp *a, const struct pf_stamp *b)
{
	return a->there == b->there && a->filter == b->filter &&
	       a->rdr == b->rdr && a->nfilter == b->nfilter &&
	       a->nrdr == b->nrdr && a->ntables == b->ntables &&
	       a->naddrs == b->naddrs;
}

static void
root_is_back(struct rules_kernel *k)
{
	take_up(k);
	k->open = false;
	log_warn("rules.root is back: links are up");
	k->r->on_lost(k->r);
}

static void
root_is_lost(struct rules_kernel *k, const char *why)
{
	take_down(k);
	if (k->open)
		return;
	k->open = true;
	rules_lost(k->r, why);
	log_error("rules.root links of sandboxes are down until it is mended");
}

/* pf is enabled, and calls us. */
static void
look_at_root(struct rules_kernel *k)
{
	struct pf_stamp now;
	bool running;
	struct err e;
	int rc;

	if (pf_dev_running(&k->d, &running, &e) < 0 ||
	    pf_stamp(&k->d, "", &now, &e) < 0) {
		log_error("rules.look err=\"%s\"", e.msg);
		return;
	}
	if (!running) {
		rules_lost(k->r, "pf was disabled");
		if (pf_dev_start(&k->d, &e) < 0)
			root_is_lost(k, e.msg);
		else
			k->r->on_lost(k->r);
	}
	if (!k->open && same_stamp(&now, &k->root))
		return;
	rc = bsd_root_check(k, &e);
	if (rc < 0) {
		log_error("rules.look err=\"%s\"", e.msg);
		return;
	}
	k->root = now;
	if (rc > 0)
		root_is_lost(k, e.msg);
	else if (k->open)
		root_is_back(k);
}

/* --- anchors -------------------------------------------------------------- */

struct look {
	struct pf_differences d;
	char first[200];
};

static void
keep_first(struct pf_differences *d, const char *sentence)
{
	struct look *l = container_of(d, struct look, d);

	(void)snprintf(l->first, sizeof(l->first), "%s", sentence);
}

static int
expected(struct rules *r, uint32_t slot, struct buf *text, struct err *e)
{
	struct pf_slot s;

	bsd_slot_addrs(r->cf, slot, &s);
	s.reach = r->k->slots[slot].loaded ? &r->slots[slot].reach : NULL;
	return pf_emit_anchor(text, &r->k->c, &s, &r->site, e);
}

/* Word by word; how many differences, or -1. */
static int
compare(struct rules_kernel *k, uint32_t slot, struct look *l, struct err *e)
{
	char anchor[PF_ANCHOR_NAME];
	struct buf text;
	int rc;

	*l = (struct look){ .d = { .say = keep_first, .max = 1 } };
	buf_init(&text, TEXT_MAX);
	rc = expected(k->r, slot, &text, e);
	if (rc == 0)
		rc = pf_verify(&k->d, pf_anchor_name(slot, anchor), text.data,
		    text.len, k->c.freebsd, &l->d, e);
	buf_fini(&text);
	return rc;
}

static void
mend(struct rules_kernel *k, uint32_t slot, const char *why)
{
	struct rules *r = k->r;
	struct err e;

	rules_lost(r, why);
	if (bsd_enforce(r, slot, &e) < 0) {
		log_error("rules.rebuild slot=%u err=\"%s\"", slot, e.msg);
		return; /* it is found again, and tried again */
	}
	r->nrebuilt++;
	log_warn("rules.rebuilt slot=%u times=%llu", slot,
	    (unsigned long long)r->nrebuilt);
	r->on_lost(r);
}

static void
look_closely(struct rules_kernel *k, uint32_t slot)
{
	struct look l;
	struct err e;
	int rc = compare(k, slot, &l, &e);

	if (rc < 0)
		log_error("rules.look slot=%u err=\"%s\"", slot, e.msg);
	else if (rc > 0)
		mend(k, slot, l.first);
	else
		guard_mark(k, slot); /* loaded again, as it was */
}

static void
look_quickly(struct rules_kernel *k, uint32_t slot)
{
	struct bsd_slot *b = &k->slots[slot];
	char anchor[PF_ANCHOR_NAME];
	struct pf_stamp now;
	struct err e;

	if (pf_stamp(&k->d, pf_anchor_name(slot, anchor), &now, &e) < 0) {
		log_error("rules.look slot=%u err=\"%s\"", slot, e.msg);
		return;
	}
	if (!same_stamp(&now, &b->stamp))
		look_closely(k, slot);
}

static bool
worth_a_look(const struct rules_kernel *k, uint32_t slot)
{
	/* A closed slot's anchor can be filled by others, too. */
	return k->slots[slot].loaded || k->slots[slot].stamp.there;
}

/* From where the last look ended, until the time is over or all were seen. */
static void
look_round(struct rules_kernel *k, uint32_t *next, uint64_t budget_us,
    void (*look)(struct rules_kernel *k, uint32_t slot))
{
	struct mono t0 = mono_now();

	for (uint32_t i = 0; i < k->r->nslots; i++) {
		*next = *next % k->r->nslots + 1;
		if (worth_a_look(k, *next))
			look(k, *next);
		if ((mono_now().ns - t0.ns) / 1000 >= budget_us)
			return;
	}
}

static int
on_child(void *arg, const char *name, struct err *e)
{
	struct rules_kernel *k = arg;
	unsigned slot;

	(void)e;
	/* Of a slot that has no rules of ours: whose are they? */
	if (sscanf(name, "sb%u", &slot) == 1 && slot >= 1 &&
	    slot <= k->r->nslots && !worth_a_look(k, slot))
		look_closely(k, slot);
	return 0;
}

/* Anchors that we have not put there; by their number, as a rule. */
static void
look_for_others(struct rules_kernel *k)
{
	uint32_t n, known = 0;
	struct err e;

	for (uint32_t i = 1; i <= k->r->nslots; i++)
		known += k->slots[i].stamp.there;
	if (pf_count_children(&k->d, "coppice", &n, &e) < 0 ||
	    (n != known && pf_children(&k->d, "coppice", on_child, k, &e) < 0))
		log_error("rules.look err=\"%s\"", e.msg);
}

static void
on_look(struct loop_timer *w)
{
	struct rules_kernel *k = container_of(w, struct rules_kernel, look);

	look_at_root(k);
	if (k->d.direct) {
		look_round(k, &k->quick, QUICK_US, look_quickly);
		look_round(k, &k->deep, DEEP_US, look_closely);
		look_for_others(k);
	}
	loop_timer_start(w->loop, w, LOOK_MS);
}

int
guard_start(struct rules *r, struct loop *l, struct err *e)
{
	struct rules_kernel *k = r->k;

	if (pf_stamp(&k->d, "", &k->root, e) < 0)
		return -1;
	k->loop = l;
	k->look.on_time = on_look;
	loop_timer_start(l, &k->look, LOOK_MS);
	return 0;
}

void
guard_stop(struct rules_kernel *k)
{
	loop_timer_stop(&k->look);
}
