#include "link/link.h"

#include <sys/param.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/jail.h>
#include <sys/linker.h>
#include <sys/module.h>
#include <sys/socket.h>
#include <sys/sockio.h>
#include <sys/sysctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/own.h"
#include "ends.h"
#include "epair.h"
#include "visit.h"
#include "route.h"

#define GROUP "coppice"

/*
 * A pair is made with a number that only its slot has: whoever is killed
 * before it has its name and its owner leaves one that can be found.
 */
enum { FIRST_UNIT = 16384, MASK4 = 31, MASK6 = 127 };

/* --- sockets to ask through ----------------------------------------------- */

struct socks {
	int in4, in6; /* in6: -1 where the kernel has no IPv6 */
};

static int
socks_open(struct socks *k, struct err *e)
{
	k->in6 = -1;
	k->in4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (k->in4 < 0)
		return err_sys(e, "socket");
	k->in6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return 0;
}

static void
socks_close(struct socks *k)
{
	drop_fd(&k->in4);
	drop_fd(&k->in6);
}

/* --- the pair ------------------------------------------------------------- */

/* As the kernel calls its ends before we do. */
static void
raw_name(char to[IFNAMSIZ], uint32_t slot, const char *end)
{
	(void)snprintf(to, IFNAMSIZ, "epair%u%s", FIRST_UNIT + slot, end);
}

static uint32_t
slot_of(const struct link_spec *s)
{
	return (uint32_t)s->addr.host_mac[4] << 8 | s->addr.host_mac[5];
}

static int
jail_name(int jid, char to[EPAIR_OWNER_MAX], struct err *e)
{
	char k_jid[] = "jid", k_name[] = "name";
	struct iovec v[] = {
		{ k_jid, sizeof(k_jid) },
		{ &jid, sizeof(jid) },
		{ k_name, sizeof(k_name) },
		{ to, EPAIR_OWNER_MAX },
	};

	if (jail_get(v, countof(v), 0) < 0)
		return err_sys(e, "name of jail %d", jid);
	return 0;
}

static int
destroy(int fd, const char *name, struct err *e)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCIFDESTROY, &r) == 0 || errno == ENXIO ||
	    errno == EINVAL)
		return 0; /* the last two: it is gone, or just going */
	return err_sys(e, "destroy %s", name);
}

/* 1: there is one of that number. */
static int
create(int fd, uint32_t slot, struct err *e)
{
	struct ifreq r;

	memset(&r, 0, sizeof(r));
	raw_name(r.ifr_name, slot, "");
	if (ioctl(fd, SIOCIFCREATE2, &r) == 0)
		return 0;
	return errno == EEXIST ? 1 : err_sys(e, "make an epair");
}

/*
 * One with the slot's number that has no owner yet is what was left of
 * somebody who was killed.
 */
static int
destroy_unowned(int fd, uint32_t slot, struct err *e)
{
	char name[IFNAMSIZ], owner[EPAIR_OWNER_MAX];

	raw_name(name, slot, "a");
	end_description(fd, name, owner, sizeof(owner));
	if (owner[0] != '\0' || !end_exists(fd, name))
		return 0;
	return destroy(fd, name, e);
}

static int
create_anew(int fd, uint32_t slot, struct err *e)
{
	char name[IFNAMSIZ];
	int rc = create(fd, slot, e);

	if (rc <= 0)
		return rc;
	if (destroy_unowned(fd, slot, e) < 0)
		return -1;
	raw_name(name, slot, "a");
	rc = create(fd, slot, e);
	if (rc == 1)
		return err_set(e, ERR_BUSY, "%s exists still", name);
	return rc;
}

/* --- its ends ------------------------------------------------------------- */

