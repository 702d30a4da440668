/* state.c - states: listed, and killed. */
#include <netinet/in.h>
#include <string.h>
#include <sys/endian.h>
#include <sys/socket.h>
#include <stdio.h>

#include "base/own.h"
#include "pf/freebsd/dev_int.h"

/* --- one state ------------------------------------------------------------ */

static struct np_addr
read_addr(const struct pf_attr *a)
{
	enum np_family f = a->len == 4 ? NP_V4 : NP_V6;

	if (a->len != 4 && a->len != 16)
		return (struct np_addr){ 0, NP_V4 };
	return np_addr_from_bytes(f, a->data);
}

static void
read_key(struct pf_attrs left, struct pf_key *out)
{
	struct pf_attr a;

	while (pf_attr_next(&left, &a)) {
		if (a.type == PFN_K_ADDR0)
			out->addr[0] = read_addr(&a);
		else if (a.type == PFN_K_ADDR1)
			out->addr[1] = read_addr(&a);
		else if (a.type == PFN_K_PORT0)
			out->port[0] = ntohs(pf_attr_u16(&a));
		else if (a.type == PFN_K_PORT1)
			out->port[1] = ntohs(pf_attr_u16(&a));
	}
}

static uint8_t
read_peer(struct pf_attrs left)
{
	struct pf_attr a;
	uint8_t state = 0;

	while (pf_attr_next(&left, &a))
		if (a.type == PFN_P_STATE)
			state = pf_attr_u8(&a);
	return state;
}

static void
read_part(const struct pf_attr *a, struct pf_state *s)
{
	switch (a->type) {
	case PFN_S_ID:
		s->id = pf_attr_u64(a);
		break;
	case PFN_S_CREATORID:
		s->creator = pf_attr_u32(a);
		break;
	case PFN_S_IFNAME:
		pf_attr_str(a, s->ifname, sizeof(s->ifname));
		break;
	case PFN_S_KEY_WIRE:
		read_key(pf_attr_nest(a), &s->wire);
		break;
	case PFN_S_KEY_STACK:
		read_key(pf_attr_nest(a), &s->stack);
		break;
	case PFN_S_PEER_SRC:
		s->src_state = read_peer(pf_attr_nest(a));
		break;
	case PFN_S_PEER_DST:
		s->dst_state = read_peer(pf_attr_nest(a));
		break;
	case PFN_S_EXPIRE:
		s->expire_s = pf_attr_u32(a);
		break;
	case PFN_S_PACKETS0:
	case PFN_S_PACKETS1:
		s->packets[a->type - PFN_S_PACKETS0] = pf_attr_u64(a);
		break;
	case PFN_S_BYTES0:
	case PFN_S_BYTES1:
		s->bytes[a->type - PFN_S_BYTES0] = pf_attr_u64(a);
		break;
	case PFN_S_PROTO:
		s->proto = pf_attr_u8(a);
		break;
	case PFN_S_DIRECTION:
		s->dir = pf_attr_u8(a) == PFM_IN ? PFM_IN : PFM_OUT;
		break;
	default:
		break;
	}
}

struct listing {
	pf_on_state *on;
	void *arg;
};

static int
on_state(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct listing *l = arg;
	struct pf_state s = { .id = 0 };
	struct pf_attr a;

	while (pf_attr_next(&attrs, &a))
		read_part(&a, &s);
	return l->on(l->arg, &s, e);
}

int
pf_states_of(struct pf_nl *nl, const struct np_prefix *p, pf_on_state *on,
    void *arg, struct err *e)
{
	struct listing l = { on, arg };
	struct pf_ask q;
	int rc;

	pf_ask_init(&q, nl);
	pf_ask_cmd(&q, PFN_GETSTATES);
	pf_ask_u8(&q, PFN_S_AF, p->family == NP_V4 ? AF_INET : AF_INET6);
	pf_put_bytes(&q, PFN_S_FILTER_ADDR, PFN_S_FILTER_MASK, p);
	rc = pf_ask_dump(&q, on_state, &l, e);
	pf_ask_fini(&q);
	return rc < 0 ? err_wrap(e, "states") : 0;
}

/* --- killing -------------------------------------------------------------- */

static int
on_killed(void *arg, struct pf_attrs attrs, struct err *e)
{
	struct pf_attr a;
	uint32_t *killed = arg;

	(void)e;
	while (pf_attr_next(&attrs, &a))
		if (a.type == PFN_CS_KILLED)
			*killed += pf_attr_u32(&a);
	return 0;
}

/* pfctl takes one at a time, as ID/CREATOR in hexadecimal. */
static int
kill_by_command(const struct pf_state_id *s, struct err *e)
{
	char id[48];
	const char *const argv[] = { "pfctl", "-q", "-k", "id", "-k", id,
		NULL };

	(void)snprintf(id, sizeof(id), "%016llx/%08x",
	    (unsigned long long)be64toh(s->id), be32toh(s->creator));
	return pf_ctl(argv, NULL, 0, e);
}

int
pf_kill_ids(struct pf_dev *d, const struct pf_state_id *v, size_t n,
    uint32_t *killed, struct err *e)
{
	struct pf_ask q;
	int rc = 0;

	if (!d->direct) {
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = kill_by_command(&v[i], e);
		*killed += rc == 0 ? (uint32_t)n : 0;
		return rc;
	}
	pf_ask_init(&q, &d->nl);
	for (size_t i = 0; i < n; i++) {
		pf_ask_cmd(&q, PFN_KILLSTATES);
		pf_ask_put(&q, PFN_CS_ID, &v[i].id, sizeof(v[i].id));
		pf_ask_u32(&q, PFN_CS_CREATORID, be32toh(v[i].creator));
	}
	rc = pf_ask_send(&q, on_killed, killed, e);
	pf_ask_fini(&q);
	return rc < 0 ? err_wrap(e, "kill states") : 0;
}
