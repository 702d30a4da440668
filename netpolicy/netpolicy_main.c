/* netpolicy - compiles, explains and checks sandbox egress policies. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cmd/cmd.h"

static const char help[] =
    "usage: netpolicy compile [--ir | --nft | --pf | --pf-root] [options]\n"
    "       netpolicy explain -t ADDRESS[:PORT][/PROTO] [options]\n"
    "       netpolicy lint [options]\n"
    "       netpolicy diff [--pf] [options] OLD NEW\n"
    "       netpolicy show [options] [TABLE]\n"
    "       netpolicy verify -p FILE --slot N [--pf] [options] [TABLE]\n"
    "\n"
    "  -p, --policy FILE   JSON: a network object, or the body of a create\n"
    "                      or PUT request; standard input without it\n"
    "  -t, --to FLOW       what to explain; IPv6 with a port: [ADDRESS]:PORT\n"
    "      --site FILE     lines of CIDR to deny always, or `allow CIDR`\n"
    "      --json          the answer as JSON\n"
    "      --no-pass NAME  leave out a pass: merge, shadow\n"
    "      --slot N        compile for slot N (1); show or verify slot N "
    "alone\n"
    "      --gen N         its live generation (0x101); 0: closed\n"
    "      --birth N       its tenant's first generation (that of --gen)\n"
    "      --no-v6         the host has no IPv6\n"
    "      --max-flows N   connections of one sandbox (4096)\n"
    "      --max-packets-per-s N\n"
    "                      nft: packets that it sends (0: no limit)\n"
    "      --max-egress-mbit N, --max-ingress-mbit N\n"
    "                      nft: megabits a second, out and in (0: no limit)\n"
    "      --uplink IF     pf: the interface that leads out (vtnet0)\n"
    "      --freebsd N     pf: 14 or 15 (15)\n"
    "  TABLE               what `nft list table inet coppice` prints; "
    "standard\n"
    "                      input without it\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "\n"
    "exit status: 0 passes, clean or same; 1 drops, findings or different;\n"
    "2 error\n";

enum { SLOT_MAX = 16383, GEN_DEFAULT = 0x101, GEN_FIRST = 0x100 };

static const struct {
	const char *name;
	int (*run)(const struct cmd_opts *o, struct err *e);
	int max; /* arguments */
} commands[] = {
	{ "compile", cmd_compile, 0 },
	{ "explain", cmd_explain, 0 },
	{ "lint", cmd_lint, 0 },
	{ "diff", cmd_diff, 2 },
	{ "show", cmd_show, 1 },
	{ "verify", cmd_verify, 1 },
};

enum opt {
	OPT_IR = 256,
	OPT_NFT,
	OPT_PF,
	OPT_PF_ROOT,
	OPT_SITE,
	OPT_JSON,
	OPT_NO_PASS,
	OPT_SLOT,
	OPT_GEN,
	OPT_BIRTH,
	OPT_NO_V6,
	OPT_UPLINK,
	OPT_FREEBSD,
	OPT_MAX_FLOWS,
	OPT_MAX_PPS,
	OPT_MAX_EGRESS,
	OPT_MAX_INGRESS,
};

