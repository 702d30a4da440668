/* coppice-proxyd - the way in: sandbox URLs to servers inside sandboxes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/own.h"
#include "io/child.h"
#include "io/log.h"
#include "proxy/proxy_int.h"

enum { PER_SANDBOX_MAX = 1000 };

static struct proxy proxy; /* zeroed; libev keeps pointers into it */

static void
usage(void)
{
	fputs("usage: coppice-proxyd [-a] [-4 NET] [-6 NET] [-A API]\n"
	      "           [-c MAX] [-D DOMAIN] [-l LEVEL] [-n MAX]\n"
	      "       coppice-proxyd -T\n",
	    stderr);
	exit(2);
}

/* Where the API is reached: an address that means all of them is ours, too. */
static void
take_api(struct proxy *p, const char *text)
{
	struct sockaddr_in *a4 = (struct sockaddr_in *)(void *)&p->api_at;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)(void *)&p->api_at;
	const char *colon = strrchr(text, ':');
	struct np_addr a;
	char host[64];
	uint16_t port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
		usage();
	(void)snprintf(host, sizeof(host), "%.*s",
	    (int)(colon - text) - (*text == '[' ? 2 : 0),
	    text + (*text == '['));
	port = (uint16_t)strtoul(colon + 1, NULL, 10);
	if (port == 0 || np_addr_parse(host, &a) < 0)
		usage();
	if (a.family == NP_V4) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(port);
		a4->sin_addr.s_addr =
		    htonl(a.n == 0 ? INADDR_LOOPBACK : (uint32_t)a.n);
		p->api_len = sizeof(*a4);
		return;
	}
	a6->sin6_family = AF_INET6;
	a6->sin6_port = htons(port);
	a6->sin6_addr = in6addr_loopback;
	if (a.n != 0)
		np_addr_bytes(a, a6->sin6_addr.s6_addr);
	p->api_len = sizeof(*a6);
}

/* For coppiced: is what it would hand over usable?  Says why not. */
static void
check_tls(void)
{
	struct err e;
	struct tls_context *x = tls_context_new(child_fd("tls"), &e);

	if (x == NULL)
		fprintf(stderr, "coppice-proxyd: %s\n", e.msg);
	exit(x == NULL);
}

static void
parse(struct proxy *p, int argc, char **argv)
{
	enum log_level level = LOG_L_INFO;
	int ch;

	p->per_sandbox_max = PER_SANDBOX_MAX;
	p->listen.fd = p->listen_tls.fd = -1;
	p->api = (struct route){ .id = "api", .state = ROUTE_RUNNING };
	(void)np_prefix_parse("10.78.0.0/16", &p->net4);
	while ((ch = getopt(argc, argv, "4:6:A:ac:D:l:n:T")) != -1)
		switch (ch) {
		case '4':
			if (np_prefix_parse(optarg, &p->net4) < 0)
				usage();
			break;
		case '6':
			if (np_prefix_parse(optarg, &p->net6) < 0)
				usage();
			p->ipv6 = true;
			break;
		case 'A':
			take_api(p, optarg);
			break;
		case 'a':
			p->access_log = true;
			break;
		case 'D':
			if (strlen(optarg) >= sizeof(p->domain))
				usage();
			memcpy(p->domain, optarg, strlen(optarg) + 1);
			break;
		case 'T':
			check_tls();
			break;
		case 'c':
			p->per_sandbox_max =
			    (uint32_t)strtoul(optarg, NULL, 10);
			if (p->per_sandbox_max == 0)
				usage();
			break;
		case 'n':
			p->conns_max = strtoul(optarg, NULL, 10);
			if (p->conns_max == 0)
				usage();
			break;
		case 'l':
			if (log_level_from(optarg, &level) < 0)
				usage();
			break;
		default:
			usage();
		}
	if (optind != argc)
		usage();
	log_open("coppice-proxyd", level);
}

