/*
 * guard.c - notices when somebody else flushes or edits our table.
 *
 * The kernel tells of every change, and whose socket it came from; ours are
 * filtered out before they are queued.  In case a message was lost, the
 * kernel's count of transactions is compared with what we know of, every few
 * seconds.  The telling costs a quarter of a large update, even if nobody keeps
 * it: we do not listen while we send one, and compare counts afterwards.
 */
#include "rules_linux.h"

#include <errno.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>

#include "base/own.h"
#include "io/log.h"
#include "nft/linux/attr.h"
#include "nft/read.h"

enum { LOOK_MS = 4000, REBUILD_MS = 1000 };

static bool
is_ours(const struct nlmsghdr *h)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    (h->nlmsg_type & 0xff) == NFT_MSG_NEWGEN ||
	    g->nfgen_family != NFPROTO_INET)
		return false;
	/* The table's name is attribute 1 in every kind of message. */
	attr_for_each (a, h, sizeof(*g)) {
		if (mnl_attr_get_type(a) == 1)
			return mnl_attr_get_payload_len(a) ==
				   sizeof(NFT_TABLE) &&
			       memcmp(mnl_attr_get_payload(a), NFT_TABLE,
				   sizeof(NFT_TABLE)) == 0;
	}
	return false;
}

/* Counts transactions of others; true if one touched our table. */
static bool
has_foreign_change(struct rules_kernel *k, const char *buf, size_t len)
{
	const struct nlmsghdr *h = (const void *)buf;
	const uint16_t newgen = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;
	int left = (int)len;
	bool found = false;

	for (; nlmsg_fits(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (h->nlmsg_pid == k->nl.portid)
			continue;
		if (h->nlmsg_type == newgen)
			k->others++;
		found = found || is_ours(h);
	}
	return found;
}

/* All that is there: one flush is many messages, and one rebuild. */
static bool
read_events(struct rules_kernel *k, bool *missed)
{
	static char buf[64 * 1024];
	bool foreign = false;

	for (;;) {
		ssize_t n = recv(k->events.fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0)
			foreign |= has_foreign_change(k, buf, (size_t)n);
		else if (n < 0 && errno == ENOBUFS)
			*missed = true;
		else if (!(n < 0 && errno == EINTR))
			return foreign;
	}
}

/*
 * The kernel may still be telling of what we have acted upon.  It is done with
 * that once it takes a transaction of ours, and then whatever was said about
 * the table is about one that is gone.
 */
static int
hear_out(struct rules_kernel *k, struct err *e)
{
	bool missed = false;

	nft_batch_begin(&k->b);
	nft_put_no_table(&k->b);
	if (nft_send(&k->nl, &k->b, e) < 0)
		return -1;
	(void)read_events(k, &missed);
	return 0;
}

static void
rebuild(struct rules_kernel *k)
{
	struct rules *r = k->r;
	struct mono t0 = mono_now();
	struct err e;

	k->last_rebuild = t0;
	if (hear_out(k, &e) < 0 || rules_restore(r, &e) < 0) {
		log_error("rules.rebuild err=\"%s\"", e.msg);
		loop_timer_start(k->events.loop, &k->rebuild, REBUILD_MS);
		return;
	}
	log_warn("rules.rebuilt times=%llu us=%llu",
	    (unsigned long long)r->nrebuilt,
	    (unsigned long long)(mono_now().ns - t0.ns) / 1000);
	r->on_lost(r);
}

static void
on_rebuild(struct loop_timer *w)
{
	rebuild(container_of(w, struct rules_kernel, rebuild));
}

/* At once, but not in a race with somebody who keeps flushing. */
static void
lost(struct rules_kernel *k, const char *why)
{
	uint64_t since = mono_ms(k->last_rebuild, mono_now());

	if (k->rebuild.active)
		return;
	rules_lost(k->r, why);
	if (since >= REBUILD_MS)
		rebuild(k);
	else
		loop_timer_start(
		    k->events.loop, &k->rebuild, REBUILD_MS - since);
}

static int compare_all(struct rules_kernel *k, struct err *e);

static void
look(struct rules_kernel *k, bool closely)
{
	uint32_t genid, known;
	uint64_t table;
	struct err e;
	int rc;

	if (k->rebuild.active)
		return;
	if (nft_read_genid(&k->nl, &genid, &e) < 0 ||
	    nft_read_table(&k->nl, &table, &e) < 0) {
		log_error("rules.look err=\"%s\"", e.msg);
		return;
	}
	known = k->genid + (uint32_t)(k->nl.ncommits - k->commits) + k->others;
	k->genid = genid;
	k->commits = k->nl.ncommits;
	k->others = 0;
	if (table != k->table) {
		lost(k, table == 0 ? "the table is gone" : "another table");
		return;
	}
	if (!closely && genid == known)
		return;
	rc = compare_all(k, &e);
	if (rc > 0)
		lost(k, e.msg);
	else if (rc < 0)
		log_error("rules.look err=\"%s\"", e.msg);
}

static void
on_events(struct loop_io *w, unsigned events)
{
	struct rules_kernel *k = container_of(w, struct rules_kernel, events);
	bool missed = false;

	(void)events;
	if (read_events(k, &missed))
		lost(k, "somebody else changed the table");
	else if (missed)
		look(k, true);
}

/* What is there, against what we know that we have sent. */
struct looking {
	struct nft_found f;
	struct rules *r;
	uint32_t nslots, ngens;
	uint32_t wrong; /* the first slot with another BIRTH or generation */
};

static void
found_slot(struct nft_found *f, uint32_t slot, uint32_t birth)
{
	struct looking *l = container_of(f, struct looking, f);

	l->nslots++;
	if (l->wrong == 0 && (slot > l->r->nslots || !l->r->slots[slot].made ||
				 l->r->slots[slot].birth != birth))
		l->wrong = slot;
}

static void
found_gen(struct nft_found *f, uint32_t slot, uint32_t gen)
{
	struct looking *l = container_of(f, struct looking, f);

	l->ngens++;
	if (l->wrong == 0 &&
	    (slot > l->r->nslots || l->r->slots[slot].gen != gen))
		l->wrong = slot;
}

static void
found_ports(struct nft_found *f, uint32_t slot)
{
	struct looking *l = container_of(f, struct looking, f);

	if (l->wrong == 0 && (slot > l->r->nslots || !l->r->slots[slot].ports))
		l->wrong = slot;
}

static void
want_slot(struct nft_found *f, uint32_t slot, struct nft_slot *out)
{
	struct rules *r = container_of(f, struct looking, f)->r;

	if (slot <= r->nslots)
		*out = *rules_slot(r, slot);
}

static bool
same_ranges(const struct np_ok *a, const struct np_ok *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (a->v[i].range.lo != b->v[i].range.lo ||
		    a->v[i].range.hi != b->v[i].range.hi ||
		    a->v[i].class != b->v[i].class)
			return false;
	return a->n == b->n;
}

static bool
same_lists(const struct rules_slot *s, const uint32_t ids[NP_NCLASSES],
    const struct np_reach *is)
{
	for (size_t c = NP_BUT; c < NP_NCLASSES; c++)
		if (ids[c] != s->ids[c] ||
		    (ids[c] != 0 &&
			!np_ports_same(&is->ports[c], &s->reach.ports[c])))
			return false;
	return true;
}

static int
compare_reach(struct rules_kernel *k, uint32_t slot, struct err *e)
{
	const struct rules_slot *s = &k->r->slots[slot];
	uint32_t ids[NP_NCLASSES];
	const char *what = NULL;
	struct np_reach is;
	bool odd;

	if (nft_read_reach(&k->nl, slot, k->c.v6, s->ports, &is, ids, &odd, e) <
	    0)
		return -1;
	if (!same_ranges(&is.ok4, &s->reach.ok4))
		what = "ok4";
	else if (!same_ranges(&is.ok6, &s->reach.ok6))
		what = "ok6";
	else if (odd != s->odd || !same_lists(s, ids, &is))
		what = "tcp, udp or rest";
	np_reach_fini(&is);
	if (what == NULL)
		return 0;
	err_set(
	    e, ERR_CONFLICT, "set sb%u_%s is not as we make it", slot, what);
	return 1;
}

static int
compare_slots(struct rules_kernel *k, const struct looking *l, struct err *e)
{
	uint32_t nslots = 0, ngens = 0;
	int rc = 0;

	for (uint32_t i = 1; i <= k->r->nslots && rc == 0; i++) {
		const struct rules_slot *s = &k->r->slots[i];

		nslots += s->made;
		ngens += s->made && s->gen != 0;
		/* What we have not read yet, we have not changed either. */
		if (!s->made || !s->known)
			continue;
		rc = compare_reach(k, i, e);
	}
	if (rc != 0)
		return rc;
	if (l->wrong != 0)
		err_set(e, ERR_CONFLICT,
		    "slot %u has another birth or generation", l->wrong);
	else if (nslots != l->nslots || ngens != l->ngens)
		err_set(e, ERR_CONFLICT, "%u slots of %u, %u generations of %u",
		    l->nslots, nslots, l->ngens, ngens);
	else
		return 0;
	return 1;
}

static int
compare_all(struct rules_kernel *k, struct err *e)
{
	struct looking l = {
		.f = { .on_slot = found_slot,
		    .on_ports = found_ports,
		    .on_gen = found_gen,
		    .want_slot = want_slot },
		.r = k->r,
	};
	int rc = nft_read_all(&k->nl, &k->c, &l.f, e);

	return rc == 0 ? compare_slots(k, &l, e) : rc;
}

static void
on_look(struct loop_timer *w)
{
	struct rules_kernel *k = container_of(w, struct rules_kernel, look);
	bool missed = false;

	if (read_events(k, &missed))
		lost(k, "somebody else changed the table");
	else
		look(k, missed);
	loop_timer_start(w->loop, w, LOOK_MS);
}

/* Drops messages about what our own socket did, before they take room. */
static int
ignore_own(int fd, uint32_t portid, struct err *e)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portid), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	struct sock_fprog p = { countof(code), code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) < 0)
		return err_sys(e, "nftables events: filter");
	return 0;
}

