/* flows.c - the states of a sandbox, as flows that it opened. */
#include "rules_bsd.h"

#include <netinet/in.h>
#include <netinet/tcp_fsm.h>
#include <stdlib.h>
#include <string.h>

struct list {
	struct np_addr own;
	uint32_t gen;
	struct rules_flow *v;
	uint32_t n, cap;
};

/* As conntrack numbers them, which is what the record holds. */
enum {
	SYN_SENT = 1,
	SYN_RECV = 2,
	ESTABLISHED = 3,
	FIN_WAIT = 4,
	TIME_WAIT = 7,
	CLOSE = 8,
};

static uint8_t
tcp_state(uint8_t src, uint8_t dst)
{
	if (src == TCPS_TIME_WAIT || dst == TCPS_TIME_WAIT)
		return CLOSE; /* pf says so of a reset */
	if (src >= TCPS_FIN_WAIT_2 && dst >= TCPS_FIN_WAIT_2)
		return TIME_WAIT;
	if (src >= TCPS_CLOSING || dst >= TCPS_CLOSING)
		return FIN_WAIT;
	if (src == TCPS_ESTABLISHED && dst == TCPS_ESTABLISHED)
		return ESTABLISHED;
	return dst == TCPS_CLOSED ? SYN_SENT : SYN_RECV;
}

static struct rules_flow *
more(struct list *l, struct err *e)
{
	if (l->n == l->cap) {
		uint32_t cap = l->cap == 0 ? 64 : l->cap * 2;
		void *p = realloc(l->v, cap * sizeof(*l->v));

		if (p == NULL) {
			err_sys(e, "flows");
			return NULL;
		}
		l->v = p;
		l->cap = cap;
	}
	return &l->v[l->n++];
}

static void
fill(struct rules_flow *f, const struct pf_state *s, uint32_t gen)
{
	bool ports = s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP ||
		     s->proto == IPPROTO_SCTP;

	*f = (struct rules_flow){
		.family = s->wire.addr[1].family == NP_V4 ? 4 : 6,
		.proto = s->proto,
		.replied = s->packets[1] > 0,
		.port = ports ? s->wire.port[1] : 0,
		.from_port = ports ? s->wire.port[0] : 0,
		.gen = gen,
		.timeout_s = s->expire_s,
		.sent_packets = s->packets[0],
		.sent_bytes = s->bytes[0],
		.got_packets = s->packets[1],
		.got_bytes = s->bytes[1],
	};
	np_addr_bytes(s->wire.addr[1], f->to);
	if (s->proto == IPPROTO_TCP)
		f->state = tcp_state(s->src_state, s->dst_state);
}

/* What came in from the sandbox; what is behind it is the same flow again. */
static int
on_state(void *arg, const struct pf_state *s, struct err *e)
{
	struct list *l = arg;
	struct rules_flow *f;

	if (s->dir != PFM_IN || s->wire.addr[0].n != l->own.n ||
	    strncmp(s->ifname, "cop", 3) != 0 || l->n == RULES_FLOWS_MAX)
		return 0;
	f = more(l, e);
	if (f == NULL)
		return -1;
	fill(f, s, l->gen);
	return 0;
}

static int
list_all(struct pf_nl *nl, struct list *l, const struct np_addr *from,
    size_t nfrom, struct err *e)
{
	for (size_t i = 0; i < nfrom; i++) {
		struct np_prefix one = { from[i].n, from[i].family,
			from[i].family == NP_V4 ? 32 : 128 };

		l->own = from[i];
		if (pf_states_of(nl, &one, on_state, l, e) < 0)
			return -1;
	}
	return 0;
}

int
rules_kernel_flows(const struct np_addr *from, size_t nfrom, uint32_t gen,
    struct rules_flow **v, uint32_t *n, struct err *e)
{
	struct list l = { .gen = gen };
	struct pf_nl nl;
	int rc;

	*v = NULL;
	*n = 0;
	if (pf_nl_open(&nl, e) < 0)
		return -1;
	rc = list_all(&nl, &l, from, nfrom, e);
	pf_nl_close(&nl);
	if (rc < 0) {
		free(l.v);
		return -1;
	}
	*v = l.v;
	*n = l.n;
	return 0;
}
