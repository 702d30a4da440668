/* net.c - coppice net VERB ...: the network of one live sandbox. */
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "tools/coppice_int.h"
#include "tools/net_int.h"

static const struct {
	const char *name, *args, *says;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "show", "[--json] SANDBOX", "its policy, and what it may reach",
	    net_show },
	{ "explain", "[--json] SANDBOX ADDRESS[:PORT][/PROTO]",
	    "why a flow passes or does not", net_explain },
	{ "diff", "[--json] SANDBOX FILE|-",
	    "what a PUT of this body would change", net_diff },
	{ "flows", "[--json] SANDBOX", "its connections", net_flows },
	{ "denials", "[--json] SANDBOX", "what it tried and may not",
	    net_denials },
	{ "counters", "[--json] SANDBOX", "packets that were judged",
	    net_counters },
	{ "capture",
	    "[-f] [-w FILE|-] [-c PACKETS] [-b BYTES] [-t SECONDS]\n"
	    "\t[-s SNAPLEN] SANDBOX [FILTER ...]",
	    "the packets of its link, as pcapng", net_capture },
};

int
net_usage(void)
{
	for (size_t i = 0; i < countof(verbs); i++)
		fprintf(stderr, "%s coppice net %s %s\n\t%s\n",
		    i == 0 ? "usage:" : "      ", verbs[i].name, verbs[i].args,
		    verbs[i].says);
	return 2;
}

int
cmd_net(int argc, char **argv)
{
	for (size_t i = 0; argc > 0 && i < countof(verbs); i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 0)
		fprintf(stderr, "coppice: net %.40s: there is no such verb\n",
		    argv[0]);
	return net_usage();
}