void
guard_repair(struct rules_kernel *k)
{
	uint64_t table;
	struct err e;

	if (k->events.events == 0 || nft_read_table(&k->nl, &table, &e) < 0 ||
	    table == k->table)
		return;
	loop_timer_stop(&k->rebuild);
	k->last_rebuild = (struct mono){ 0 };
	lost(k, table == 0 ? "the table is gone" : "another table");
}

static int
listening(struct rules_kernel *k, bool on, struct err *e)
{
	const int group = NFNLGRP_NFTABLES;

	if (setsockopt(k->events.fd, SOL_NETLINK,
		on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
		sizeof(group)) < 0)
		return err_sys(e, "nftables events");
	return 0;
}

void
guard_rest(struct rules_kernel *k, bool rest)
{
	struct err e;

	if (k->events.events == 0)
		return; /* not started */
	if (listening(k, !rest, &e) < 0)
		log_error("rules.guard err=\"%s\"", e.msg);
	/* What we did not hear: soon, but not before the answer is out. */
	if (!rest)
		loop_timer_start(k->events.loop, &k->look, 1);
}

int
guard_start(struct rules *r, struct loop *l, struct err *e)
{
	struct rules_kernel *k = r->k;
	struct sockaddr_nl me = { .nl_family = AF_NETLINK };
	int room = 4 * 1024 * 1024;

	if (rules_socket(&k->events.fd, e) < 0 ||
	    ignore_own(k->events.fd, k->nl.portid, e) < 0)
		return -1;
	if (bind(k->events.fd, (struct sockaddr *)&me, sizeof(me)) < 0 ||
	    setsockopt(k->events.fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
		sizeof(room)) < 0)
		return err_sys(e, "nftables events");
	if (listening(k, true, e) < 0)
		return -1;
	k->events.on_ready = on_events;
	loop_io_set(l, &k->events, LOOP_READ);
	k->look.on_time = on_look;
	k->rebuild.on_time = on_rebuild;
	loop_timer_start(l, &k->look, LOOK_MS);
	/* Whatever happened before we listened. */
	if (nft_read_genid(&k->nl, &k->genid, e) < 0)
		return -1;
	k->commits = k->nl.ncommits;
	return 0;
}

void
guard_stop(struct rules_kernel *k)
{
	loop_io_stop(&k->events);
	loop_timer_stop(&k->look);
	loop_timer_stop(&k->rebuild);
	drop_fd(&k->events.fd);
}
