#include "rules_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/capability.h>
#include <linux/netlink.h>

#include "base/own.h"
#include "../drop.h"
#include "../privd.h"
#include "io/log.h"
#include "link/addr.h"
#include "nft/read.h"

#define BATCH_MAX  ((size_t)64 * 1024 * 1024)
#define BATCH_FULL ((size_t)4 * 1024 * 1024)

/* --- sockets and slots -------------------------------------------------------
 */

int
rules_socket(int *fd, struct err *e)
{
	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return *fd < 0 ? err_sys(e, "nftables socket") : 0;
}

static void
slot_addresses(const struct conf *cf, uint32_t slot, struct nft_slot *out)
{
	struct link_addr a;

	link_addr(slot, &cf->net4, cf->ipv6 ? &cf->net6 : NULL, &a);
	out->slot = slot;
	out->sb4 = a.sb4;
	out->sb6 = a.sb6;
	memcpy(out->mac, a.sb_mac, sizeof(out->mac));
}

const struct nft_slot *
rules_slot(struct rules *r, uint32_t slot)
{
	struct nft_slot *s = &r->k->s;

	*s = (struct nft_slot){ .birth = r->slots[slot].birth,
		.ports = r->slots[slot].ports };
	slot_addresses(r->cf, slot, s);
	return s;
}

static void
host_conf(const struct conf *cf, struct nft_conf *c)
{
	struct link_addr a;

	/* Slot 0 is nobody's; its odd address is the resolver's. */
	link_addr(0, &cf->net4, cf->ipv6 ? &cf->net6 : NULL, &a);
	*c = (struct nft_conf){
		.group = LINK_GROUP,
		.resolver_port = (uint16_t)cf->resolver_port,
		.v6 = cf->ipv6,
		.resolver4 = a.sb4,
		.resolver6 = a.sb6,
		.max_flows = cf->max_flows,
		.max_pps = cf->max_packets_per_s,
		.max_egress_mbit = cf->max_egress_mbit,
		.max_ingress_mbit = cf->max_ingress_mbit,
		.cap_slots = cf->max_sandboxes,
	};
}

/* --- adopting and rebuilding
 * -------------------------------------------------- */

struct adoption {
	struct nft_found f;
	struct rules *r;
};

static void
on_slot(struct nft_found *f, uint32_t slot, uint32_t birth)
{
	struct rules *r = container_of(f, struct adoption, f)->r;

	if (slot == 0 || slot > r->nslots)
		return;
	r->slots[slot].made = true;
	r->slots[slot].birth = birth;
	/* Whoever closed it, or made it, raised BIRTH above all flows. */
	r->slots[slot].fresh = true;
	if (birth > 0 && birth - 1 > r->max_gen)
		r->max_gen = birth - 1;
}

static void
on_ports(struct nft_found *f, uint32_t slot)
{
	struct rules *r = container_of(f, struct adoption, f)->r;

	if (slot > 0 && slot <= r->nslots)
		r->slots[slot].ports = true;
}

static void
on_gen(struct nft_found *f, uint32_t slot, uint32_t gen)
{
	struct rules *r = container_of(f, struct adoption, f)->r;

	if (slot == 0 || slot > r->nslots)
		return;
	r->slots[slot].gen = gen;
	r->slots[slot].fresh = false;
	if (gen > r->max_gen)
		r->max_gen = gen;
}

static void
want_slot(struct nft_found *f, uint32_t slot, struct nft_slot *out)
{
	struct rules *r = container_of(f, struct adoption, f)->r;

	slot_addresses(r->cf, slot, out);
}

static int
adopt(struct rules *r, struct err *e)
{
	struct adoption a = {
		.f = { .on_slot = on_slot,
		    .on_ports = on_ports,
		    .on_gen = on_gen,
		    .want_slot = want_slot },
		.r = r,
	};
	struct rules_kernel *k = r->k;
	struct err why;
	int rc;

	if (nft_read_table(&k->nl, &k->table, e) < 0)
		return -1;
	if (k->table != 0) {
		rc = nft_read_all(&k->nl, &k->c, &a.f, &why);
		if (rc == 0)
			return 0;
		rules_lost(r, why.msg);
		memset(r->slots, 0, (r->nslots + 1) * sizeof(*r->slots));
	}
	r->rebuilt = true;
	/* Flows that an earlier table let through are nobody's now. */
	if (marks_highest(r->cf, &r->max_gen, &why) < 0)
		log_warn("rules.marks err=\"%s\"", why.msg);
	return rules_restore(r, e);
}

static int
send_if(struct rules_kernel *k, bool now, struct err *e)
{
	if (!now && !k->b.failed && k->b.len < BATCH_FULL)
		return 0;
	if (nft_send(&k->nl, &k->b, e) < 0)
		return -1;
	nft_batch_begin(&k->b);
	return 0;
}

static void
restore_reach(struct rules *r, uint32_t slot)
{
	static const struct np_ok none4 = { .family = NP_V4 };
	static const struct np_ok none6 = { .family = NP_V6 };
	const struct rules_slot *s = &r->slots[slot];
	const uint32_t *ids = s->ports ? s->ids : NULL;
	struct nft_batch *b = &r->k->b;

	for (size_t c = 0; ids != NULL && c < NP_NCLASSES; c++)
		if (ids[c] != 0)
			nft_put_ports(
			    b, slot, ids[c], &s->reach.ports[c], true);
	nft_put_ok(b, slot, &none4, &s->reach.ok4, ids, &r->site);
	if (r->k->c.v6)
		nft_put_ok(b, slot, &none6, &s->reach.ok6, ids, &r->site);
}

