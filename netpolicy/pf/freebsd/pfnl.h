/*
 * pf/freebsd/pfnl.h - numbers of the generic netlink family `pfctl`.
 *
 * The kernel's interface, in the order of sys/netpfil/pf/pf_nl.h of FreeBSD
 * 15.1, as far as we use it; declared here because the headers that we are
 * compiled with may be an earlier release's.  A command that a kernel does not
 * have is not among those that it lists of the family (pf_dev_can()).
 */
#ifndef PF_FREEBSD_PFNL_H
#define PF_FREEBSD_PFNL_H

enum pfn_cmd {
	PFN_GETSTATES = 1,
	PFN_START = 3,
	PFN_ADDRULE = 5,
	PFN_GETRULES = 6,
	PFN_GETRULE = 7,
	PFN_KILLSTATES = 9,
	PFN_GET_STATUS = 11,
	PFN_GET_LIMIT = 18,
	PFN_BEGIN_ADDRS = 19,
	PFN_ADD_ADDR = 20,
	PFN_GET_ADDRS = 21,
	PFN_GET_ADDR = 22,
	PFN_GET_RULESETS = 23,
	PFN_GET_RULESET = 24,
};

/* Both ends of a flow, as the wire or as our stack sees it. */
enum pfn_state_key {
	PFN_K_ADDR0 = 1, /* 4 or 16 bytes */
	PFN_K_ADDR1 = 2,
	PFN_K_PORT0 = 3, /* u16, network order */
	PFN_K_PORT1 = 4,
	PFN_K_AF = 5,	 /* u8 */
	PFN_K_PROTO = 6, /* u16 */
};

enum pfn_state_peer { PFN_P_STATE = 10 /* u8 */ };

enum pfn_state {
	PFN_S_ID = 1,	     /* u64, network order; asked for as u32 */
	PFN_S_CREATORID = 2, /* u32 */
	PFN_S_IFNAME = 3,
	PFN_S_KEY_WIRE = 5,
	PFN_S_KEY_STACK = 6,
	PFN_S_PEER_SRC = 7,
	PFN_S_PEER_DST = 8,
	PFN_S_EXPIRE = 14,   /* u32, seconds */
	PFN_S_PACKETS0 = 15, /* u64: with the flow */
	PFN_S_PACKETS1 = 16, /* u64: against it */
	PFN_S_BYTES0 = 17,
	PFN_S_BYTES1 = 18,
	PFN_S_AF = 19,
	PFN_S_PROTO = 21,     /* u8 */
	PFN_S_DIRECTION = 22, /* u8 */
	PFN_S_FILTER_ADDR = 29,
	PFN_S_FILTER_MASK = 30,
};

enum pfn_addr {
	PFN_A_ADDR = 1, /* always 16 bytes */
	PFN_A_MASK = 2,
	PFN_A_IFNAME = 3,
	PFN_A_TABLENAME = 4,
	PFN_A_TYPE = 5,	  /* u8 */
	PFN_A_IFLAGS = 6, /* u8 */
};

enum pfn_rule_addr {
	PFN_RA_ADDR = 1,
	PFN_RA_PORT0 = 2, /* u16, network order */
	PFN_RA_PORT1 = 3,
	PFN_RA_NEG = 4, /* u8 */
	PFN_RA_OP = 5,	/* u8 */
};

enum pfn_labels { PFN_L_LABEL = 1 };

enum pfn_pool {
	PFN_PO_PORT0 = 4, /* u16, host order */
	PFN_PO_PORT1 = 5,
	PFN_PO_OPTS = 6, /* u8 */
};

