/* coppice-egressd - the sandboxes' resolver: takes queries, asks upstream. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "egress/denied.h"
#include "egress/egress_int.h"
#include "io/child.h"
#include "io/log.h"
#include "io/seqpkt.h"

enum { SWEEP_MS = 250, REPORT_EVERY = 240 };

static struct egress egress; /* zeroed; libev keeps pointers into it */
static struct denied denied;

static void
usage(void)
{
	fputs("usage: coppice-egressd [-4 NET] [-6 NET] [-l LEVEL] "
	      "[-u SERVER] ...\n",
	    stderr);
	exit(2);
}

static void
parse(struct egress *g, int argc, char **argv)
{
	enum log_level level = LOG_L_INFO;
	int ch;

	(void)np_prefix_parse("10.78.0.0/16", &g->net4);
	while ((ch = getopt(argc, argv, "4:6:l:u:")) != -1)
		switch (ch) {
		case '4':
			if (np_prefix_parse(optarg, &g->net4) < 0)
				usage();
			break;
		case '6':
			if (np_prefix_parse(optarg, &g->net6) < 0)
				usage();
			g->ipv6 = true;
			break;
		case 'l':
			if (log_level_from(optarg, &level) < 0)
				usage();
			break;
		case 'u':
			if (upstream_add(g, optarg) < 0)
				usage();
			break;
		default:
			usage();
		}
	if (optind != argc)
		usage();
	log_open("coppice-egressd", level);
}

static void
on_sweep(struct loop_timer *w)
{
	struct egress *g = container_of(w, struct egress, sweep);
	struct mono now = loop_now(g->loop);
	static unsigned rounds;
	static uint64_t told;

	udp_sweep(g, now);
	tcp_sweep(g, now);
	if (++rounds % REPORT_EVERY == 0 && g->limited + g->failed > told) {
		log_warn("dns.trouble forwarded=%llu refused=%llu limited=%llu "
			 "failed=%llu",
		    (unsigned long long)g->forwarded,
		    (unsigned long long)g->refused,
		    (unsigned long long)g->limited,
		    (unsigned long long)g->failed);
		told = g->limited + g->failed;
	}
	loop_timer_start(g->loop, w, SWEEP_MS);
}

/* coppiced hands over an end of a channel to apid, whenever one is new. */
static void
on_ctl(
    struct seqpkt *ch, const void *msg, size_t len, const int *fds, size_t nfds)
{
	struct child_handover h = { .name = "" };

	(void)ch;
	if (len == sizeof(h))
		memcpy(&h, msg, sizeof(h));
	h.name[sizeof(h.name) - 1] = '\0';
	if (nfds == 1 && strcmp(h.name, "denials") == 0) {
		denied_open(&denied, fds[0]);
		return;
	}
	log_error("ctl.bad name=%s fds=%zu", h.name, nfds);
	for (size_t i = 0; i < nfds; i++)
		(void)close(fds[i]);
}

static void
on_ctl_close(struct seqpkt *ch)
{
	(void)ch;
	log_warn("ctl.closed: coppiced is gone");
	loop_stop(egress.loop);
}

static void
on_term(struct loop_signal *w, int signo)
{
	(void)signo;
	loop_stop(w->loop);
}

static void
open_all(struct egress *g)
{
	static const char *const udp[] = { "dns4u", "dns6u" };
	static const char *const tcp[] = { "dns4t", "dns6t" };
	static struct seqpkt ctl;
	int fd;

	for (unsigned i = 0; i < 2; i++) {
		fd = child_fd(udp[i]);
		if (fd >= 0)
			udp_open(g, i, fd);
		fd = child_fd(tcp[i]);
		if (fd >= 0)
			tcp_open(g, i, fd);
	}
	ctl.on_msg = on_ctl;
	ctl.on_close = on_ctl_close;
	fd = child_fd("ctl");
	if (fd >= 0)
		seqpkt_open(g->loop, &ctl, fd);
}

static int
run(struct egress *g, struct err *e)
{
	static struct loop_signal term = { .on_signal = on_term };

	if (g->nup == 0)
		upstreams_of_host(g, "/etc/resolv.conf");
	if (g->nup == 0)
		log_warn("dns.no_upstream: every query gets SERVFAIL; set "
			 "upstream_dns");
	g->client = calloc(SLOTS_MAX, sizeof(*g->client));
	if (g->client == NULL)
		return err_sys(e, "clients");
	g->loop = loop_new(e);
	if (g->loop == NULL)
		return -1;
	(void)signal(SIGPIPE, SIG_IGN);
	loop_signal_start(g->loop, &term, SIGTERM);
	denied.nets = (struct denial_nets){ g->net4, g->net6, g->ipv6 };
	denied_init(&denied, g->loop);
	open_all(g);
	g->sweep.on_time = on_sweep;
	loop_timer_start(g->loop, &g->sweep, SWEEP_MS);
	log_debug("egressd.ready upstreams=%zu", g->nup);
	loop_run(g->loop);
	udp_close(g);
	tcp_close(g);
	denied_close(&denied);
	free(g->client);
	return 0;
}

int
main(int argc, char **argv)
{
	struct err e;

	parse(&egress, argc, argv);
	if (run(&egress, &e) < 0) {
		log_error("egressd.failed err=\"%s\"", e.msg);
		return 1;
	}
	return 0;
}