static const struct option longs[] = {
	{ "policy", required_argument, NULL, 'p' },
	{ "to", required_argument, NULL, 't' },
	{ "ir", no_argument, NULL, OPT_IR },
	{ "nft", no_argument, NULL, OPT_NFT },
	{ "pf", no_argument, NULL, OPT_PF },
	{ "pf-root", no_argument, NULL, OPT_PF_ROOT },
	{ "site", required_argument, NULL, OPT_SITE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "no-pass", required_argument, NULL, OPT_NO_PASS },
	{ "slot", required_argument, NULL, OPT_SLOT },
	{ "gen", required_argument, NULL, OPT_GEN },
	{ "birth", required_argument, NULL, OPT_BIRTH },
	{ "no-v6", no_argument, NULL, OPT_NO_V6 },
	{ "uplink", required_argument, NULL, OPT_UPLINK },
	{ "freebsd", required_argument, NULL, OPT_FREEBSD },
	{ "max-flows", required_argument, NULL, OPT_MAX_FLOWS },
	{ "max-packets-per-s", required_argument, NULL, OPT_MAX_PPS },
	{ "max-egress-mbit", required_argument, NULL, OPT_MAX_EGRESS },
	{ "max-ingress-mbit", required_argument, NULL, OPT_MAX_INGRESS },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int
take_number(const char *name, const char *s, uint32_t min, uint32_t max,
    uint32_t *out, struct err *e)
{
	char *end;
	unsigned long long v = strtoull(s, &end, 0);

	if (s[0] < '0' || s[0] > '9' || *end != '\0' || v < min || v > max)
		return err_set(e, ERR_INVALID,
		    "--%s \"%.40s\": a number from %u to %u is wanted", name, s,
		    min, max);
	*out = (uint32_t)v;
	return 0;
}

static int
take_pass(struct cmd_opts *o, const char *name, struct err *e)
{
	if (strcmp(name, "merge") == 0)
		o->no_merge = true;
	else if (strcmp(name, "shadow") == 0)
		o->no_shadow = true;
	else
		return err_set(e, ERR_INVALID,
		    "--no-pass \"%.40s\": there are merge and shadow", name);
	return 0;
}

static int
take_option(struct cmd_opts *o, int c, const char *last, struct err *e)
{
	switch (c) {
	case 'p':
		o->policy = optarg;
		return 0;
	case 't':
		o->flow = optarg;
		return 0;
	case OPT_IR:
	case OPT_NFT:
	case OPT_PF:
	case OPT_PF_ROOT:
		o->format = (enum cmd_format)(c - OPT_IR);
		return 0;
	case OPT_SITE:
		o->site = optarg;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_NO_PASS:
		return take_pass(o, optarg, e);
	case OPT_SLOT:
		o->has_slot = true;
		return take_number("slot", optarg, 1, SLOT_MAX, &o->slot, e);
	case OPT_GEN:
		return take_number("gen", optarg, 0, INT32_MAX, &o->gen, e);
	case OPT_BIRTH:
		return take_number(
		    "birth", optarg, GEN_FIRST, INT32_MAX, &o->birth, e);
	case OPT_NO_V6:
		o->v6 = false;
		return 0;
	case OPT_UPLINK:
		o->uplink = optarg;
		return 0;
	case OPT_FREEBSD:
		return take_number("freebsd", optarg, 14, 15, &o->freebsd, e);
	case OPT_MAX_FLOWS:
		return take_number(
		    "max-flows", optarg, 1, 65535, &o->max_flows, e);
	case OPT_MAX_PPS:
		return take_number(
		    "max-packets-per-s", optarg, 0, 10000000, &o->max_pps, e);
	case OPT_MAX_EGRESS:
		return take_number("max-egress-mbit", optarg, 0, 100000,
		    &o->max_egress_mbit, e);
	case OPT_MAX_INGRESS:
		return take_number("max-ingress-mbit", optarg, 0, 100000,
		    &o->max_ingress_mbit, e);
	default:
		return err_set(e, ERR_INVALID,
		    "\"%.40s\" is unknown or lacks its argument: see "
		    "netpolicy --help",
		    last);
	}
}

/* 0, -1 with e, or 1: help or the version was asked for and printed. */
static int
take_options(struct cmd_opts *o, int argc, char **argv, struct err *e)
{
	int c;

	opterr = 0; /* we say it ourselves */
	while ((c = getopt_long(argc, argv, "p:t:hV", longs, NULL)) != -1) {
		if (c == 'h' || c == 'V') {
			(void)fputs(
			    c == 'h' ? help : "netpolicy " COP_VERSION "\n",
			    stdout);
			return 1;
		}
		if (take_option(o, c, argv[optind - 1], e) < 0)
			return -1;
	}
	if (o->birth == 0)
		o->birth = o->gen >= GEN_FIRST ? o->gen : GEN_FIRST;
	o->args = (const char *const *)(argv + optind);
	o->nargs = argc - optind;
	return 0;
}

static int
run(int argc, char **argv, struct err *e)
{
	struct cmd_opts o = { .format = FMT_IR,
		.slot = 1,
		.gen = GEN_DEFAULT,
		.v6 = true,
		.uplink = "vtnet0",
		.freebsd = 15,
		.max_flows = 4096 };
	int rc = take_options(&o, argc, argv, e);

	if (rc != 0)
		return rc < 0 ? -1 : EXIT_PASS;
	if (o.nargs == 0)
		return err_set(e, ERR_INVALID,
		    "no command: compile, explain, lint, diff, show or verify");
	for (size_t i = 0; i < countof(commands); i++) {
		if (strcmp(commands[i].name, o.args[0]) != 0)
			continue;
		o.args++;
		o.nargs--;
		if (o.nargs > commands[i].max)
			return err_set(e, ERR_INVALID,
			    "\"%.80s\": one argument too many",
			    o.args[commands[i].max]);
		return commands[i].run(&o, e);
	}
	return err_set(e, ERR_INVALID,
	    "\"%.40s\": no such command; there are compile, explain, lint, "
	    "diff, show and verify",
	    o.args[0]);
}

int
main(int argc, char **argv)
{
	struct err e = { .kind = ERR_NONE };
	int rc = run(argc, argv, &e);

	if (rc >= 0)
		return rc;
	cmd_clean(e.msg);
	if (e.where[0] != '\0')
		(void)fprintf(stderr, "netpolicy: %s (at %s, status %d)\n",
		    e.msg, e.where, err_status(e.kind));
	else
		(void)fprintf(stderr, "netpolicy: %s\n", e.msg);
	return EXIT_ERROR;
}
