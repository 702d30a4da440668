/*
 * crowd.c - who of many clients may connect: no address may have more than
 * half of all there is, and who only keeps a connection makes room.
 */
#include <stdlib.h>

#include "io/log.h"
#include "proxy/proxy_int.h"

enum { LOOKS_MAX = 64 };

struct peer {
	struct peer *next;
	struct np_addr who;
	uint32_t n;
};

/* Whoever has an address of IPv6 has 2^64 of them. */
static struct np_addr
whole(struct np_addr a)
{
	if (a.family == NP_V6)
		a.n = a.n >> 64 << 64;
	return a;
}

static struct peer **
find(struct proxy *p, struct np_addr who)
{
	uint64_t h = (uint64_t)(who.n >> 64) ^ (uint64_t)who.n;
	struct peer **at;

	h *= 0x9e3779b97f4a7c15u;
	at = &p->peers[h >> 32 & (PEER_BUCKETS - 1)];
	while (*at != NULL &&
	       ((*at)->who.n != who.n || (*at)->who.family != who.family))
		at = &(*at)->next;
	return at;
}

/* --- idle connections, the one that has been so longest first
 * ---------------------------------------------------------------------------*/

void
crowd_idle(struct conn *c)
{
	struct proxy *p = c->p;

	if (c->idle)
		return;
	c->idle = true;
	c->inext = NULL;
	c->iprev = p->idle_last;
	if (p->idle_last != NULL)
		p->idle_last->inext = c;
	else
		p->idle_first = c;
	p->idle_last = c;
}

void
crowd_busy(struct conn *c)
{
	struct proxy *p = c->p;

	if (!c->idle)
		return;
	c->idle = false;
	if (c->iprev != NULL)
		c->iprev->inext = c->inext;
	else
		p->idle_first = c->inext;
	if (c->inext != NULL)
		c->inext->iprev = c->iprev;
	else
		p->idle_last = c->iprev;
}

/* Ends one that waits for nothing, of that peer if there is one given. */
static bool
make_room(struct proxy *p, const struct np_addr *who)
{
	int looks = 0;

	for (struct conn *c = p->idle_first; c != NULL && looks < LOOKS_MAX;
	     c = c->inext, looks++) {
		struct np_addr has = whole(c->peer);

		if (c->c.in.len > 0 ||
		    (who != NULL &&
			(has.n != who->n || has.family != who->family)))
			continue;
		conn_kill(c, false);
		return true;
	}
	return false;
}

/* --- coming and going
 * -------------------------------------------------------------*/

bool
crowd_enter(struct proxy *p, struct np_addr a)
{
	struct np_addr who = whole(a);
	size_t most = p->conns_max / 2 > 0 ? p->conns_max / 2 : 1;
	struct peer **at = find(p, who), *one = *at;

	if (one != NULL && one->n >= most) {
		if (!make_room(p, &who))
			return false;
	} else if (p->nconns >= p->conns_max && !make_room(p, NULL)) {
		return false;
	}
	at = find(p, who); /* it may have been the last of its peer */
	one = *at;
	if (one == NULL) {
		one = calloc(1, sizeof(*one));
		if (one == NULL)
			return false;
		one->who = who;
		*at = one;
	}
	one->n++;
	return true;
}

void
crowd_leave(struct proxy *p, struct np_addr a)
{
	struct peer **at = find(p, whole(a)), *one = *at;

	if (one == NULL || --one->n > 0)
		return;
	*at = one->next;
	free(one);
}
