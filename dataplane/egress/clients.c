#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "egress/egress_int.h"

static int
address_of(const struct sockaddr *sa, struct np_addr *out)
{
	struct sockaddr_in s4;
	struct sockaddr_in6 s6;

	if (sa->sa_family == AF_INET) {
		memcpy(&s4, sa, sizeof(s4));
		*out = np_addr_from_bytes(NP_V4, (const uint8_t *)&s4.sin_addr);
		return 0;
	}
	if (sa->sa_family != AF_INET6)
		return -1;
	memcpy(&s6, sa, sizeof(s6));
	*out = np_addr_from_bytes(NP_V6, s6.sin6_addr.s6_addr);
	return 0;
}

struct client *
client_find(
    struct egress *g, const struct sockaddr *peer, const struct sockaddr *local)
{
	const struct np_prefix *net =
	    peer->sa_family == AF_INET ? &g->net4 : &g->net6;
	struct np_addr from, to;
	np_u128 slot;

	if (peer->sa_family == AF_INET6 && !g->ipv6)
		return NULL;
	if (address_of(peer, &from) < 0 || address_of(local, &to) < 0 ||
	    !np_prefix_has(net, from) || !pktinfo_is_ours(g, to))
		return NULL;
	/* Two addresses a slot, as link/addr.h has it. */
	slot = (from.n - net->addr) / 2;
	return slot < SLOTS_MAX ? &g->client[slot] : NULL;
}

bool
client_may_ask(struct egress *g, struct client *c)
{
	uint32_t now = (uint32_t)(loop_now(g->loop).ns / 1000000u);
	uint32_t passed = now - c->at_ms;
	uint64_t tokens = c->tokens_m + (uint64_t)passed * RATE_PER_S;

	if (c->at_ms == 0 || tokens > RATE_BURST * 1000u)
		tokens = RATE_BURST * 1000u;
	c->at_ms = now == 0 ? 1 : now;
	c->tokens_m = (uint32_t)tokens;
	if (c->tokens_m < 1000) {
		g->limited++;
		return false;
	}
	c->tokens_m -= 1000;
	return true;
}

static void
set_port(struct upstream *u, uint16_t port)
{
	if (u->addr.ss_family == AF_INET)
		((struct sockaddr_in *)(void *)&u->addr)->sin_port =
		    htons(port);
	else
		((struct sockaddr_in6 *)(void *)&u->addr)->sin6_port =
		    htons(port);
}

static int
set_address(struct upstream *u, const char *text)
{
	struct sockaddr_in *s4 = (struct sockaddr_in *)(void *)&u->addr;
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)(void *)&u->addr;

	memset(u, 0, sizeof(*u));
	if (inet_pton(AF_INET, text, &s4->sin_addr) == 1) {
		s4->sin_family = AF_INET;
		u->len = sizeof(*s4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &s6->sin6_addr) == 1) {
		s6->sin6_family = AF_INET6;
		u->len = sizeof(*s6);
		return 0;
	}
	return -1;
}

int
upstream_add(struct egress *g, const char *text)
{
	char copy[80], *port = NULL;
	struct upstream *u;
	long n = 53;

	if (g->nup == UPSTREAMS_MAX || strlen(text) >= sizeof(copy))
		return -1;
	u = &g->up[g->nup];
	if (set_address(u, text) < 0) {
		char *host = copy, *end;

		(void)snprintf(copy, sizeof(copy), "%s", text);
		port = strrchr(copy, ':');
		if (port == NULL)
			return -1;
		*port++ = '\0';
		if (*host == '[' && port - 2 > host && port[-2] == ']') {
			host++;
			port[-2] = '\0';
		}
		n = strtol(port, &end, 10);
		if (*end != '\0' || n < 1 || n > 65535 ||
		    set_address(u, host) < 0)
			return -1;
	}
	set_port(u, (uint16_t)n);
	g->nup++;
	return 0;
}

void
upstreams_of_host(struct egress *g, const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512], addr[80];

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " nameserver %79s", addr) == 1) {
			addr[strcspn(addr, "%")] = '\0'; /* a scope */
			(void)upstream_add(g, addr);
		}
	(void)fclose(f);
}
