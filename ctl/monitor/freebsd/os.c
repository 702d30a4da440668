#include "ctl/monitor/monitor.h"

#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/procctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <netinet6/in6_var.h>

#include "base/own.h"
#include "io/log.h"

#define LOOPBACK "lo0"

/*
 * Who ends while its parent does may be neither the parent's to tell of nor a
 * zombie yet when it is handed to us (exit1() in sys/kern/kern_exit.c): then
 * no SIGCHLD comes.  A jail's end kills all of its processes at once, so that
 * is usual; and what is left is a jail that cannot go.
 */
const uint64_t os_reap_ms = 500;

int
os_subreaper(struct err *e)
{
	if (procctl(P_PID, getpid(), PROC_REAP_ACQUIRE, NULL) < 0)
		return err_sys(e, "PROC_REAP_ACQUIRE");
	return 0;
}

/* No capabilities to drop: what setresuid() leaves is an ordinary user. */
int
os_drop_bounding(void)
{
	return 0;
}

int
os_die_with_parent(void)
{
	int sig = SIGKILL;

	return procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &sig);
}

int
os_no_new_privs(void)
{
	int how = PROC_NO_NEW_PRIVS_ENABLE;

	return procctl(P_PID, 0, PROC_NO_NEW_PRIVS_CTL, &how);
}

/* --- the configuration ---------------------------------------------------- */

static bool
means_nothing(const char *key)
{
	static const char *const none[] = { "id_base", "disk_image_mb",
		"max_packets_per_s", "max_egress_mbit", "max_ingress_mbit" };

	for (size_t i = 0; i < countof(none); i++)
		if (strcmp(key, none[i]) == 0)
			return true;
	return false;
}

void
os_conf_notes(const struct conf *c)
{
	static const enum conf_when all[] = { CONF_AT_ONCE, CONF_ANEW,
		CONF_NEVER };
	struct conf *usual = malloc(sizeof(*usual));
	const char *key;
	size_t at;

	if (usual == NULL)
		return;
	conf_defaults(usual);
	for (size_t i = 0; i < countof(all); i++)
		for (at = 0;
		     (key = conf_change(usual, c, all[i], &at)) != NULL;)
			if (means_nothing(key))
				log_warn("coppiced.conf key=%s: it does "
					 "nothing on FreeBSD",
				    key);
	free(usual);
}

/* --- the resolver's addresses --------------------------------------------- */

/*
 * pf leads what is for the resolver to 127.0.0.1 in IPv4.  ::1 cannot be led
 * to from another interface: the address of the resolver itself it is, and so
 * the host must have it.
 */
static struct sockaddr_in6
resolver6(const struct conf *c)
{
	struct np_addr a = { c->net6.addr + 1, NP_V6 };
	struct sockaddr_in6 s = { .sin6_len = sizeof(s),
		.sin6_family = AF_INET6 };

	np_addr_bytes(a, s.sin6_addr.s6_addr);
	return s;
}

static int
add6(const struct conf *c, struct err *e)
{
	autoclose int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in6_aliasreq r = { .ifra_name = LOOPBACK,
		.ifra_addr = resolver6(c),
		.ifra_prefixmask = { .sin6_len = sizeof(r.ifra_prefixmask),
		    .sin6_family = AF_INET6 },
		/* ND6_INFINITE_LIFETIME; there is no neighbour to ask for it */
		.ifra_flags = IN6_IFF_NODAD,
		.ifra_lifetime = {
		    .ia6t_vltime = UINT32_MAX, .ia6t_pltime = UINT32_MAX } };

	memset(&r.ifra_prefixmask.sin6_addr, 0xff, sizeof(struct in6_addr));
	if (fd < 0 || ioctl(fd, SIOCAIFADDR_IN6, &r) < 0)
		return err_sys(e, "address of the resolver on " LOOPBACK);
	return 0;
}

int
os_resolver(const struct conf *c, struct os_resolver *r, struct err *e)
{
	const struct np_addr a6 = { c->net6.addr + 1, NP_V6 };

	*r = (struct os_resolver){ .v4 = "127.0.0.1" };
	(void)np_addr_text(a6, r->v6);
	return c->ipv6 ? add6(c, e) : 0;
}

void
os_resolver_end(const struct conf *c)
{
	autoclose int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct in6_ifreq r = { .ifr_name = LOOPBACK, .ifr_addr = resolver6(c) };

	/* It may not be there: then this was not the end of a good start. */
	if (fd >= 0 && c->ipv6)
		(void)ioctl(fd, SIOCDIFADDR_IN6, &r);
}