/* Takes fd.  Connections that are there keep what they have. */
static void
take_tls(struct proxy *p, int fd)
{
	struct err e;
	struct tls_context *x = tls_context_new(fd, &e);
	const char *doubt;

	(void)close(fd);
	if (x == NULL) {
		log_error("tls.bad err=\"%s\"", e.msg);
		return;
	}
	doubt = tls_context_doubt(x, p->domain);
	if (doubt != NULL)
		log_warn("tls.doubt tls_cert: %s", doubt);
	log_info("tls.ready");
	tls_context_free(p->tls);
	p->tls = x;
}

/* coppiced hands over new ends of channels whose other end has restarted. */
static void
on_ctl(
    struct seqpkt *ch, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct proxy *p = container_of(ch, struct proxy, ctl_ch);
	struct child_handover h;

	memset(&h, 0, sizeof(h));
	if (len == sizeof(h))
		memcpy(&h, msg, sizeof(h));
	h.name[sizeof(h.name) - 1] = '\0';
	if (nfds == 0 && strncmp(h.name, "access_log ", 11) == 0) {
		p->access_log = strcmp(h.name + 11, "yes") == 0;
	} else if (nfds == 1 && strcmp(h.name, "route") == 0) {
		table_open(p, fds[0]);
	} else if (nfds == 1 && strcmp(h.name, "sock") == 0) {
		socks_open(p, fds[0]);
	} else if (nfds == 1 && strcmp(h.name, "tls") == 0) {
		take_tls(p, fds[0]);
	} else {
		log_error("ctl.bad name=%s fds=%zu", h.name, nfds);
		for (size_t i = 0; i < nfds; i++)
			(void)close(fds[i]);
	}
}

/* Without the monitor nobody would ever tell us anything again. */
static void
on_ctl_close(struct seqpkt *ch)
{
	struct proxy *p = container_of(ch, struct proxy, ctl_ch);

	log_warn("ctl.closed: coppiced is gone");
	loop_stop(p->loop);
}

static void
open_channels(struct proxy *p)
{
	int ctl = child_fd("ctl"), route = child_fd("route");
	int sock = child_fd("sock");

	p->ctl_ch.io.fd = p->route_ch.io.fd = p->sock_ch.io.fd = -1;
	p->ctl_ch.on_msg = on_ctl;
	p->ctl_ch.on_close = on_ctl_close;
	if (ctl >= 0)
		seqpkt_open(p->loop, &p->ctl_ch, ctl);
	if (sock >= 0)
		socks_open(p, sock);
	if (route >= 0)
		table_open(p, route);
}

/* Two for each connection, a few for each sandbox, and the rest. */
static size_t
connections_max(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur < 256)
		return 64;
	return r.rlim_cur > 400000 ? 100000 : (size_t)r.rlim_cur / 4;
}

static void
on_term(struct loop_signal *w, int signo)
{
	(void)signo;
	loop_stop(w->loop);
}

static int
run(struct proxy *p, struct err *e)
{
	static struct loop_signal term = { .on_signal = on_term };
	int fd = child_fd("way_in"), tls = child_fd("tls");
	int listen_tls = child_fd("way_in_tls");

	if (fd < 0)
		return err_set(
		    e, ERR_SYS, "no listener: coppiced starts this program");
	p->loop = loop_new(e);
	if (p->loop == NULL)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	if (p->conns_max == 0)
		p->conns_max = connections_max();
	loop_signal_start(p->loop, &term, SIGTERM);
	open_channels(p);
	conn_listen(p, &p->listen, fd);
	if (tls >= 0)
		take_tls(p, tls);
	if (listen_tls >= 0 && p->tls == NULL)
		return err_set(e, ERR_INVALID, "tls_listen: no certificate");
	if (listen_tls >= 0)
		conn_listen(p, &p->listen_tls, listen_tls);
	conn_sweep(p);
	log_debug("proxyd.ready conns_max=%zu", p->conns_max);
	loop_run(p->loop);
	conn_free_all(p);
	table_free(p);
	tls_context_free(p->tls);
	return 0;
}

int
main(int argc, char **argv)
{
	struct err e;

	parse(&proxy, argc, argv);
	if (run(&proxy, &e) < 0) {
		log_error("proxyd.failed err=\"%s\"", e.msg);
		return 1;
	}
	return 0;
}
