/* host.c - what a host must have before a jail can be made on it. */
#include "sub_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "base/own.h"
#include "io/log.h"
#include "link/freebsd/epair.h"
#include "link/link.h"

/* -1: the kernel knows no such setting. */
static int
setting(const char *name)
{
	int value = 0;
	size_t len = sizeof(value);

	return sysctlbyname(name, &value, &len, NULL, 0) < 0 ? -1 : value;
}

int
host_check(struct substrate *s, struct err *e)
{
	if (geteuid() != 0)
		return err_set(
		    e, ERR_FORBIDDEN, "jails can be made by root alone");
	if (setting("security.jail.jailed") > 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "this is a jail itself: run Coppice on the host");
	if (setting("kern.features.vimage") != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "the kernel has no networks for jails: it needs "
		    "`options VIMAGE', which GENERIC has");
	if (setting("net.inet.ip.forwarding") != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "the host forwards no packets: `sysctl "
		    "net.inet.ip.forwarding=1', and gateway_enable=\"YES\" in "
		    "/etc/rc.conf");
	if (s->cf.ipv6 && link_has_ipv6() &&
	    setting("net.inet6.ip6.forwarding") != 1)
		log_warn("host.ipv6 err=\"the host forwards no IPv6 packets: "
			 "`sysctl net.inet6.ip6.forwarding=1', and "
			 "ipv6_gateway_enable=YES in /etc/rc.conf\"");
	s->racct = setting("kern.racct.enable") == 1;
	if (epair_check(e) < 0)
		return -1;
	return roots_check(s->cf.devfs_ruleset, e);
}

/* As a UUID is written; without it two boots could not be told apart. */
static int
boot_id(char to[UUID_TEXT], struct err *e)
{
	unsigned char b[UUID_BYTES];
	size_t len = sizeof(b);

	if (sysctlbyname("kern.boot_id", b, &len, NULL, 0) < 0 ||
	    len != sizeof(b))
		return err_sys(e, "kern.boot_id");
	uuid_text(b, to);
	return 0;
}

int
host_facts(struct substrate *s, struct err *e)
{
	if (boot_id(s->boot_id, e) < 0)
		return -1;
	if (cpuset_getaffinity(CPU_LEVEL_WHICH, CPU_WHICH_PID, -1,
		sizeof(s->cpus), &s->cpus) < 0)
		return err_sys(e, "processors");
	s->ncpus = CPU_COUNT(&s->cpus);
	s->ipv6 = s->cf.ipv6 && link_has_ipv6();
	return link_uplinks(s->ipv6, &s->mtu, e);
}
