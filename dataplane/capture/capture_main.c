/*
 * coppice-capture - the packets of one sandbox's link, as pcapng.
 *
 * Started by `coppice-privd spawn` for one capture, as _coppice_cap, with a
 * packet socket and a stream to coppice-apid.
 */
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "capture/capture_int.h"
#include "io/child.h"
#include "io/log.h"

enum { MEMORY_MAX = 256 * 1024 * 1024 };

static void
usage(void)
{
	fputs("usage: coppice-capture [-l LEVEL] INTERFACE SANDBOX\n"
	      "It is started by coppice-privd, with a packet socket.\n",
	    stderr);
	exit(2);
}

static void
on_term(int signo)
{
	(void)signo;
	capture_stop();
}

/* A filter may not take the host with it. */
static int
limit(struct err *e)
{
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_AS, &memory) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_NPROC, &none) < 0)
		return err_sys(e, "limits");
	return 0;
}

static int
run(struct capture_fds fds, const char *ifname, const char *sandbox,
    struct err *e)
{
	struct sigaction term = { .sa_handler = on_term };
	char why[PCAP_ERRBUF_SIZE];

	(void)sigaction(SIGTERM, &term, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	tzset(); /* opens files, which the log's first line would */
	if (pcap_init(PCAP_CHAR_ENC_LOCAL, why) < 0)
		return err_set(e, ERR_SYS, "libpcap: %s", why);
	if (limit(e) < 0 || confine(fds, e) < 0)
		return -1;
	/* Nothing that a stranger wrote was read before this line. */
	return capture_run(fds, ifname, sandbox, e);
}

int
main(int argc, char **argv)
{
	struct capture_fds fds = { child_fd("packet"), child_fd("stream") };
	enum log_level level = LOG_L_INFO;
	struct err e = { .kind = ERR_NONE };
	int ch;

	while ((ch = getopt(argc, argv, "l:")) != -1)
		if (ch != 'l' || log_level_from(optarg, &level) < 0)
			usage();
	if (argc - optind != 2 || fds.packet < 0 || fds.stream < 0)
		usage();
	log_open("coppice-capture", level);
	if (run(fds, argv[optind], argv[optind + 1], &e) == 0)
		return 0;
	/* Who asked for something wrong has been told, and it is theirs. */
	if (e.kind == ERR_INVALID)
		return 0;
	log_warn("capture.failed sbx=%s err=\"%s\"", argv[optind + 1], e.msg);
	return 1;
}
