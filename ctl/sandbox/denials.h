/*
 * denials.h - what a sandbox was denied, lately: a bounded list, repeated
 * packets of one flow merged, each with the rule of the policy under which it
 * was judged.
 */
#ifndef SANDBOX_DENIALS_H
#define SANDBOX_DENIALS_H

#include "ctl/sandbox/record.h"
#include "dataplane/egress/denial_msg.h"
#include "netpolicy/ir.h"

enum { DENIALS_MAX = 256 };

struct sb_denial {
	struct denial d; /* the first of these packets */
	uint64_t last_us;
	uint32_t count;
	bool judged;
	/*
	 * Set if text is: the rule that denied it.  NULL where none did: a
	 * packet of no flow that the sandbox opened, or one of a policy that
	 * nobody remembers.
	 */
	enum np_src src;
	char origin[NP_ORIGIN_TEXT];
	char *text;
};

struct sb_denials {
	struct sb_denial *v; /* by last_us, after sandbox_denials() */
	uint32_t n, cap;
	uint64_t dropped; /* packets of entries that made room for others */
	/*
	 * Under which generations the policy in the record has held: since to
	 * the record's own.  UINT32_MAX: not known yet.
	 */
	uint32_t since;
	uint32_t tenant; /* lower ones are those of the slot's last tenant */
	/* The policy before it: what was denied under it may still arrive. */
	struct sb_net was;
	uint32_t was_since, was_until; /* 0: there is none */
	bool was_aged;
};

#endif
