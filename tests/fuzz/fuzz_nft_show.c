/*
 * A table that nft printed, or that somebody wrote: taking it apart ends, with
 * ranges in order and no byte read beyond the text.  What was understood once
 * is understood again: the slot as it was shown, printed by the compiler, shows
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "nft/show.h"
#include "tests/unit/test_policy_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
ignore(struct nft_differ *d, const char *sentence)
{
	(void)d;
	if (*sentence == '\0')
		abort();
}

static void
check_order(const struct np_ok *ok)
{
	for (size_t i = 0; i < ok->n; i++)
		if (ok->v[i].range.lo > ok->v[i].range.hi ||
		    ok->v[i].range.hi > np_last(ok->family))
			abort();
}

static void
print_again(const struct nft_shown *s)
{
	const struct np_site site = { .file = "site" };
	struct nft_conf c;
	struct nft_slot slot;
	struct nft_text t;
	struct nft_shown again;
	struct np_reach copy = s->reach;
	struct buf b;
	struct err e;

	nft_conf_default(&c);
	nft_slot_default(s->slot, &slot);
	/* Origins are places in a list of comments here, and nothing else. */
	for (size_t i = 0; i < copy.ok4.n; i++)
		copy.ok4.v[i].origin = (struct np_origin){ NP_SRC_DENY, 0 };
	for (size_t i = 0; i < copy.ok6.n; i++)
		copy.ok6.v[i].origin = (struct np_origin){ NP_SRC_DENY, 0 };
	slot.gen = s->gen;
	slot.birth = s->birth;
	slot.ports = s->ports;
	slot.reach = &copy;
	memcpy(slot.ids, s->ids, sizeof(slot.ids));
	buf_init(&b, 16 << 20);
	if (nft_emit(&b, &c, &slot, 1, &site, &e) < 0 ||
	    nft_text_parse(b.data, b.len, &t, &e) < 0)
		abort();
	if (nft_show_slot(&t, s->slot, &again, &e) < 0 || again.odd ||
	    again.gen != s->gen || !same_ok(&again.reach.ok4, &s->reach.ok4) ||
	    !same_ok(&again.reach.ok6, &s->reach.ok6))
		abort();
	nft_shown_fini(&again);
	nft_text_fini(&t);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct nft_differ d = { ignore };
	struct nft_text t;
	struct nft_conf c;
	uint32_t *slots;
	size_t nslots;
	struct err e;

	if (nft_text_parse((const char *)data, n, &t, &e) < 0)
		return 0;
	nft_conf_default(&c);
	if (nft_show_slots(&t, &slots, &nslots, &e) < 0)
		abort();
	for (size_t i = 0; i < nslots && i < 8; i++) {
		struct nft_shown s;

		if (nft_show_slot(&t, slots[i], &s, &e) < 0)
			continue;
		check_order(&s.reach.ok4);
		check_order(&s.reach.ok6);
		if (nft_show_compare(&t, &c, &s, &d, &e) < 0)
			abort();
		/* The compiler's ranges do not overlap, and it has ports */
		if (!s.odd && s.reach.ok4.n + s.reach.ok6.n > 0 &&
		    (s.ports || !nft_wants_ports(&s.reach)))
			print_again(&s);
		nft_shown_fini(&s);
	}
	free(slots);
	nft_text_fini(&t);
	return 0;
}