static int
restore_slots(struct rules *r, struct err *e)
{
	struct rules_kernel *k = r->k;
	uint32_t in_batch = 0;

	for (uint32_t i = 1; i <= r->nslots; i++) {
		struct rules_slot *s = &r->slots[i];

		if (!s->made)
			continue;
		nft_put_slot(&k->b, &k->c, rules_slot(r, i));
		s->odd = false; /* they are made empty */
		if (!s->known)
			s->gen = 0; /* its sets are lost: it stays closed */
		else		    /* a closed one may have been prepared */
			restore_reach(r, i);
		if (send_if(k, ++in_batch % 64 == 0, e) < 0)
			return -1;
	}
	return send_if(k, true, e);
}

int
rules_restore(struct rules *r, struct err *e)
{
	struct rules_kernel *k = r->k;

	nft_batch_begin(&k->b);
	nft_put_no_table(&k->b);
	nft_put_base(&k->b, &k->c);
	if (nft_send(&k->nl, &k->b, e) < 0)
		return err_wrap(e, "table");
	nft_batch_begin(&k->b);
	if (restore_slots(r, e) < 0)
		return err_wrap(e, "slots");
	for (uint32_t i = 1; i <= r->nslots; i++)
		if (r->slots[i].made && r->slots[i].gen != 0)
			nft_put_gen(&k->b, i, 0, r->slots[i].gen);
	if (nft_send(&k->nl, &k->b, e) < 0)
		return err_wrap(e, "generations");
	r->nrebuilt++;
	return nft_read_table(&k->nl, &k->table, e);
}

/* --- opening
 * ------------------------------------------------------------------ */

/* A helper that somebody switched on opens holes for connections it expects. */
static void
look_at_helpers(void)
{
	autoclose int fd = open(
	    "/proc/sys/net/netfilter/nf_conntrack_helper", O_RDWR | O_CLOEXEC);
	char was = '0';

	if (fd < 0 || read(fd, &was, 1) != 1 || was == '0')
		return;
	if (write(fd, "0", 1) == 1)
		log_warn("rules.helpers were=on now=off");
	else
		log_error("rules.helpers are=on err=\"%s\"", strerror(errno));
}

/* Without it a lost table costs the busy flows, and nothing else. */
static void
drop_anchor(struct rules *r)
{
	struct rules_kernel *k = r->k;
	struct err e;

	nft_batch_begin(&k->b);
	nft_put_anchor(&k->b, &r->cf->net4, r->cf->ipv6 ? &r->cf->net6 : NULL);
	if (nft_send(&k->nl, &k->b, &e) < 0)
		log_warn("rules.anchor err=\"%s\"", e.msg);
}

int
rules_kernel_open(struct rules *r, struct err *e)
{
	static const unsigned keep[] = { CAP_NET_ADMIN };
	struct rules_kernel *k = calloc(1, sizeof(*k));
	int fd;

	if (k == NULL)
		return err_sys(e, "rules");
	r->k = k;
	k->r = r;
	k->nl.fd = k->events.fd = -1;
	rules_lost_init(r);
	nft_batch_init(&k->b, BATCH_MAX);
	host_conf(r->cf, &k->c);
	look_at_helpers();
	if (priv_drop(keep, countof(keep), e) < 0 || rules_socket(&fd, e) < 0 ||
	    nft_sock_init(&k->nl, fd, e) < 0 ||
	    iprule_old_remove(r->cf, e) < 0 || adopt(r, e) < 0) {
		rules_kernel_close(r);
		return -1;
	}
	drop_anchor(r);
	return 0;
}

void
rules_kernel_close(struct rules *r)
{
	struct rules_kernel *k = r->k;

	if (k == NULL)
		return;
	guard_stop(k);
	nft_sock_fini(&k->nl);
	nft_batch_fini(&k->b);
	free(k);
	r->k = NULL;
}

int
rules_kernel_watch(struct rules *r, struct loop *l, struct err *e)
{
	return guard_start(r, l, e);
}

int
rules_remove(const struct conf *cf, struct err *e)
{
	struct nft_batch b;
	struct nft_sock nl;
	int fd, rc;

	if (rules_socket(&fd, e) < 0 || nft_sock_init(&nl, fd, e) < 0)
		return -1;
	nft_batch_init(&b, BATCH_MAX);
	nft_batch_begin(&b);
	nft_put_no_table(&b);
	rc = nft_send(&nl, &b, e);
	nft_batch_fini(&b);
	nft_sock_fini(&nl);
	return rc < 0 ? -1 : iprule_old_remove(cf, e);
}

/* --- slots
 * -------------------------------------------------------------------- */

uint32_t
rules_kernel_batch(const struct rules *r)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= r->nslots; i++)
		n += r->slots[i].made;
	/* 64 up to a thousand; each costs more the more there are. */
	if (n <= 1000)
		return 64;
	return n >= 5000 ? 8 : 64 - 56 * (n - 1000) / 4000;
}

int
rules_kernel_make(struct rules *r, uint32_t first, uint32_t n, struct err *e)
{
	struct rules_kernel *k = r->k;

	nft_batch_begin(&k->b);
	for (uint32_t i = first; i < first + n; i++) {
		struct rules_slot *s = &r->slots[i];

		if (s->made)
			continue;
		s->birth = r->max_gen + 1;
		nft_put_slot(&k->b, &k->c, rules_slot(r, i));
	}
	if (nft_send(&k->nl, &k->b, e) < 0)
		return -1;
	for (uint32_t i = first; i < first + n; i++) {
		struct rules_slot *s = &r->slots[i];

		if (s->made)
			continue;
		s->made = s->fresh = s->known = true;
		np_reach_init(&s->reach);
	}
	return 0;
}
