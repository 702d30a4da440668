#include "route.h"

#include <sys/types.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_dl.h>
#include <net/if_types.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"

struct message {
	struct rt_msghdr h;
	char space[256]; /* addresses, in the order of their RTA_ bits */
};

int
route_open(struct err *e)
{
	autoclose int rs = socket(PF_ROUTE, SOCK_RAW | SOCK_CLOEXEC, 0);

	/* What the write() returns says it all. */
	if (rs < 0 || shutdown(rs, SHUT_RD) < 0)
		return err_sys(e, "routing socket");
	return take_fd(&rs);
}

static void
put(struct message *m, int bit, const void *sa, size_t len)
{
	memcpy((char *)m + m->h.rtm_msglen, sa, len);
	m->h.rtm_msglen =
	    (unsigned short)(m->h.rtm_msglen +
			     ((len + sizeof(long) - 1) & ~(sizeof(long) - 1)));
	m->h.rtm_addrs |= bit;
}

/* NULL: the family's own zero, which is every address. */
static void
put_addr(struct message *m, int bit, uint8_t family, const struct np_addr *a)
{
	struct sockaddr_in in4 = { .sin_len = sizeof(in4),
		.sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_len = sizeof(in6),
		.sin6_family = AF_INET6 };
	uint8_t bytes[16] = { 0 };

	if (a != NULL)
		np_addr_bytes(*a, bytes);
	if (family == NP_V4) {
		memcpy(&in4.sin_addr, bytes, sizeof(in4.sin_addr));
		put(m, bit, &in4, sizeof(in4));
		return;
	}
	memcpy(&in6.sin6_addr, bytes, sizeof(bytes));
	put(m, bit, &in6, sizeof(in6));
}

static struct message
begin(int flags)
{
	struct message m;

	memset(&m, 0, sizeof(m));
	m.h.rtm_msglen = sizeof(m.h);
	m.h.rtm_version = RTM_VERSION;
	m.h.rtm_type = RTM_ADD;
	m.h.rtm_flags = flags;
	m.h.rtm_seq = 1;
	return m;
}

static int
say(int rs, const struct message *m)
{
	if (write(rs, m, m->h.rtm_msglen) == m->h.rtm_msglen)
		return 0;
	return errno == EEXIST ? 0 : -1;
}

int
route_neighbour(int rs, unsigned ifindex, const struct np_addr *a,
    const uint8_t mac[ROUTE_MAC_LEN], struct err *e)
{
	struct message m = begin(RTF_HOST | RTF_STATIC | RTF_LLDATA);
	struct sockaddr_dl dl = { .sdl_len = sizeof(dl),
		.sdl_family = AF_LINK,
		.sdl_index = (unsigned short)ifindex,
		.sdl_type = IFT_ETHER,
		.sdl_alen = ROUTE_MAC_LEN };
	char text[NP_ADDR_TEXT];

	memcpy(dl.sdl_data, mac, ROUTE_MAC_LEN);
	m.h.rtm_inits = RTV_EXPIRE; /* never: 0 */
	put_addr(&m, RTA_DST, a->family, a);
	put(&m, RTA_GATEWAY, &dl, sizeof(dl));
	if (say(rs, &m) < 0)
		return err_sys(e, "neighbour %s", np_addr_text(*a, text));
	return 0;
}

int
route_default(int rs, const struct np_addr *via, struct err *e)
{
	struct message m = begin(RTF_UP | RTF_GATEWAY | RTF_STATIC);
	char text[NP_ADDR_TEXT];

	put_addr(&m, RTA_DST, via->family, NULL);
	put_addr(&m, RTA_GATEWAY, via->family, via);
	put_addr(&m, RTA_NETMASK, via->family, NULL);
	if (say(rs, &m) < 0)
		return err_sys(
		    e, "default route by %s", np_addr_text(*via, text));
	return 0;
}