static int
host_end(const struct socks *k, const struct link_spec *s, struct err *e)
{
	const char *name = s->addr.name;
	autoclose int rs = route_open(e);
	unsigned index;

	if (rs < 0 || end_checksums(k->in4, name, e) < 0 ||
	    end_mac(k->in4, name, s->addr.host_mac, e) < 0 ||
	    end_mtu(k->in4, name, s->mtu, e) < 0 ||
	    (k->in6 >= 0 && end_quiet6(k->in6, name, s->ipv6, e) < 0) ||
	    end_up(k->in4, name, false, e) < 0 ||
	    end_addr4(k->in4, name, &s->addr.host4, MASK4, e) < 0)
		return -1;
	index = if_nametoindex(name);
	if (route_neighbour(rs, index, &s->addr.sb4, s->addr.sb_mac, e) < 0)
		return -1;
	if (!s->ipv6)
		return 0;
	if (end_addr6(k->in6, name, &s->addr.host6, MASK6, e) < 0)
		return -1;
	return route_neighbour(rs, index, &s->addr.sb6, s->addr.sb_mac, e);
}

/* Whatever else it asks for, the host's rules judge what comes of it. */
static int
settings(struct err *e)
{
	static const struct {
		const char *name;
		int value;
	} v[] = {
		{ "net.inet.ip.portrange.reservedhigh", 0 },
		{ "net.inet.ip.redirect", 0 },
		{ "net.inet.icmp.drop_redirect", 1 },
	};

	for (size_t i = 0; i < countof(v); i++)
		if (sysctlbyname(v[i].name, NULL, NULL, &v[i].value,
			sizeof(v[i].value)) < 0)
			return err_sys(e, "%s", v[i].name);
	return 0;
}

static int
loopback(const struct socks *k, struct err *e)
{
	const struct np_addr lo4 = { 0x7f000001, NP_V4 };
	const struct np_addr lo6 = { 1, NP_V6 };

	if (end_up(k->in4, "lo0", true, e) < 0 ||
	    end_addr4(k->in4, "lo0", &lo4, 8, e) < 0)
		return -1;
	return k->in6 < 0 ? 0 : end_addr6(k->in6, "lo0", &lo6, 128, e);
}

static int
neighbours(const struct link_spec *s, int rs, struct err *e)
{
	const unsigned index = if_nametoindex("eth0");
	const uint8_t *mac = s->addr.host_mac;

	if (route_neighbour(rs, index, &s->addr.host4, mac, e) < 0)
		return -1;
	return s->ipv6 ? route_neighbour(rs, index, &s->addr.host6, mac, e) : 0;
}

static int
sandbox_end(const struct socks *k, const struct link_spec *s, struct err *e)
{
	autoclose int rs = route_open(e);
	char raw[IFNAMSIZ];

	raw_name(raw, slot_of(s), "b");
	if (rs < 0 || loopback(k, e) < 0 ||
	    end_rename(k->in4, raw, "eth0", e) < 0 ||
	    end_mac(k->in4, "eth0", s->addr.sb_mac, e) < 0 ||
	    end_mtu(k->in4, "eth0", s->mtu, e) < 0 ||
	    (k->in6 >= 0 && end_quiet6(k->in6, "eth0", s->ipv6, e) < 0) ||
	    end_up(k->in4, "eth0", false, e) < 0 ||
	    end_addr4(k->in4, "eth0", &s->addr.sb4, MASK4, e) < 0 ||
	    (s->ipv6 &&
		end_addr6(k->in6, "eth0", &s->addr.sb6, MASK6, e) < 0) ||
	    neighbours(s, rs, e) < 0 ||
	    route_default(rs, &s->addr.host4, e) < 0)
		return -1;
	return s->ipv6 ? route_default(rs, &s->addr.host6, e) : 0;
}

static int
inside(void *arg, struct err *e)
{
	const struct link_spec *s = arg;
	struct socks k;
	int rc;

	if (socks_open(&k, e) < 0)
		return -1;
	rc = sandbox_end(&k, s, e);
	if (rc == 0)
		rc = settings(e);
	socks_close(&k);
	return rc;
}

/* --- link.h --------------------------------------------------------------- */

static int
own(const struct socks *k, const struct link_spec *s, int jid, struct err *e)
{
	char raw[IFNAMSIZ], owner[EPAIR_OWNER_MAX];

	raw_name(raw, slot_of(s), "a");
	if (jail_name(jid, owner, e) < 0 ||
	    end_describe(k->in4, raw, owner, e) < 0 ||
	    end_group(k->in4, raw, GROUP, e) < 0)
		return -1;
	return end_rename(k->in4, raw, s->addr.name, e);
}

