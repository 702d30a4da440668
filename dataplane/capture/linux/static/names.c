/*
 * names.c - for coppice-capture alone, which is linked statically: names in a
 * filter are never looked up in files or in the network, so there is nothing
 * of the C library's resolver in the program.  Addresses are numbers, ports
 * are numbers or one of the names below.
 *
 * libpcap also wants to open a message bus, if somebody asked it to.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

struct pcap;
int dbus_findalldevs(void *devices, char *why);
struct pcap *dbus_create(const char *device, char *why, int *is_ours);
int ether_hostton(const char *name, void *to);

enum { TCP = 1, UDP = 2 };

static const struct {
	const char *name;
	uint16_t port;
	unsigned protocols;
} services[] = {
	{ "ftp-data", 20, TCP },
	{ "ftp", 21, TCP },
	{ "ssh", 22, TCP },
	{ "telnet", 23, TCP },
	{ "smtp", 25, TCP },
	{ "domain", 53, TCP | UDP },
	{ "bootps", 67, UDP },
	{ "bootpc", 68, UDP },
	{ "tftp", 69, UDP },
	{ "http", 80, TCP },
	{ "kerberos", 88, TCP | UDP },
	{ "pop3", 110, TCP },
	{ "sunrpc", 111, TCP | UDP },
	{ "ntp", 123, UDP },
	{ "imap2", 143, TCP },
	{ "imap", 143, TCP },
	{ "snmp", 161, UDP },
	{ "bgp", 179, TCP },
	{ "ldap", 389, TCP | UDP },
	{ "https", 443, TCP | UDP },
	{ "submissions", 465, TCP },
	{ "syslog", 514, UDP },
	{ "submission", 587, TCP },
	{ "ldaps", 636, TCP },
	{ "domain-s", 853, TCP | UDP },
	{ "rsync", 873, TCP },
	{ "imaps", 993, TCP },
	{ "pop3s", 995, TCP },
	{ "ms-sql-s", 1433, TCP },
	{ "nfs", 2049, TCP | UDP },
	{ "git", 9418, TCP },
	{ "mysql", 3306, TCP },
	{ "postgresql", 5432, TCP },
	{ "redis", 6379, TCP },
	{ "http-alt", 8080, TCP },
};

static bool
is_service(size_t i, const char *name, int protocol)
{
	const unsigned want = protocol == IPPROTO_TCP	? TCP
			      : protocol == IPPROTO_UDP ? UDP
							: TCP | UDP;

	return (services[i].protocols & want) != 0 &&
	       strcmp(services[i].name, name) == 0;
}

static int
port_of(const char *name, int protocol)
{
	for (size_t i = 0; i < countof(services); i++)
		if (is_service(i, name, protocol))
			return services[i].port;
	return -1;
}

/* One answer, which is all that there can be. */
struct found {
	struct addrinfo ai;
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
};

static int
deliver(struct found *f, int family, socklen_t n, struct addrinfo **out)
{
	f->ai.ai_family = family;
	f->ai.ai_addr = (struct sockaddr *)(void *)&f->sa;
	f->ai.ai_addrlen = n;
	f->ai.ai_addr->sa_family = (sa_family_t)family;
	*out = &f->ai;
	return 0;
}

static int
find(struct found *f, const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **out)
{
	const int family = hints != NULL ? hints->ai_family : AF_UNSPEC;
	const int protocol = hints != NULL ? hints->ai_protocol : 0;
	const int port = service != NULL ? port_of(service, protocol) : 0;

	f->ai.ai_protocol = protocol;
	if (port < 0)
		return EAI_NONAME;
	f->sa.v4.sin_port = htons((uint16_t)port);
	if (family != AF_INET6 &&
	    (node == NULL || inet_pton(AF_INET, node, &f->sa.v4.sin_addr) == 1))
		return deliver(f, AF_INET, sizeof(f->sa.v4), out);
	memset(&f->sa, 0, sizeof(f->sa));
	f->sa.v6.sin6_port = htons((uint16_t)port);
	if (family != AF_INET &&
	    (node == NULL ||
		inet_pton(AF_INET6, node, &f->sa.v6.sin6_addr) == 1))
		return deliver(f, AF_INET6, sizeof(f->sa.v6), out);
	return EAI_NONAME;
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
    struct addrinfo **out)
{
	struct found *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL)
		return EAI_MEMORY;
	rc = find(f, node, service, hints, out);
	if (rc != 0)
		free(f);
	return rc;
}

void
freeaddrinfo(struct addrinfo *ai)
{
	free(ai); /* the first member of what was allocated */
}

struct hostent *
gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}

int
getnetbyname_r(const char *name, struct netent *room, char *text, size_t n,
    struct netent **out, int *why)
{
	(void)name;
	(void)room;
	(void)text;
	(void)n;
	*out = NULL;
	*why = HOST_NOT_FOUND;
	return 0;
}

int
getprotobyname_r(const char *name, struct protoent *room, char *text, size_t n,
    struct protoent **out)
{
	(void)name;
	(void)room;
	(void)text;
	(void)n;
	*out = NULL;
	return 0;
}

int
ether_hostton(const char *name, void *to)
{
	(void)name;
	(void)to;
	return -1;
}

int
dbus_findalldevs(void *devices, char *why)
{
	(void)devices;
	(void)why;
	return 0;
}

struct pcap *
dbus_create(const char *device, char *why, int *is_ours)
{
	(void)device;
	(void)why;
	*is_ours = 0;
	return NULL;
}
