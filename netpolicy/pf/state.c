/* state.c - the model's states: found by key, killed by filter or by id. */
#include <stdlib.h>
#include <string.h>

#include "pf/model_int.h"

static bool
same_addr(struct np_addr a, struct np_addr b)
{
	return a.family == b.family && a.n == b.n;
}

static bool
same_key(const struct pfm_key *a, const struct pfm_key *b)
{
	return a->proto == b->proto && a->port[0] == b->port[0] &&
	       a->port[1] == b->port[1] && same_addr(a->addr[0], b->addr[0]) &&
	       same_addr(a->addr[1], b->addr[1]);
}

/* One flow's packets have one key in both directions. */
void
pfm_key_of(const struct pfm_packet *p, struct pfm_key *out)
{
	size_t s = p->dir == PFM_IN ? 0 : 1;

	*out = (struct pfm_key){ .proto = p->proto };
	out->addr[s] = p->src;
	out->port[s] = p->sport;
	out->addr[1 - s] = p->dst;
	out->port[1 - s] = p->dport;
}

/* What arrives has the key of the wire, what leaves that of our own stack. */
static const struct pfm_key *
key_for(const struct pfm_state *s, enum pfm_dir dir)
{
	return dir == PFM_IN ? &s->wire : &s->stack;
}

const struct pfm_state *
pfm_state_find(const struct pf_model *m, const struct pfm_packet *p)
{
	struct pfm_key k;

	pfm_key_of(p, &k);
	for (size_t i = 0; i < m->nstates; i++) {
		const struct pfm_state *s = &m->states[i];

		if (same_key(key_for(s, p->dir), &k) &&
		    (!s->bound || strcmp(s->ifname, p->ifname) == 0))
			return s;
	}
	return NULL;
}

size_t
pfm_states_of(const struct pf_model *m, uint64_t loaded, size_t rule)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nstates; i++)
		n += m->states[i].loaded == loaded && m->states[i].rule == rule;
	return n;
}

int
pfm_state_add(struct pf_model *m, const struct pfm_state *s, struct err *e)
{
	if (m->nstates == m->cap) {
		size_t cap = m->cap == 0 ? 32 : m->cap * 2;
		struct pfm_state *v = realloc(m->states, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu pf states", cap);
		m->states = v;
		m->cap = cap;
	}
	m->states[m->nstates] = *s;
	m->states[m->nstates++].id = ++m->last_id;
	return 0;
}

size_t
pf_model_nstates(const struct pf_model *m)
{
	return m->nstates;
}

const struct pfm_state *
pf_model_state(const struct pf_model *m, size_t i)
{
	return i < m->nstates ? &m->states[i] : NULL;
}

static void
drop(struct pf_model *m, size_t i)
{
	memmove(&m->states[i], &m->states[i + 1],
	    (m->nstates - i - 1) * sizeof(*m->states));
	m->nstates--;
}

size_t
pf_model_kill_id(struct pf_model *m, uint64_t id)
{
	for (size_t i = 0; i < m->nstates; i++) {
		if (m->states[i].id != id)
			continue;
		drop(m, i);
		return 1;
	}
	return 0;
}

static bool
prefix_takes(const struct np_prefix *p, struct np_addr a)
{
	return p->family == 0 || np_prefix_has(p, a);
}

/* As pf's own loop: by the key of the wire, from who opened the flow. */
static bool
kill_takes(const struct pfm_kill *k, const struct pfm_state *s)
{
	size_t from = s->dir == PFM_IN ? 0 : 1;
	struct np_addr dst = s->wire.addr[1 - from];
	uint16_t port = s->wire.port[1 - from];

	if (k->ifname != NULL && strcmp(k->ifname, s->ifname) != 0)
		return false;
	if (k->family != 0 && k->family != dst.family)
		return false;
	if (k->proto != 0 && k->proto != s->wire.proto)
		return false;
	return prefix_takes(&k->src, s->wire.addr[from]) &&
	       prefix_takes(&k->dst, dst) && k->lo <= port && port <= k->hi;
}

/*
 * The state that the same packet has where it leaves again, or came from.
 * Where there are two such, pf leaves both alone.
 */
static size_t
kill_match(struct pf_model *m, const struct pfm_state *gone)
{
	enum pfm_dir dir = gone->dir == PFM_OUT ? PFM_IN : PFM_OUT;
	const struct pfm_key *k =
	    gone->dir == PFM_OUT ? &gone->stack : &gone->wire;
	struct pfm_key other = { { k->addr[1], k->addr[0] },
		{ k->port[1], k->port[0] }, k->proto };
	size_t at = 0, n = 0;

	for (size_t i = 0; i < m->nstates; i++)
		if (same_key(key_for(&m->states[i], dir), &other)) {
			at = i;
			n++;
		}
	if (n == 1)
		drop(m, at);
	return n == 1;
}

size_t
pf_model_kill(struct pf_model *m, const struct pfm_kill *k)
{
	size_t n = 0;

	for (size_t i = 0; i < m->nstates;) {
		struct pfm_state gone = m->states[i];

		if (!kill_takes(k, &gone)) {
			i++;
			continue;
		}
		drop(m, i);
		n++;
		if (k->match)
			n += kill_match(m, &gone);
		i = 0; /* as pf: from the start, for it let go of its lock */
	}
	return n;
}