static int
furnish(
    const struct socks *k, const struct link_spec *s, int jid, struct err *e)
{
	struct link_spec copy = *s;
	char raw[IFNAMSIZ];

	raw_name(raw, slot_of(s), "b");
	if (own(k, s, jid, e) < 0 || host_end(k, s, e) < 0 ||
	    end_into_jail(k->in4, raw, jid, e) < 0)
		return -1;
	if (visit_jail(jid, -1, inside, &copy, e) < 0)
		return err_wrap(e, "sandbox end of %s", s->addr.name);
	return 0;
}

int
link_make(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	char raw[IFNAMSIZ];
	struct err ignored;
	struct socks k;
	int rc;

	if (socks_open(&k, e) < 0)
		return -1;
	if (end_exists(k.in4, s->addr.name))
		rc = err_set(e, ERR_BUSY, "%s exists still", s->addr.name);
	else
		rc = create_anew(k.in4, slot_of(s), e);
	if (rc == 0) {
		rc = furnish(&k, s, ends->sandbox_ns, e);
		raw_name(raw, slot_of(s), "a");
		if (rc < 0 && destroy(k.in4, s->addr.name, &ignored) == 0)
			(void)destroy(k.in4, raw, &ignored);
	}
	socks_close(&k);
	return rc;
}

static int
renew(void *arg, struct err *e)
{
	const struct link_spec *s = arg;
	autoclose int rs = route_open(e);

	return rs < 0 ? -1 : neighbours(s, rs, e);
}

int
link_renew(
    const struct link_ends *ends, const struct link_spec *s, struct err *e)
{
	struct link_spec copy = *s;

	if (visit_jail(ends->sandbox_ns, -1, renew, &copy, e) < 0)
		return err_wrap(e, "sandbox end of %s", s->addr.name);
	return 0;
}

/* --- epair.h -------------------------------------------------------------- */

int
epair_remove(uint32_t slot, const char *owner, struct err *e)
{
	char name[IFNAMSIZ], has[EPAIR_OWNER_MAX];
	struct socks k;
	int rc = 0;

	if (socks_open(&k, e) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "cop%u", slot);
	for (int raw = 0; rc == 0 && raw < 2; raw++) {
		if (raw)
			raw_name(name, slot, "a");
		end_description(k.in4, name, has, sizeof(has));
		if (strcmp(has, owner) == 0)
			rc = destroy(k.in4, name, e);
	}
	socks_close(&k);
	return rc;
}

int
epair_remove_unowned(uint32_t slot, struct err *e)
{
	struct socks k;
	int rc;

	if (socks_open(&k, e) < 0)
		return -1;
	rc = destroy_unowned(k.in4, slot, e);
	socks_close(&k);
	return rc;
}

int
epair_each(void (*fn)(void *arg, const char *owner), void *arg, struct err *e)
{
	char owner[EPAIR_OWNER_MAX];
	struct if_nameindex *v;
	struct socks k;

	if (socks_open(&k, e) < 0)
		return -1;
	v = if_nameindex();
	if (v == NULL) {
		socks_close(&k);
		return err_sys(e, "list of interfaces");
	}
	for (size_t i = 0; v[i].if_index != 0; i++) {
		if (strncmp(v[i].if_name, "cop", 3) != 0 &&
		    strncmp(v[i].if_name, "epair", 5) != 0)
			continue;
		end_description(k.in4, v[i].if_name, owner, sizeof(owner));
		if (owner[0] != '\0')
			fn(arg, owner);
	}
	if_freenameindex(v);
	socks_close(&k);
	return 0;
}

int
epair_check(struct err *e)
{
	if (modfind("if_epair") >= 0)
		return 0;
	if (kldload("if_epair") < 0 && errno != EEXIST)
		return err_set(e, ERR_UNSUPPORTED,
		    "the kernel has no if_epair: %s; put if_epair_load=\"YES\" "
		    "into /boot/loader.conf",
		    strerror(errno));
	return 0;
}
