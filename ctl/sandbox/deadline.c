#include "ctl/sandbox/deadline.h"

#include <stdlib.h>

void
deadlines_fini(struct deadlines *h)
{
	for (size_t i = 1; i <= h->n; i++)
		h->v[i]->at = 0;
	free(h->v);
	*h = (struct deadlines){ 0 };
}

static void
place(struct deadlines *h, size_t at, struct deadline *d)
{
	h->v[at] = d;
	d->at = at;
}

static void
up(struct deadlines *h, size_t at)
{
	struct deadline *d = h->v[at];

	while (at > 1 && h->v[at / 2]->when.ns > d->when.ns) {
		place(h, at, h->v[at / 2]);
		at /= 2;
	}
	place(h, at, d);
}

static void
down(struct deadlines *h, size_t at)
{
	struct deadline *d = h->v[at];

	for (;;) {
		size_t kid = at * 2;

		if (kid > h->n)
			break;
		if (kid < h->n && h->v[kid + 1]->when.ns < h->v[kid]->when.ns)
			kid++;
		if (h->v[kid]->when.ns >= d->when.ns)
			break;
		place(h, at, h->v[kid]);
		at = kid;
	}
	place(h, at, d);
}

static int
reserve(struct deadlines *h, struct err *e)
{
	size_t cap = h->cap == 0 ? 64 : h->cap * 2;
	void *p;

	if (h->n + 1 < h->cap)
		return 0;
	p = realloc(h->v, cap * sizeof(h->v[0]));
	if (p == NULL)
		return err_sys(e, "deadlines");
	h->v = p;
	h->cap = cap;
	return 0;
}

int
deadline_set(
    struct deadlines *h, struct deadline *d, struct mono when, struct err *e)
{
	if (d->at == 0) {
		if (reserve(h, e) < 0)
			return -1;
		d->when = when;
		place(h, ++h->n, d);
		up(h, d->at);
		return 0;
	}
	d->when = when;
	up(h, d->at);
	down(h, d->at);
	return 0;
}

void
deadline_clear(struct deadlines *h, struct deadline *d)
{
	size_t at = d->at;
	struct deadline *last;

	if (at == 0)
		return;
	d->at = 0;
	last = h->v[h->n--];
	if (last == d)
		return;
	place(h, at, last);
	up(h, at);
	down(h, last->at);
}

struct deadline *
deadline_due(struct deadlines *h, struct mono now)
{
	struct deadline *d;

	if (h->n == 0 || h->v[1]->when.ns > now.ns)
		return NULL;
	d = h->v[1];
	deadline_clear(h, d);
	return d;
}

bool
deadline_first(const struct deadlines *h, struct mono *when)
{
	if (h->n == 0)
		return false;
	*when = h->v[1]->when;
	return true;
}
