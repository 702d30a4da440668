/*
 * rules_msg.h - what coppice-apid may ask of `coppice-privd rules`.
 *
 * Over one seqpkt channel.  Every message, either way, has a struct rules_hdr
 * in front.  A request gets exactly one struct rules_reply, under its own type
 * and seq; events have a type of their own, seq 0, and no body.  A record that
 * does not fit ends privd: then the daemon is no longer ours.
 */
#ifndef PRIV_RULES_MSG_H
#define PRIV_RULES_MSG_H

#include "base/err.h"
#include "base/prefix.h"

enum rules_type {
	RULES_HELLO,   /* rules_hello_reply: table present or rebuilt */
	RULES_SLOTS,   /* struct rules_slots: make chains and sets ahead */
	RULES_APPLY,   /* struct rules_apply + entries */
	RULES_CLEAR,   /* struct rules_clear: no generation is live any more */
	RULES_STATE,   /* struct rules_clear: rules_state_reply of one slot */
	RULES_FLOWS,   /* struct rules_clear: what conntrack knows of one slot;
			  the reply brings a sealed memory file of nflows struct
			  rules_flow, or no descriptor if there are none */
	RULES_PREPARE, /* struct rules_clear: closes the slot, and puts into its
			  sets what a policy without entries opens.  Nothing
			  is live, so nothing passes; the first APPLY has the
			  less to change */
	RULES_NTYPES,
	/* events, privd -> apid */
	RULES_EV_LOST = 64, /* the table was flushed or edited and is rebuilt:
			       every policy has to be applied again */
	RULES_EV_SITE,	    /* the operator's ranges are others now: every
			       policy has to be applied again, and until
			       then what was in force is */
};

enum {
	RULES_SLOT_MAX = 16383,
	RULES_INLINE_MAX = 64 * 1024,
	RULES_FLOWS_MAX = 65536,
};

/*
 * The lowest generation.  Anything below (and not 0) that a ct mark holds is
 * not ours.  A slot's BIRTH is the generation of its first APPLY after a
 * CLEAR; flows with a smaller mark belong to the previous tenant.
 */
enum { RULES_GEN_FIRST = 0x100 };

struct rules_hdr {
	uint16_t type;
	uint16_t pad;
	uint32_t len; /* of the body, in bytes */
	uint32_t seq; /* comes back in the reply; never 0 */
};

struct rules_slots {
	uint32_t first, n; /* slots first .. first+n-1 */
};

struct rules_clear {
	uint32_t slot;
};

/*
 * Followed by nallow + ndeny struct rules_entry and nports struct rules_port,
 * in the message where they fit into RULES_INLINE_MAX, else in a sealed memory
 * file whose descriptor rides on the message (F_SEAL_SHRINK|GROW|WRITE|SEAL).
 */
struct rules_apply {
	uint32_t slot;
	uint32_t gen;	/* greater than any used before, on the whole host */
	uint32_t birth; /* 1: a new tenant; older flows of the slot die */
	uint32_t nallow, ndeny;
	uint32_t nports; /* at most NP_PORTS_MAX */
	uint8_t deny_all, no_internet, in_memfd, pad;
};

struct rules_entry {
	uint8_t addr[16]; /* network order; IPv4 in the first four */
	uint8_t family;	  /* 4 or 6 */
	uint8_t len;	  /* prefix length */
	uint8_t pad[2];
	uint32_t item; /* index in the client's list */
};

struct rules_port {
	uint16_t lo, hi; /* 1 <= lo <= hi */
	uint8_t proto;	 /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t deny;	 /* 1, or 0: allow */
	uint8_t pad[2];
	uint32_t item; /* index in the client's list */
};

/*
 * A connection as conntrack has it, seen from the sandbox that opened it:
 * addresses before any translation.
 */
struct rules_flow {
	uint8_t to[16];	 /* network order; IPv4 in the first four */
	uint8_t family;	 /* 4 or 6 */
	uint8_t proto;	 /* IPPROTO_* */
	uint8_t state;	 /* of TCP: enum tcp_conntrack of the kernel; else 0 */
	uint8_t replied; /* 1: the other side has answered */
	uint16_t port;	 /* 0 where the protocol has none */
	uint16_t from_port;
	uint32_t gen;	    /* ct mark: under which it was judged last */
	uint32_t timeout_s; /* until it is forgotten, if nothing more comes */
	uint64_t sent_packets, sent_bytes; /* all 0 without accounting */
	uint64_t got_packets, got_bytes;
};

struct rules_state {
	uint32_t slot;
	uint32_t gen; /* live generation, 0 if none */
	uint32_t nok4, nok6;
	uint64_t passed, denied, stale; /* packets by verdict */
};

struct rules_reply {
	uint32_t seq;
	int32_t rc; /* 0, or -1 with err */
	struct err err;
	uint32_t max_gen; /* HELLO: the highest generation the kernel knows */
	uint32_t rebuilt; /* HELLO: 1 if the table was made anew */
	uint32_t nslots;  /* HELLO: slots 1..nslots have chains already.  The
			     reply brings a descriptor: the NFLOG socket of
			     denied packets, for egressd; only to be read */
	uint32_t revoked; /* APPLY: how many ranges were open and are closed */
	uint32_t nflows;  /* FLOWS */
	struct rules_state state; /* STATE */
};

#endif
