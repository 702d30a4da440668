/* cmd/cmd.h - what the subcommands of netpolicy share. */
#ifndef NETPOLICY_CMD_H
#define NETPOLICY_CMD_H

#include <stdio.h>

#include <jansson.h>

#include "explain.h"
#include "ir.h"
#include "json/ir_json.h"
#include "nft/emit.h"
#include "pf/emit.h"

enum { EXIT_PASS = 0, EXIT_DROP = 1, EXIT_ERROR = 2 };
enum { CMD_TEXT_MAX = 64 * 1024 * 1024, CMD_FILE_MAX = 1024 * 1024 };

enum cmd_format { FMT_IR, FMT_NFT, FMT_PF, FMT_PF_ROOT };

struct cmd_opts {
	const char *policy; /* file; NULL or "-": standard input */
	const char *site;   /* file; NULL: built-in ranges only */
	const char *flow;
	const char *const *args; /* what follows the options */
	int nargs;
	enum cmd_format format;
	bool json, no_merge, no_shadow;
	/* of the slot that compile prints, and that show and verify look at */
	uint32_t slot, gen, birth;
	bool has_slot; /* --slot was there */
	bool v6;
	const char *uplink;
	unsigned freebsd;
	uint32_t max_flows, max_pps, max_egress_mbit, max_ingress_mbit;
};

/* A policy and all that is made from it. */
struct cmd_input {
	json_t *body;	 /* the file */
	json_t *network; /* borrowed from it */
	struct np_policy policy;
	struct np_site site;
	struct np_ir ir; /* no pass has touched it */
};

/* NULL and "-" read standard input. */
int cmd_input_read(
    struct cmd_input *in, const char *policy, const char *site, struct err *e);
void cmd_input_fini(struct cmd_input *in);

/* All of it, up to b->max bytes. */
int cmd_read_file(const char *path, struct buf *b, struct err *e);

int cmd_passes(const struct cmd_opts *o, struct np_ir *ir, struct err *e);

/* Standard output, with a newline behind it; a failure to write is one. */
int cmd_print_json(json_t *taken, struct err *e);
int cmd_print_text(struct buf *b, struct err *e);

/* Control bytes as '?', for a terminal. */
const char *cmd_clean(char *text);

void cmd_nft_conf(const struct cmd_opts *o, struct nft_conf *out);
void cmd_pf_conf(const struct cmd_opts *o, struct pf_conf *out);

/* Each returns an exit status, or -1 with e. */
/* `diff --pf`; passes go over both. */
int cmd_pf_plan(const struct cmd_opts *o, struct cmd_input *from,
    struct cmd_input *to, struct err *e);
/* `verify --pf`: what the host's own pf has; freebsd/, linux/. */
int cmd_pf_verify(const struct cmd_opts *o, struct err *e);
int cmd_compile(const struct cmd_opts *o, struct err *e);
int cmd_explain(const struct cmd_opts *o, struct err *e);
int cmd_lint(const struct cmd_opts *o, struct err *e);
int cmd_diff(const struct cmd_opts *o, struct err *e);
int cmd_show(const struct cmd_opts *o, struct err *e);
int cmd_verify(const struct cmd_opts *o, struct err *e);

#endif
