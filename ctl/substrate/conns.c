#include "conns.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

void
conns_init(struct conns *c, const struct link_addr *own)
{
	*c = (struct conns){ .own4 = own->sb4, .own6 = own->sb6 };
}

static struct np_addr
unmapped(uint8_t family, const uint8_t *b)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == 4)
		return np_addr_from_bytes(NP_V4, b);
	if (memcmp(b, mapped, sizeof(mapped)) == 0)
		return np_addr_from_bytes(NP_V4, b + sizeof(mapped));
	return np_addr_from_bytes(NP_V6, b);
}

/* It never leaves the sandbox: itself, or nowhere yet. */
static bool
is_inside(const struct conns *c, struct np_addr a)
{
	const struct np_addr own = a.family == NP_V4 ? c->own4 : c->own6;

	if (a.n == 0 || (own.n != 0 && a.n == own.n))
		return true;
	return a.family == NP_V4 ? a.n >> 24 == IN_LOOPBACKNET : a.n == 1;
}

static int
grow(struct conns *c, struct err *e)
{
	uint32_t cap = c->cap == 0 ? 64 : c->cap * 2;
	void *p = realloc(c->v, cap * sizeof(c->v[0]));

	if (p == NULL)
		return err_sys(e, "sockets");
	c->v = p;
	c->cap = cap;
	return 0;
}

int
conns_add(struct conns *c, const struct spawn_socket *s, struct err *e)
{
	if (c->n == CONNS_MAX || is_inside(c, unmapped(s->family, s->to)))
		return 0;
	if (c->n == c->cap && grow(c, e) < 0)
		return -1;
	c->v[c->n++] = *s;
	return 0;
}
