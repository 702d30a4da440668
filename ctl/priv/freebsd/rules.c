/*
 * rules.c - opening pf, adopting what an earlier run left in the anchors.
 *
 * pf keeps no generation with a flow: a state that is left has been judged
 * under what is live.  So an adopted slot's generation is just not 0, and
 * max_gen is what the store knows.
 */
#include "rules_bsd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../drop.h"
#include "../privd.h"
#include "base/own.h"
#include "io/log.h"
#include "link/addr.h"

enum { ADOPTED = 1 };

void
bsd_slot_addrs(const struct conf *cf, uint32_t slot, struct pf_slot *out)
{
	struct link_addr a;

	link_addr(slot, &cf->net4, cf->ipv6 ? &cf->net6 : NULL, &a);
	*out = (struct pf_slot){ .slot = slot, .sb4 = a.sb4, .sb6 = a.sb6 };
}

static void
host_conf(const struct conf *cf, struct pf_conf *c)
{
	struct link_addr a;

	pf_conf_default(c);
	/* Slot 0 is nobody's; its odd address is the resolver's. */
	link_addr(0, &cf->net4, cf->ipv6 ? &cf->net6 : NULL, &a);
	c->freebsd = getosreldate() >= 1500000 ? 15 : 14;
	c->v6 = cf->ipv6;
	c->resolver_port = (uint16_t)cf->resolver_port;
	c->net4 = cf->net4;
	c->net6 = cf->net6;
	c->resolver4 = a.sb4;
	c->resolver6 = a.sb6;
	/* pf has no word for "no limit" that our rules know. */
	c->max_flows = cf->max_flows == 0 ? UINT32_MAX : cf->max_flows;
}

/* --- adopting ------------------------------------------------------------- */

static bool
slot_of(const char *name, uint32_t nslots, uint32_t *slot)
{
	char again[PF_ANCHOR_NAME];
	unsigned n;

	if (sscanf(name, "sb%u", &n) != 1 || n == 0 || n > nslots)
		return false;
	pf_anchor_name(n, again);
	*slot = n;
	return strcmp(strchr(again, '/') + 1, name) == 0;
}

static int
remove_anchor(struct rules_kernel *k, const char *name, struct err *e)
{
	char path[PFM_PATH];

	(void)snprintf(path, sizeof(path), "coppice/%s", name);
	log_warn("rules.stray anchor=%s", path);
	return pf_load(&k->d, path, "", 0, k->c.freebsd, e);
}

/* What the anchor passes; false: no policy of ours reads like that. */
static int
read_slot(struct rules *r, uint32_t slot, struct np_reach *reach, bool *loaded,
    bool *whole, struct err *e)
{
	struct rules_kernel *k = r->k;
	char anchor[PF_ANCHOR_NAME];
	struct pf_found f;
	struct pf_slot s;
	int rc = 0;

	np_reach_init(reach);
	if (pf_read(&k->d, pf_anchor_name(slot, anchor), &f, e) < 0)
		return -1;
	*loaded = f.rs.filter.n + f.rs.rdr.n + f.rs.ntables > 0;
	*whole = true;
	bsd_slot_addrs(r->cf, slot, &s);
	if (*loaded)
		rc = pf_reach_of(&k->c, &s, &f, reach, whole, e);
	pf_found_fini(&f);
	return rc;
}

static int
adopt_slot(struct rules *r, uint32_t slot, struct err *e)
{
	struct rules_slot *s = &r->slots[slot];
	bool loaded = false, whole = false;
	struct np_reach reach;
	char why[64];

	if (read_slot(r, slot, &reach, &loaded, &whole, e) < 0)
		return -1;
	if (!whole) {
		np_reach_fini(&reach);
		(void)snprintf(why, sizeof(why),
		    "anchor coppice/sb%u is not as we make it", slot);
		rules_lost(r, why);
		r->rebuilt = true;
		return bsd_empty(r, slot, e);
	}
	np_reach_fini(&s->reach);
	s->reach = reach;
	r->k->slots[slot].loaded = loaded;
	s->gen = loaded ? ADOPTED : 0;
	s->fresh = !loaded;
	guard_mark(r->k, slot);
	return 0;
}

static int
on_anchor(void *arg, const char *name, struct err *e)
{
	struct rules *r = arg;
	uint32_t slot;

	if (!slot_of(name, r->nslots, &slot))
		return remove_anchor(r->k, name, e);
	return adopt_slot(r, slot, e);
}

/* A kernel that does not tell its rules: nothing is known, all is closed. */
static int
empty_all(struct rules *r, struct err *e)
{
	r->rebuilt = true;
	for (uint32_t i = 1; i <= r->nslots; i++) {
		struct pf_stamp s;
		char anchor[PF_ANCHOR_NAME];

		if (pf_stamp(&r->k->d, pf_anchor_name(i, anchor), &s, e) < 0)
			return -1;
		if (s.there && bsd_empty(r, i, e) < 0)
			return -1;
	}
	return 0;
}

static bool
is_live(void *arg, struct np_addr a)
{
	struct rules *r = arg;
	const struct np_prefix *net =
	    a.family == NP_V4 ? &r->cf->net4 : &r->cf->net6;
	np_u128 slot = (a.n - net->addr) / 2;

	return slot >= 1 && slot <= r->nslots && r->slots[slot].gen != 0;
}

