#include "link/link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "nl.h"

enum { UPLINKS_MAX = 16, MTU_DEFAULT = 1500, MTU_LEAST = 1280 };

struct uplinks {
	char name[UPLINKS_MAX][IFNAMSIZ];
	size_t n;
};

bool
link_has_ipv6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

static void
add(struct uplinks *u, const char *name)
{
	/* A route that refuses is shown on lo; no packet comes in there. */
	if (u->n == UPLINKS_MAX || strcmp(name, "lo") == 0)
		return;
	for (size_t i = 0; i < u->n; i++)
		if (strcmp(u->name[i], name) == 0)
			return;
	(void)snprintf(u->name[u->n++], IFNAMSIZ, "%s", name);
}

/* Interface, destination, gateway, ... ; the first line is a heading. */
static void
find4(struct uplinks *u)
{
	FILE *f = fopen("/proc/net/route", "re");
	char line[256], name[IFNAMSIZ];
	unsigned dst, mask;

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", name, &dst,
			&mask) == 3 &&
		    dst == 0 && mask == 0)
			add(u, name);
	(void)fclose(f);
}

/* Destination, its length, source, its length, gateway, ..., interface. */
static void
find6(struct uplinks *u)
{
	FILE *f = fopen("/proc/net/ipv6_route", "re");
	char line[256], name[IFNAMSIZ], dst[33];
	unsigned len;

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %15s",
			dst, &len, name) == 3 &&
		    len == 0 && strspn(dst, "0") == 32)
			add(u, name);
	(void)fclose(f);
}

/* -1 and errno, or how the file begins. */
static int
read_setting(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c;

	if (fd < 0 || read(fd, &c, 1) != 1)
		return -1;
	return c;
}

/* Written only where it changes something. */
static int
set(const char *path, char want, struct err *e)
{
	autoclose int fd = -1;
	int have = read_setting(path);

	if (have == want)
		return 0;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, &want, 1) != 1)
		return err_sys(e, "%s", path);
	return 0;
}

static void
path_of(char out[128], const char *family, const char *name, const char *key)
{
	(void)snprintf(
	    out, 128, "/proc/sys/net/%s/conf/%s/%s", family, name, key);
}

int
link_forward6(const char *name, struct err *e)
{
	char path[128];

	/* Since 6.17 one interface can say so for itself. */
	path_of(path, "ipv6", name, "force_forwarding");
	if (access(path, F_OK) == 0)
		return set(path, '1', e);
	path_of(path, "ipv6", "all", "forwarding");
	return set(path, '1', e);
}

/* A host may have the other default.  IPv4's counterpart looks after us. */
int
link_take_groups6(const char *name, struct err *e)
{
	char path[128];

	path_of(path, "ipv6", name, "drop_unicast_in_l2_multicast");
	return set(path, '0', e);
}

/*
 * A host that begins to forward stops listening to router advertisements,
 * unless it is told to go on: 2.
 */
static int
keep_advertisements(const char *name, struct err *e)
{
	char path[128];

	path_of(path, "ipv6", name, "accept_ra");
	return read_setting(path) == '1' ? set(path, '2', e) : 0;
}

static uint32_t
smallest_mtu(const struct uplinks *u)
{
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t least = 0;

	for (size_t i = 0; fd >= 0 && i < u->n; i++) {
		struct ifreq r = { 0 };

		memcpy(r.ifr_name, u->name[i], sizeof(r.ifr_name));
		if (ioctl(fd, SIOCGIFMTU, &r) < 0 || r.ifr_mtu < MTU_LEAST)
			continue;
		if (least == 0 || (uint32_t)r.ifr_mtu < least)
			least = (uint32_t)r.ifr_mtu;
	}
	return least == 0 ? MTU_DEFAULT : least;
}

int
link_uplinks(bool ipv6, uint32_t *mtu, struct err *e)
{
	struct uplinks u = { .n = 0 };
	char path[128];

	find4(&u);
	for (size_t i = 0; i < u.n; i++) {
		path_of(path, "ipv4", u.name[i], "forwarding");
		if (set(path, '1', e) < 0)
			return -1;
	}
	if (ipv6) {
		find6(&u);
		for (size_t i = 0; i < u.n; i++)
			if (keep_advertisements(u.name[i], e) < 0 ||
			    link_forward6(u.name[i], e) < 0)
				return -1;
	}
	*mtu = smallest_mtu(&u);
	return 0;
}
