#include "ends.h"

#include <sys/types.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/in_var.h>
#include <netinet6/in6_var.h>
#include <netinet6/nd6.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sockio.h>

#include "base/own.h"

static struct ifreq
named(const char *name)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return r;
}

bool
end_exists(int fd, const char *name)
{
	struct ifreq r = named(name);

	return ioctl(fd, SIOCGIFFLAGS, &r) == 0;
}

int
end_rename(int fd, const char *from, const char *to, struct err *e)
{
	struct ifreq r = named(from);
	char name[IFNAMSIZ];

	(void)snprintf(name, sizeof(name), "%s", to);
	r.ifr_data = name;
	if (ioctl(fd, SIOCSIFNAME, &r) < 0)
		return err_sys(e, "rename %s to %s", from, to);
	return 0;
}

int
end_group(int fd, const char *name, const char *group, struct err *e)
{
	struct ifgroupreq r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifgr_name, sizeof(r.ifgr_name), "%s", name);
	(void)snprintf(r.ifgr_group, sizeof(r.ifgr_group), "%s", group);
	if (ioctl(fd, SIOCAIFGROUP, &r) < 0)
		return err_sys(e, "%s: group %s", name, group);
	return 0;
}

int
end_describe(int fd, const char *name, const char *text, struct err *e)
{
	struct ifreq r = named(name);

	r.ifr_buffer.buffer = unconst(text);
	r.ifr_buffer.length = strlen(text) + 1;
	if (ioctl(fd, SIOCSIFDESCR, &r) < 0)
		return err_sys(e, "%s: description", name);
	return 0;
}

void
end_description(int fd, const char *name, char *to, size_t room)
{
	struct ifreq r = named(name);

	to[0] = '\0';
	r.ifr_buffer.buffer = to;
	r.ifr_buffer.length = room;
	/* One that is longer than any of ours comes back without a buffer. */
	if (ioctl(fd, SIOCGIFDESCR, &r) < 0 || r.ifr_buffer.buffer != to)
		to[0] = '\0';
	to[room - 1] = '\0';
}

int
end_mac(
    int fd, const char *name, const uint8_t mac[LINK_MAC_LEN], struct err *e)
{
	struct ifreq r = named(name);

	r.ifr_addr.sa_family = AF_LINK;
	r.ifr_addr.sa_len = LINK_MAC_LEN;
	memcpy(r.ifr_addr.sa_data, mac, LINK_MAC_LEN);
	if (ioctl(fd, SIOCSIFLLADDR, &r) < 0)
		return err_sys(e, "%s: MAC address", name);
	return 0;
}

int
end_mtu(int fd, const char *name, uint32_t mtu, struct err *e)
{
	struct ifreq r = named(name);

	r.ifr_mtu = (int)mtu;
	if (ioctl(fd, SIOCSIFMTU, &r) < 0)
		return err_sys(e, "%s: MTU %u", name, mtu);
	return 0;
}

/*
 * With them on, as 15 has it by default, TCP checksums stay half done on
 * epairs, and pf's resets are taken for damaged ones.
 */
int
end_checksums(int fd, const char *name, struct err *e)
{
	const int off = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6;
	struct ifreq r = named(name);

	if (ioctl(fd, SIOCGIFCAP, &r) < 0)
		return err_sys(e, "%s: capabilities", name);
	if ((r.ifr_curcap & off) == 0)
		return 0; /* 14 has none */
	r.ifr_reqcap = r.ifr_curcap & ~off;
	if (ioctl(fd, SIOCSIFCAP, &r) < 0)
		return err_sys(e, "%s: checksums without offload", name);
	return 0;
}

int
end_into_jail(int fd, const char *name, int jid, struct err *e)
{
	struct ifreq r = named(name);

	r.ifr_jid = jid;
	if (ioctl(fd, SIOCSIFVNET, &r) < 0)
		return err_sys(e, "%s: into jail %d", name, jid);
	return 0;
}

int
end_up(int fd, const char *name, bool arp, struct err *e)
{
	struct ifreq r = named(name);
	int flags;

	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return err_sys(e, "%s: flags", name);
	flags = (r.ifr_flags & 0xffff) | (r.ifr_flagshigh << 16) | IFF_UP;
	if (!arp)
		flags |= IFF_STATICARP;
	r.ifr_flags = (short)(flags & 0xffff);
	r.ifr_flagshigh = (short)(flags >> 16);
	if (ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		return err_sys(e, "%s: up", name);
	return 0;
}

static void
sin4(struct sockaddr *to, uint32_t n)
{
	struct sockaddr_in in = { .sin_len = sizeof(in),
		.sin_family = AF_INET,
		.sin_addr = { htonl(n) } };

	memcpy(to, &in, sizeof(in));
}

int
end_addr4(int fd, const char *name, const struct np_addr *a, unsigned len,
    struct err *e)
{
	struct ifaliasreq r;
	char text[NP_ADDR_TEXT];

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifra_name, sizeof(r.ifra_name), "%s", name);
	sin4(&r.ifra_addr, (uint32_t)a->n);
	sin4(&r.ifra_mask, len == 0 ? 0 : UINT32_MAX << (32 - len));
	if (ioctl(fd, SIOCAIFADDR, &r) < 0)
		return err_sys(
		    e, "%s: address %s/%u", name, np_addr_text(*a, text), len);
	return 0;
}

int
end_addr6(int fd6, const char *name, const struct np_addr *a, unsigned len,
    struct err *e)
{
	struct in6_aliasreq r;
	char text[NP_ADDR_TEXT];
	uint8_t bytes[16];

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifra_name, sizeof(r.ifra_name), "%s", name);
	r.ifra_addr.sin6_len = r.ifra_prefixmask.sin6_len = sizeof(r.ifra_addr);
	r.ifra_addr.sin6_family = r.ifra_prefixmask.sin6_family = AF_INET6;
	np_addr_bytes(*a, bytes);
	memcpy(&r.ifra_addr.sin6_addr, bytes, sizeof(bytes));
	for (unsigned i = 0; i < len; i++)
		r.ifra_prefixmask.sin6_addr.s6_addr[i / 8] |=
		    (uint8_t)(0x80 >> i % 8);
	r.ifra_flags = IN6_IFF_NODAD;
	r.ifra_lifetime.ia6t_vltime = ND6_INFINITE_LIFETIME;
	r.ifra_lifetime.ia6t_pltime = ND6_INFINITE_LIFETIME;
	if (ioctl(fd6, SIOCAIFADDR_IN6, &r) < 0)
		return err_sys(
		    e, "%s: address %s/%u", name, np_addr_text(*a, text), len);
	return 0;
}

int
end_quiet6(int fd6, const char *name, bool on, struct err *e)
{
	struct in6_ndireq r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifname, sizeof(r.ifname), "%s", name);
	if (ioctl(fd6, SIOCGIFINFO_IN6, &r) < 0)
		return err_sys(e, "%s: neighbour discovery", name);
	r.ndi.flags &=
	    ~(uint32_t)(ND6_IFF_AUTO_LINKLOCAL | ND6_IFF_ACCEPT_RTADV |
			ND6_IFF_PERFORMNUD | ND6_IFF_IFDISABLED);
	r.ndi.flags |= ND6_IFF_NO_DAD | ND6_IFF_NO_RADR;
	if (!on)
		r.ndi.flags |= ND6_IFF_IFDISABLED;
	if (ioctl(fd6, SIOCSIFINFO_IN6, &r) < 0)
		return err_sys(e, "%s: neighbour discovery", name);
	return 0;
}