/* Of slots that are closed: so whoever comes next finds none of another's. */
static int
kill_strays(struct rules *r, struct err *e)
{
	const struct np_prefix *nets[] = { &r->cf->net4, &r->cf->net6 };
	uint32_t killed = 0;

	for (size_t i = 0; i < (r->cf->ipv6 ? 2 : 1); i++)
		if (pf_kill_strays(&r->k->d, nets[i], is_live, r, &killed, e) <
		    0)
			return -1;
	if (killed > 0)
		log_info("rules.strays states=%u", killed);
	return 0;
}

static int
adopt(struct rules *r, struct err *e)
{
	int rc;

	/* pf makes anchors as they are loaded: nothing is made ahead. */
	for (uint32_t i = 1; i <= r->nslots; i++) {
		r->slots[i].made = r->slots[i].known = r->slots[i].fresh = true;
		np_reach_init(&r->slots[i].reach);
	}
	rc = r->k->d.direct ? pf_children(&r->k->d, "coppice", on_anchor, r, e)
			    : empty_all(r, e);
	return rc < 0 ? -1 : kill_strays(r, e);
}

/* --- opening -------------------------------------------------------------- */

static int
look_at_pf(struct rules *r, struct err *e)
{
	struct rules_kernel *k = r->k;
	uint32_t anchors;
	bool running;

	if (pf_dev_open(&k->d, e) < 0 || pf_dev_running(&k->d, &running, e) < 0)
		return -1;
	if (!running)
		return err_set(e, ERR_CONFLICT,
		    "pf is not enabled: pfctl -e, and pf_enable=YES in "
		    "/etc/rc.conf");
	if (!k->d.direct)
		log_warn("rules.pfctl: this kernel takes no rules by netlink, "
			 "pfctl(8) loads them");
	if (bsd_root_check(k, e) != 0)
		return -1;
	if (pf_dev_limit(&k->d, PFN_LIMIT_ANCHORS, &anchors, e) < 0)
		return -1;
	/* One more for `coppice` itself; others have some, too. */
	if (anchors != 0 && anchors <= r->nslots)
		log_warn("rules.limit anchors=%u slots=%u: `set limit anchors` "
			 "in pf.conf is too low for all of them",
		    anchors, r->nslots);
	return 0;
}

int
rules_kernel_open(struct rules *r, struct err *e)
{
	struct rules_kernel *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return err_sys(e, "rules");
	r->k = k;
	k->r = r;
	k->d.fd = k->d.nl.fd = k->socket = -1;
	k->slots = calloc(r->nslots + 1, sizeof(*k->slots));
	rules_lost_init(r);
	host_conf(r->cf, &k->c);
	k->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (k->slots == NULL || k->socket < 0)
		err_sys(e, "rules");
	else if (look_at_pf(r, e) == 0 && priv_drop(NULL, 0, e) == 0 &&
		 pf_dev_confine(&k->d, e) == 0 && adopt(r, e) == 0)
		return 0;
	rules_kernel_close(r);
	return -1;
}

void
rules_kernel_close(struct rules *r)
{
	struct rules_kernel *k = r->k;

	if (k == NULL)
		return;
	guard_stop(k);
	pf_dev_close(&k->d);
	drop_fd(&k->socket);
	free(k->slots);
	free(k);
	r->k = NULL;
}

int
rules_kernel_watch(struct rules *r, struct loop *l, struct err *e)
{
	return guard_start(r, l, e);
}

/* --- removing ------------------------------------------------------------- */

struct removal {
	struct pf_dev *d;
	unsigned freebsd;
};

static int
on_remove(void *arg, const char *name, struct err *e)
{
	const struct removal *x = arg;
	char path[PFM_PATH];

	(void)snprintf(path, sizeof(path), "coppice/%s", name);
	return pf_load(x->d, path, "", 0, x->freebsd, e);
}

static bool
none_stays(void *arg, struct np_addr a)
{
	(void)arg;
	(void)a;
	return false;
}

static int
remove_all(struct pf_dev *d, const struct conf *cf, struct err *e)
{
	const struct np_prefix *nets[] = { &cf->net4, &cf->net6 };
	struct removal x = { d, getosreldate() >= 1500000 ? 15 : 14 };
	uint32_t killed = 0;

	if (pf_children(d, "coppice", on_remove, &x, e) < 0)
		return -1;
	for (size_t i = 0; i < (cf->ipv6 ? 2 : 1); i++)
		if (pf_kill_strays(d, nets[i], none_stays, NULL, &killed, e) <
		    0)
			return -1;
	return 0;
}

int
rules_remove(const struct conf *cf, struct err *e)
{
	struct pf_dev d;
	int rc;

	if (pf_dev_open(&d, e) < 0)
		return -1;
	rc = remove_all(&d, cf, e);
	pf_dev_close(&d);
	return rc;
}

/* --- slots ---------------------------------------------------------------- */

uint32_t
rules_kernel_batch(const struct rules *r)
{
	return r->nslots; /* there is nothing to make */
}

int
rules_kernel_make(struct rules *r, uint32_t first, uint32_t n, struct err *e)
{
	(void)e;
	for (uint32_t i = first; i < first + n; i++)
		r->slots[i].made = true;
	return 0;
}
