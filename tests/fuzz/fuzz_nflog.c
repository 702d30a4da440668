/* Whatever a packet holds, what we say of it is of a sandbox and adds up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "egress/nflog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct denial_nets nets = {
	.net4 = { (np_u128)0x0a4e0000, NP_V4, 16 },
	.net6 = { (np_u128)0xfd77 << 112, NP_V6, 64 },
	.ipv6 = true,
};

static void
check(const struct denial *d)
{
	static const uint8_t none[12];

	if (d->slot == 0 || d->slot > 16383 || d->inbound > 1 ||
	    (d->family != 4 && d->family != 6))
		abort();
	if (d->family == 4 && memcmp(d->to + 4, none, sizeof(none)) != 0)
		abort();
	if (d->tcp_flags != 0 && d->proto != 6)
		abort();
}

/* A packet that is cut says the same or less, and nothing else. */
static void
check_cut(const uint8_t *packet, size_t n, const struct denial *whole)
{
	for (size_t cut = 1; cut < n; cut += 1 + n / 16) {
		uint8_t *copy = malloc(cut);
		struct denial d = { .gen = whole->gen, .at_us = whole->at_us };

		if (copy == NULL)
			return;
		memcpy(copy, packet, cut);
		if (denial_packet(&nets, copy, cut, &d)) {
			check(&d);
			if (d.slot != whole->slot || d.len != whole->len ||
			    d.inbound != whole->inbound ||
			    memcmp(d.to, whole->to, sizeof(d.to)) != 0 ||
			    (d.port != 0 && d.port != whole->port))
				abort();
		}
		free(copy);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);
	struct denial d = { .slot = 0 };
	struct denial_in in = { copy, n };
	enum denial_rc rc;
	uint32_t seq;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, n); /* with no byte to spare behind it */
	if (denial_packet(&nets, copy, n, &d)) {
		check(&d);
		check_cut(copy, n, &d);
	}
	while ((rc = nflog_next(&nets, &in, &d, &seq)) != DENIED_END) {
		if (in.p + in.n != copy + n)
			abort();
		if (rc == DENIED_ONE)
			check(&d);
	}
	free(copy);
	return 0;
}
