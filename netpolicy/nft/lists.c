#include "nft/lists.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/own.h"
#include "ok.h"

/* 512 entries in two protocols, of two classes, before and after. */
enum { FOUNDS_MAX = 16 * 1024 };

int
nft_port_elems_add(
    struct nft_port_elems *f, struct nft_port_elem x, struct err *e)
{
	if (f->n == FOUNDS_MAX)
		return err_set(
		    e, ERR_INVALID, "more than %d elements", FOUNDS_MAX);
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

void
nft_lists_fini(struct nft_lists *l)
{
	free(l->tcp.v);
	free(l->udp.v);
	free(l->rest.v);
	*l = (struct nft_lists){ 0 };
}

enum np_class
nft_take_id(uint32_t id, uint32_t ids[NP_NCLASSES], bool *odd)
{
	const enum np_class c = id == 0 ? NP_WHOLE : nft_class_of(id);

	if (ids[c] != 0 && ids[c] != id)
		*odd = true;
	ids[c] = id;
	return c;
}

static int
by_start(const void *a, const void *b)
{
	const struct np_ok_range *x = a, *y = b;

	return x->range.lo < y->range.lo ? -1 : x->range.lo > y->range.lo;
}

int
nft_join_some(struct np_ok *ok, struct np_ok *some, bool *odd, struct err *e)
{
	for (size_t i = 0; i < some->n; i++)
		if (np_ok_add(ok, &some->v[i], false, e) < 0)
			return -1;
	if (ok->n > 0)
		qsort(ok->v, ok->n, sizeof(*ok->v), by_start);
	for (size_t i = 1; i < ok->n; i++)
		if (ok->v[i - 1].range.hi >= ok->v[i].range.lo)
			*odd = true;
	return 0;
}

static int
by_port(const void *a, const void *b)
{
	const struct nft_port_elem *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void
sort(struct nft_port_elems *f)
{
	if (f->n > 0)
		qsort(f->v, f->n, sizeof(*f->v), by_port);
}

static int
put_boxes(struct np_ports *to, const struct nft_port_elems *f, uint32_t id,
    struct np_port_box box, bool whole, struct err *e)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].id != id)
			continue;
		box.lo = whole ? 0 : f->v[i].lo;
		box.hi = whole ? UINT16_MAX : f->v[i].hi;
		if (np_ports_add(to, box, e) < 0)
			return -1;
	}
	return 0;
}

/* Of one id, in the order of protocols. */
static int
collect(
    struct np_ports *to, const struct nft_lists *l, uint32_t id, struct err *e)
{
	const struct {
		const struct nft_port_elems *from;
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
			parts[i].from == &l->rest, e) < 0)
			return -1;
	return 0;
}

static bool
strangers(const struct nft_port_elems *f, const uint32_t ids[NP_NCLASSES])
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].id != ids[NP_BUT] && f->v[i].id != ids[NP_ONLY])
			return true;
	return false;
}

static int
one_class(const struct nft_lists *l, uint32_t id, bool *odd,
    struct np_ports *out, struct err *e)
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
nft_lists_make(struct nft_lists *l, const uint32_t ids[NP_NCLASSES], bool *odd,
    struct np_ports out[NP_NCLASSES], struct err *e)
{
	sort(&l->tcp);
	sort(&l->udp);
	sort(&l->rest);
	*odd = *odd || strangers(&l->tcp, ids) || strangers(&l->udp, ids) ||
	       strangers(&l->rest, ids);
	for (size_t c = NP_BUT; c < NP_NCLASSES; c++)
		if (ids[c] != 0 && one_class(l, ids[c], odd, &out[c], e) < 0)
			return -1;
	return 0;
}

static void
keep_whole(struct np_ok *ok)
{
	size_t n = 0;

	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].class == NP_WHOLE)
			ok->v[n++] = ok->v[i];
	ok->n = n;
}

void
nft_keep_whole(struct np_reach *r, uint32_t ids[NP_NCLASSES])
{
	keep_whole(&r->ok4);
	keep_whole(&r->ok6);
	ids[NP_BUT] = ids[NP_ONLY] = 0;
}
