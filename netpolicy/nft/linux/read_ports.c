/* read_ports.c - a slot's lists of ports, out of the kernel's sets. */
#include "nft/read.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "attr.h"
#include "dump.h"
#include "nft/lists.h"

struct reading {
	struct nft_port_elems *to;
	bool whole; /* elements are ids alone */
};

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
take_elem(const struct reading *f, const struct nlattr *elem, struct err *e)
{
	const struct nlattr *key = attr_find_in(
	    attr_find_in(elem, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	const struct nlattr *end = attr_find_in(
	    attr_find_in(elem, NFTA_SET_ELEM_KEY_END), NFTA_DATA_VALUE);
	struct nft_port_elem x = { .hi = UINT16_MAX };
	uint32_t id;

	if (f->whole) {
		if (key == NULL || mnl_attr_get_payload_len(key) != 4)
			return err_set(e, ERR_BUG, "a strange class");
		x.id = mnl_attr_get_u32(key);
		return nft_port_elems_add(f->to, x, e);
	}
	if (!take_key(key, &x.id, &x.lo))
		return err_set(e, ERR_BUG, "a strange port");
	x.hi = x.lo;
	if (end != NULL && (!take_key(end, &id, &x.hi) || id != x.id))
		return err_set(e, ERR_BUG, "a strange range of ports");
	return nft_port_elems_add(f->to, x, e);
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
	((struct reading *)arg)->to->n = 0;
}

static int
read_list(struct nft_sock *s, uint32_t slot, const char *what, struct reading f,
    struct err *e)
{
	char buf[NFT_ASK_ROOM], name[32];
	struct nlmsghdr *h = nft_ask(s, buf, NFT_MSG_GETSETELEM, NLM_F_DUMP);

	(void)snprintf(name, sizeof(name), "sb%u_%s", slot, what);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name);
	if (nft_read(s, h, on_elems, forget, &f, e) < 0)
		return err_wrap(e, "%s", name);
	return 0;
}

int
nft_read_ports(struct nft_sock *s, uint32_t slot,
    const uint32_t ids[NP_NCLASSES], bool *odd,
    struct np_ports out[NP_NCLASSES], struct err *e)
{
	struct nft_lists l = { 0 };
	int rc = -1;

	if (read_list(s, slot, "tcp", (struct reading){ &l.tcp, false }, e) ==
		0 &&
	    read_list(s, slot, "udp", (struct reading){ &l.udp, false }, e) ==
		0 &&
	    read_list(s, slot, "rest", (struct reading){ &l.rest, true }, e) ==
		0)
		rc = nft_lists_make(&l, ids, odd, out, e);
	nft_lists_fini(&l);
	return rc;
}
