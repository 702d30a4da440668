#include "link/addr.h"

#include <stdio.h>
#include <string.h>

uint32_t
link_slots_max(const struct np_prefix *net4)
{
	/* Two addresses each; more than 16 bits do not fit a MAC or a record */
	uint32_t bits = net4->len >= 31 ? 1 : 32u - net4->len;
	uint32_t pairs = bits > 15 ? 1u << 14 : 1u << (bits - 1);

	return pairs - 1;
}

static void
mac(uint8_t to[LINK_MAC_LEN], uint8_t end, uint32_t slot)
{
	const uint8_t m[LINK_MAC_LEN] = { 0x02, 0xc0, end, 0,
		(uint8_t)(slot >> 8), (uint8_t)slot };

	memcpy(to, m, sizeof(m));
}

void
link_addr(uint32_t slot, const struct np_prefix *net4,
    const struct np_prefix *net6, struct link_addr *out)
{
	const np_u128 pair = (np_u128)slot * 2;

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "cop%u", slot);
	out->host4 = (struct np_addr){ net4->addr + pair, NP_V4 };
	out->sb4 = (struct np_addr){ net4->addr + pair + 1, NP_V4 };
	out->host6.family = out->sb6.family = NP_V6;
	if (net6 != NULL) {
		out->host6.n = net6->addr + pair;
		out->sb6.n = net6->addr + pair + 1;
	}
	mac(out->host_mac, 0x71, slot);
	mac(out->sb_mac, 0x70, slot);
}
