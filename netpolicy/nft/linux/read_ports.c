/* read_ports.c - a slot's lists of ports, out of the kernel's sets. */
#include "nft/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/own.h"
#include "attr.h"
#include "dump.h"
#include "ok.h"

/* 512 entries in two protocols, of two classes, before and after. */
enum { BOXES_MAX = 16 * 1024 };

struct found {
	uint32_t id;
	uint16_t lo, hi;
};

struct founds {
	struct found *v;
	size_t n, cap;
	bool whole; /* elements are ids alone */
};

static int
add_found(struct founds *f, struct found x, struct err *e)
{
	if (f->n == BOXES_MAX)
		return err_set(e, ERR_BUG, "more than %d elements", BOXES_MAX);
	if (f->n == f->cap) {
		size_t cap = f->cap == 0 ? 64 : f->cap * 2;
		void *p = realloc(f->v, cap * sizeof(*f->v));

		if (p == NULL)
			return err_sys(e, "ports");
		f->v = p;
		f->cap = cap;
	}
	f->v[f->n++] = x;
	return 0;
}

/* A class and a port, both in network order; false: neither. */
static bool
take_key(const struct nlattr *a, uint32_t *id, uint16_t *port)
{
	const uint8_t *bytes;

	if (a == NULL || mnl_attr_get_payload_len(a) != 8)
		return false;
	bytes = mnl_attr_get_payload(a);
	memcpy(id, bytes, sizeof(*id));
	memcpy(port, bytes + sizeof(*id), sizeof(*port));
	*id = ntohl(*id);
	*port = ntohs(*port);
	return true;
}

static int
take_elem(struct founds *f, const struct nlattr *elem, struct err *e)
{
	const struct nlattr *key = attr_find_in(
	    attr_find_in(elem, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *end = attr_find_in(
	    attr_find_in(elem, NFTA_SET_ELEM_KEY_END), NFTA_DATA_VALUE);
	struct found x = { .hi = UINT16_MAX };
	uint32_t id;

	if (f->whole) {
		if (key == NULL || mnl_attr_get_payload_len(key) != 4)
			return err_set(e, ERR_BUG, "a strange class");
		x.id = mnl_attr_get_u32(key);
		return add_found(f, x, e);
	}
	if (!take_key(key, &x.id, &x.lo))
		return err_set(e, ERR_BUG, "a strange port");
	x.hi = x.lo;
	if (end != NULL && (!take_key(end, &id, &x.hi) || id != x.id))
		return err_set(e, ERR_BUG, "a strange range of ports");
	return add_found(f, x, e);
}

static int
on_elems(void *arg, const struct nlmsghdr *h, struct err *e)
{
	const struct nlattr *a, *x;

	attr_for_each (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each_in (x, a) {
			if (take_elem(arg, x, e) < 0)
				return -1;
		}
	}
	return 0;
}

static void
forget(void *arg)
{
	((struct founds *)arg)->n = 0;
}

static int
by_port(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static int
read_list(struct nft_sock *s, uint32_t slot, const char *what, struct founds *f,
    struct err *e)
{
	char buf[NFT_ASK_ROOM], name[32];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	(void)snprintf(name, sizeof(name), "sb%u_%s", slot, what);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name);
	if (nft_read(s, h, on_elems, forget, f, e) < 0)
		return err_wrap(e, "%s", name);
	if (f->n > 0)
		qsort(f->v, f->n, sizeof(*f->v), by_port);
	return 0;
}

struct lists {
	struct founds tcp, udp, rest;
};

static int
put_boxes(struct np_ports *to, const struct founds *f, uint32_t id,
    struct np_port_box box, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].id != id)
			continue;
		box.lo = f->v[i].lo;
		box.hi = f->v[i].hi;
		if (np_ports_add(to, box, e) < 0)
			return -1;
	}
	return 0;
}

/* Of one id, in the order of protocols. */
static int
collect(struct np_ports *to, const struct lists *l, uint32_t id, struct err *e)
{
	const struct {
		const struct founds *from;
		uint8_t lo, hi;
	} parts[] = {
		{ &l->rest, 0, IPPROTO_TCP - 1 },
		{ &l->tcp, IPPROTO_TCP, IPPROTO_TCP },
		{ &l->rest, IPPROTO_TCP + 1, IPPROTO_UDP - 1 },
		{ &l->udp, IPPROTO_UDP, IPPROTO_UDP },
		{ &l->rest, IPPROTO_UDP + 1, UINT8_MAX },
	};

	for (size_t i = 0; i < countof(parts); i++)
		if (put_boxes(to, parts[i].from, id,
			(struct np_port_box){
			    .proto_lo = parts[i].lo, .proto_hi = parts[i].hi },
			e) < 0)
			return -1;
	return 0;
}

static bool
strangers(const struct founds *f, const uint32_t ids[NP_NCLASSES])
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].id != ids[NP_BUT] && f->v[i].id != ids[NP_ONLY])
			return true;
	return false;
}

static int
one_class(const struct lists *l, uint32_t id, bool *odd, struct np_ports *out,
    struct err *e)
{
	struct np_ports raw = { 0 }, denied = { 0 };
	int rc = collect(&raw, l, id, e);

	/* Twice without: the pieces that the compiler makes of it. */
	if (rc == 0 && np_ports_has(&raw, NFT_PROTO_REST, 0)) {
		rc = np_ports_minus(&np_ports_all, &raw, &denied, e);
		if (rc == 0)
			rc = np_ports_minus(&np_ports_all, &denied, out, e);
	} else if (rc == 0) {
		*out = raw;
		raw = (struct np_ports){ 0 };
	}
	*odd = *odd || out->n == 0;
	np_ports_fini(&raw);
	np_ports_fini(&denied);
	return rc;
}

int
nft_read_ports(struct nft_sock *s, uint32_t slot,
    const uint32_t ids[NP_NCLASSES], bool *odd,
    struct np_ports out[NP_NCLASSES], struct err *e)
{
	struct lists l = { .rest = { .whole = true } };
	int rc = read_list(s, slot, "tcp", &l.tcp, e);

	if (rc == 0)
		rc = read_list(s, slot, "udp", &l.udp, e);
	if (rc == 0)
		rc = read_list(s, slot, "rest", &l.rest, e);
	*odd = *odd || strangers(&l.tcp, ids) || strangers(&l.udp, ids) ||
	       strangers(&l.rest, ids);
	for (size_t c = NP_BUT; c < NP_NCLASSES && rc == 0; c++)
		if (ids[c] != 0)
			rc = one_class(&l, ids[c], odd, &out[c], e);
	free(l.tcp.v);
	free(l.udp.v);
	free(l.rest.v);
	return rc;
}