enum pfn_rule {
	PFN_R_SRC = 1,
	PFN_R_DST = 2,
	PFN_R_LABELS = 4,
	PFN_R_IFNAME = 5,
	PFN_R_QNAME = 6,
	PFN_R_TAGNAME = 8,
	PFN_R_MATCH_TAGNAME = 9,
	PFN_R_OVERLOAD = 10,
	PFN_R_POOL_RDR = 11,
	PFN_R_OS_FINGERPRINT = 12,
	PFN_R_RTABLEID = 13,
	PFN_R_MAX_STATES = 15,
	PFN_R_MAX_SRC_NODES = 16,
	PFN_R_MAX_SRC_STATES = 17,
	PFN_R_DNPIPE = 20,
	PFN_R_DNRPIPE = 21,
	PFN_R_PROB = 24,
	PFN_R_RETURN_ICMP = 27,	 /* u16 */
	PFN_R_RETURN_ICMP6 = 28, /* u16 */
	PFN_R_RULE_FLAG = 33,	 /* u32 */
	PFN_R_ACTION = 34,	 /* u8, and so are these */
	PFN_R_DIRECTION = 35,
	PFN_R_LOG = 36,
	PFN_R_LOGIF = 37,
	PFN_R_QUICK = 38,
	PFN_R_IF_NOT = 39,
	PFN_R_MATCH_TAG_NOT = 40,
	PFN_R_NATPASS = 41,
	PFN_R_KEEP_STATE = 42,
	PFN_R_AF = 43,
	PFN_R_PROTO = 44,
	PFN_R_TYPE = 45,
	PFN_R_CODE = 46,
	PFN_R_FLAGS = 47,
	PFN_R_FLAGSET = 48,
	PFN_R_ALLOW_OPTS = 50,
	PFN_R_RT = 51,
	PFN_R_TOS = 53,
	PFN_R_PRIO = 58,
	PFN_R_PACKETS_IN = 63, /* u64 */
	PFN_R_PACKETS_OUT = 64,
	PFN_R_ANCHOR_CALL = 72,
	PFN_R_RCV_IFNAME = 73,
	PFN_R_MAX_SRC_CONN = 74,
	PFN_R_POOL_NAT = 75,
};

enum pfn_addrule {
	PFN_AR_TICKET = 1, /* u32 */
	PFN_AR_POOL_TICKET = 2,
	PFN_AR_ANCHOR = 3,
	PFN_AR_ANCHOR_CALL = 4,
	PFN_AR_RULE = 5,
};

enum pfn_getrules {
	PFN_GR_ANCHOR = 1,
	PFN_GR_ACTION = 2, /* u8 */
	PFN_GR_NR = 3,	   /* u32 */
	PFN_GR_TICKET = 4,
};

enum pfn_killstates {
	PFN_CS_ID = 1,	      /* u64, network order */
	PFN_CS_CREATORID = 2, /* u32 */
	PFN_CS_KILLED = 13,   /* u32 */
};

enum pfn_status { PFN_ST_RUNNING = 2, PFN_ST_STATES = 6 };

enum pfn_limit {
	PFN_LI_INDEX = 1,
	PFN_LI_LIMIT = 2,
	/* pools */
	PFN_LIMIT_STATES = 0,
	PFN_LIMIT_TABLE_ENTRIES = 3,
	PFN_LIMIT_ANCHORS = 4,
};

enum pfn_begin_addrs { PFN_BA_TICKET = 1 };

enum pfn_pool_addr { PFN_PA_ADDR = 1, PFN_PA_IFNAME = 2 };

enum pfn_add_addr {
	PFN_AA_ACTION = 1, /* u32 */
	PFN_AA_TICKET = 2,
	PFN_AA_NR = 3,
	PFN_AA_R_NUM = 4,
	PFN_AA_R_ACTION = 5, /* u8 */
	PFN_AA_R_LAST = 6,   /* u8 */
	PFN_AA_AF = 7,	     /* u8 */
	PFN_AA_ANCHOR = 8,
	PFN_AA_ADDR = 9,
	PFN_AA_WHICH = 10, /* u32 */
};

enum pfn_rulesets { PFN_RS_PATH = 1, PFN_RS_NR = 2, PFN_RS_NAME = 3 };

/* Of sys/netpfil/pf/pf.h: what rules and addresses are made of. */
enum pfn_action {
	PFN_PASS = 0,
	PFN_DROP = 1,
	PFN_NAT = 4,
	PFN_RDR = 8,
	PFN_MATCH = 12,
};
enum pfn_addr_type { PFN_ADDRMASK = 0, PFN_DYNIFTL = 2, PFN_TABLE = 3 };
/* of enum pfn_op: LO:HI with both its ends is the last */
enum pfn_op { PFN_OP_NONE = 0, PFN_OP_EQ = 2, PFN_OP_RRG = 9 };
enum pfn_flag { PFN_F_RETURN = 0x8, PFN_F_IFBOUND = 0x10000 };
enum pfn_ruleset { PFN_SET_FILTER = 1, PFN_SET_NAT = 2, PFN_SET_RDR = 4 };
enum { PFN_SET_TABLE = 6, PFN_STATE_NORMAL = 1, PFN_LOG = 1 };

#endif
