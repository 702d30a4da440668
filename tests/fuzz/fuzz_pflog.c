/* Whatever a buffer of bpf holds, records are a sandbox's and it has an end. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "egress/pflog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct denial_nets nets = {
	.net4 = { (np_u128)0x0a4e0000, NP_V4, 16 },
	.net6 = { (np_u128)0xfd77 << 112, NP_V6, 64 },
	.ipv6 = true,
};

static void
check(const struct denial *d)
{
	if (d->slot == 0 || d->slot > 16383 || d->gen != 0 || d->inbound > 1 ||
	    (d->family != 4 && d->family != 6))
		abort();
	if (d->tcp_flags != 0 && d->proto != 6)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);
	struct denial d = { .slot = 0 };
	struct denial_in in = { copy, n };
	enum denial_rc rc;
	size_t left = n;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, n); /* with no byte to spare behind it */
	while ((rc = pflog_next(&nets, &in, &d)) != DENIED_END) {
		if (in.p + in.n != copy + n || in.n >= left)
			abort();
		left = in.n;
		if (rc == DENIED_ONE)
			check(&d);
	}
	free(copy);
	return 0;
}
