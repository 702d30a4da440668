#include "ctl/monitor/monitor.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"

enum { BACKLOG = 1024, RETRY_MS = 20 };

/* fd, or -1 and errno.  Only numbers are looked at, never a name server. */
static int
open_socket(const char *host, const char *port, int type)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = type,
	};
	struct addrinfo *ai = NULL;
	autoclose int fd = -1;
	int on = 1, rc;

	if (getaddrinfo(host, port, &hints, &ai) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(ai->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = fd < 0 ? -1 : 0;
	if (rc == 0)
		rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (rc == 0 && ai->ai_family == AF_INET6)
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (rc == 0)
		rc = bind(fd, ai->ai_addr, ai->ai_addrlen);
	if (rc == 0 && type == SOCK_STREAM)
		rc = listen(fd, BACKLOG);
	freeaddrinfo(ai);
	return rc < 0 ? -1 : take_fd(&fd);
}

static int
open_patiently(int *fd, const char *key, const char *host, const char *port,
    int type, unsigned wait_ms, struct err *e)
{
	for (unsigned ms = 0;; ms += RETRY_MS) {
		*fd = open_socket(host, port, type);
		if (*fd >= 0)
			return 0;
		if (errno != EADDRINUSE || ms >= wait_ms)
			return err_sys(e, "%s: listen on %s port %s (%s)", key,
			    host, port, type == SOCK_STREAM ? "TCP" : "UDP");
		(void)usleep(RETRY_MS * 1000);
	}
}

static int
open_endpoint(int *fd, const char *key, const char *endpoint, unsigned wait_ms,
    struct err *e)
{
	char host[CONF_TEXT_MAX];
	const char *p = endpoint;
	char *colon;

	/* The configuration has been checked: it is one or the other. */
	(void)snprintf(host, sizeof(host), "%s", p + (*p == '['));
	colon = strrchr(host, ':');
	if (colon == NULL)
		return err_set(e, ERR_INVALID, "%s: \"%s\"", key, endpoint);
	*colon = '\0';
	if (*p == '[' && colon > host)
		colon[-1] = '\0';
	return open_patiently(
	    fd, key, host, colon + 1, SOCK_STREAM, wait_ms, e);
}

int
listeners_open(
    struct listeners *l, const struct conf *c, unsigned wait_ms, struct err *e)
{
	char port[16];
	const char *key = "resolver_port";
	struct os_resolver at;
	int rc;

	for (int i = 0; i < L_N; i++)
		l->fd[i] = -1;
	(void)snprintf(port, sizeof(port), "%u", c->resolver_port);
	rc = open_endpoint(
	    &l->fd[L_API], "api_listen", c->api_listen, wait_ms, e);
	if (rc == 0)
		rc = open_endpoint(&l->fd[L_WAY_IN], "way_in_listen",
		    c->way_in_listen, wait_ms, e);
	if (rc == 0 && c->tls_listen[0] != '\0')
		rc = open_endpoint(
		    &l->fd[L_TLS], "tls_listen", c->tls_listen, wait_ms, e);
	if (rc == 0)
		rc = os_resolver(c, &at, e);
	if (rc == 0)
		rc = open_patiently(
		    &l->fd[L_DNS4U], key, at.v4, port, SOCK_DGRAM, wait_ms, e);
	if (rc == 0)
		rc = open_patiently(
		    &l->fd[L_DNS4T], key, at.v4, port, SOCK_STREAM, wait_ms, e);
	if (rc == 0 && c->ipv6)
		rc = open_patiently(
		    &l->fd[L_DNS6U], key, at.v6, port, SOCK_DGRAM, wait_ms, e);
	if (rc == 0 && c->ipv6)
		rc = open_patiently(
		    &l->fd[L_DNS6T], key, at.v6, port, SOCK_STREAM, wait_ms, e);
	if (rc < 0)
		listeners_close(l);
	return rc;
}

void
listeners_close(struct listeners *l)
{
	for (int i = 0; i < L_N; i++)
		drop_fd(&l->fd[i]);
}
