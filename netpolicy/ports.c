/* ports.c - lists of ports: what is denied, what is left, what is in both. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "ok.h"

static struct np_port_box everything = { 0, UINT8_MAX, 0, UINT16_MAX };

const struct np_ports np_ports_all = { &everything, 1, 1 };

void
np_ports_fini(struct np_ports *p)
{
	free(p->v);
	*p = (struct np_ports){ 0 };
}

int
np_ports_add(struct np_ports *p, struct np_port_box b, struct err *e)
{
	if (p->v == NULL || p->n == p->cap) {
		size_t cap = p->cap == 0 ? 8 : p->cap * 2;
		struct np_port_box *v = realloc(p->v, cap * sizeof(*v));

		if (v == NULL)
			return err_sys(e, "%zu ports", cap);
		p->v = v;
		p->cap = cap;
	}
	p->v[p->n++] = b;
	return 0;
}

/* Adds box without cut. */
static int
add_without(struct np_ports *to, struct np_port_box box,
    const struct np_port_box *cut, struct err *e)
{
	struct np_port_box in = box; /* the protocols that cut is about */

	if (cut->proto_lo > box.proto_hi || cut->proto_hi < box.proto_lo ||
	    cut->lo > box.hi || cut->hi < box.lo)
		return np_ports_add(to, box, e);
	if (box.proto_lo < cut->proto_lo) {
		in.proto_lo = cut->proto_lo;
		box.proto_hi = (uint8_t)(cut->proto_lo - 1);
		if (np_ports_add(to, box, e) < 0)
			return -1;
		box.proto_hi = in.proto_hi;
	}
	if (box.proto_hi > cut->proto_hi) {
		box.proto_lo = (uint8_t)(cut->proto_hi + 1);
		in.proto_hi = cut->proto_hi;
		if (np_ports_add(to, box, e) < 0)
			return -1;
	}
	if (in.lo < cut->lo) {
		struct np_port_box below = in;

		below.hi = (uint16_t)(cut->lo - 1);
		if (np_ports_add(to, below, e) < 0)
			return -1;
	}
	if (in.hi > cut->hi) {
		in.lo = (uint16_t)(cut->hi + 1);
		return np_ports_add(to, in, e);
	}
	return 0;
}

static int
by_place(const void *a, const void *b)
{
	const struct np_port_box *x = a, *y = b;

	if (x->proto_lo != y->proto_lo)
		return x->proto_lo < y->proto_lo ? -1 : 1;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

int
np_ports_minus(const struct np_ports *a, const struct np_ports *b,
    struct np_ports *out, struct err *e)
{
	struct np_ports now = { 0 }, next = { 0 };
	int rc = 0;

	for (size_t i = 0; i < a->n && rc == 0; i++)
		rc = np_ports_add(&now, a->v[i], e);
	for (size_t k = 0; k < b->n && rc == 0; k++) {
		next.n = 0;
		for (size_t i = 0; i < now.n && rc == 0; i++)
			rc = add_without(&next, now.v[i], &b->v[k], e);
		struct np_ports t = now;

		now = next;
		next = t;
	}
	np_ports_fini(&next);
	if (rc < 0) {
		np_ports_fini(&now);
		return -1;
	}
	if (now.n > 0)
		qsort(now.v, now.n, sizeof(*now.v), by_place);
	*out = now;
	return 0;
}

/* Adds box to a list that is sorted, joining what overlaps or touches. */
static int
join(struct np_ports *p, struct np_port_box box, struct err *e)
{
	struct np_port_box *last = p->n == 0 ? NULL : &p->v[p->n - 1];

	if (last == NULL || last->proto_lo != box.proto_lo ||
	    (uint32_t)last->hi + 1 < box.lo)
		return np_ports_add(p, box, e);
	if (box.hi > last->hi)
		last->hi = box.hi;
	return 0;
}

int
np_ports_of(const struct np_ir *ir, struct np_ports *ports, struct err *e)
{
	struct np_ports denied = { 0 };
	int rc = 0;

	/* Lowering sorted them by protocol and port, twice, for two families */
	for (size_t i = 0; i < ir->n && rc == 0; i++) {
		const struct np_rule *r = &ir->v[i];
		struct np_port_box box = { r->proto, r->proto, r->port_lo,
			r->port_hi };

		if (r->origin.src == NP_SRC_PORTS && r->family == NP_V4)
			rc = join(
			    r->verdict == NP_DROP ? &denied : &ports[NP_ONLY],
			    box, e);
	}
	if (rc == 0)
		rc = np_ports_minus(&np_ports_all, &denied, &ports[NP_BUT], e);
	np_ports_fini(&denied);
	return rc;
}

bool
np_ports_has(const struct np_ports *p, int proto, uint16_t port)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].proto_lo <= proto && proto <= p->v[i].proto_hi &&
		    p->v[i].lo <= port && port <= p->v[i].hi)
			return true;
	return false;
}

bool
np_ports_same(const struct np_ports *a, const struct np_ports *b)
{
	return a->n == b->n &&
	       (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

static const char *
proto_text(const struct np_port_box *b, char to[16])
{
	if (b->proto_lo == b->proto_hi && b->proto_lo == IPPROTO_TCP)
		return "tcp";
	if (b->proto_lo == b->proto_hi && b->proto_lo == IPPROTO_UDP)
		return "udp";
	if (b->proto_lo == b->proto_hi)
		(void)snprintf(to, 16, "proto %u", b->proto_lo);
	else
		(void)snprintf(to, 16, "proto %u-%u", b->proto_lo, b->proto_hi);
	return to;
}

const char *
np_ports_text(const struct np_ports *p, char to[NP_PORTS_TEXT])
{
	size_t used = 0;

	to[0] = '\0';
	for (size_t i = 0; i < p->n; i++) {
		const struct np_port_box *b = &p->v[i];
		char proto[16], one[48];
		const char *name = proto_text(b, proto);
		size_t len;

		if (memcmp(b, &everything, sizeof(*b)) == 0)
			return to;
		if (b->lo == 0 && b->hi == UINT16_MAX)
			(void)snprintf(one, sizeof(one), "%s", name);
		else if (b->lo == b->hi)
			(void)snprintf(one, sizeof(one), "%s/%u", name, b->lo);
		else
			(void)snprintf(
			    one, sizeof(one), "%s/%u-%u", name, b->lo, b->hi);
		len = strlen(one);
		if (used + len + 8 > NP_PORTS_TEXT) {
			(void)snprintf(to + used, NP_PORTS_TEXT - used, " ...");
			return to;
		}
		used += (size_t)snprintf(to + used, NP_PORTS_TEXT - used,
		    "%s%s", i == 0 ? "" : ", ", one);
	}
	return to;
}

const char *
np_to_text(const struct np_rule *r, char to[NP_TO_TEXT])
{
	struct np_port_box box = { r->proto, r->proto, r->port_lo, r->port_hi };
	const struct np_ports one = { &box, 1, 1 };

	if (r->origin.src == NP_SRC_PORTS)
		return np_ports_text(&one, to);
	return np_range_text(r->to, r->family, to);
}
