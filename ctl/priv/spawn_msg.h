/*
 * spawn_msg.h - what coppice-apid and coppice-proxyd may ask of
 * `coppice-privd spawn`.
 *
 * As rules_msg.h: one header in front of every message, either way; one reply,
 * under its request's type and seq; events with seq 0.  proxyd's channel
 * accepts SPAWN_SOCK alone.  Nothing here is a path, a directory descriptor, a
 * pid or an interface name: privd makes those itself, from the slot.
 */
#ifndef PRIV_SPAWN_MSG_H
#define PRIV_SPAWN_MSG_H

#include "base/err.h"

#include <stdint.h>

enum spawn_type {
	SPAWN_HELLO,  /* reply; then one SPAWN_EV_FOUND for each sandbox found,
			 then SPAWN_EV_FOUND_END */
	SPAWN_SLOTS,  /* struct spawn_slots: stand slots up; EV_SLOT each */
	SPAWN_CREATE, /* struct spawn_create; reply carries a socket inside */
	SPAWN_KILL,   /* struct spawn_ref; replied when every process is gone */
	SPAWN_FREEZE, /* struct spawn_ref; replied when frozen, files synced */
	SPAWN_THAW,   /* struct spawn_ref */
	SPAWN_SOCK,   /* struct spawn_sock: n TCP sockets made inside */
	SPAWN_STATS,  /* struct spawn_ref: spawn_stats */
	SPAWN_DISCARD, /* struct spawn_disk: remove files kept by KEEP_DISK */
	SPAWN_SOCKETS, /* struct spawn_ref: the sandbox's connected sockets;
			  the reply brings a sealed memory file of nsockets
			  struct spawn_socket, or nothing if there are none */
	SPAWN_CUT, /* struct spawn_cut + n struct spawn_socket: end these; who
		      has one open gets ECONNABORTED */
	SPAWN_CAPTURE, /* struct spawn_ref: start coppice-capture on its link;
			  the reply brings a stream socket to it */
	SPAWN_NTYPES,
	/* events, privd -> apid */
	SPAWN_EV_FOUND = 64, /* struct spawn_found */
	SPAWN_EV_FOUND_END,
	SPAWN_EV_SLOT, /* struct spawn_slot_ev: a slot is ready, or failed */
	SPAWN_EV_DEAD, /* struct spawn_ref: a sandbox's init ended by itself */
};

enum {
	SPAWN_ID_MAX = 32,	 /* "i" and 20 of [a-z0-9], terminated */
	SPAWN_TEMPLATE_MAX = 32, /* 20 of [a-z0-9], terminated */
	SPAWN_SECRET_LEN = 32,
	SPAWN_ENVD_PORT = 49983,
};

/* In the pad of a KILL's header: its files stay, until DISCARD. */
enum { SPAWN_KEEP_DISK = 1 };

struct spawn_hdr {
	uint16_t type;
	uint16_t pad;
	uint32_t len; /* of the body, in bytes */
	uint32_t seq; /* comes back in the reply; never 0 */
};

/* A slot, and which of its tenants: a late message finds nobody. */
struct spawn_ref {
	uint32_t slot;
	uint32_t incarnation; /* never 0; grows with each tenant of the slot */
};

struct spawn_slots {
	uint32_t first, n;
	uint32_t incarnation; /* of the tenant that each will get */
};

struct spawn_create {
	struct spawn_ref ref;
	char id[SPAWN_ID_MAX]; /* also the host name inside */
	char template_id[SPAWN_TEMPLATE_MAX];
	uint8_t secret[SPAWN_SECRET_LEN]; /* what /init asks for */
	uint32_t cpu_count; /* cores: quota, and what nproc says */
	uint32_t memory_mb;
	uint32_t disk_mb;
	uint32_t pids_max;
	uint32_t keep_disk; /* 1: the upper of this id exists; start on it */
};

struct spawn_sock {
	struct spawn_ref ref;
	uint32_t n;	 /* 1 to 8 */
	uint32_t family; /* 4 or 6 */
};

/* As the kernel names it (linux/inet_diag.h), so that no other is ended. */
struct spawn_socket {
	uint8_t to[16], from[16]; /* network order; IPv4 in the first four */
	uint8_t family;		  /* 4 or 6 */
	uint8_t proto;		  /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t state;		  /* TCP_ESTABLISHED, ... */
	uint8_t dev; /* index of the interface that it's bound to, or 0 */
	uint16_t port, from_port;
	uint32_t cookie[2];
};

enum { SPAWN_CUT_MAX = 512 };

struct spawn_cut {
	struct spawn_ref ref;
	uint32_t n; /* 1 to SPAWN_CUT_MAX */
};

struct spawn_disk {
	char id[SPAWN_ID_MAX];
};

struct spawn_found {
	struct spawn_ref ref;
	char id[SPAWN_ID_MAX];
	char template_id[SPAWN_TEMPLATE_MAX];
	uint8_t frozen;
	uint8_t alive;	/* 0: no init left; privd is clearing it away, but
			   for files that are kept: then slot is 0 */
	uint8_t pooled; /* a slot that no tenant has had */
	uint8_t pad;
};

struct spawn_slot_ev {
	struct spawn_ref ref;
	int32_t rc; /* 0 ready, -1 failed */
	struct err err;
};

struct spawn_stats {
	uint64_t cpu_us;			 /* since the sandbox began */
	uint64_t mem_used, mem_cache, mem_total; /* bytes */
	uint64_t disk_used, disk_total;		 /* bytes */
	uint32_t pids;
	uint32_t oom_kills;
};

struct spawn_reply {
	uint32_t seq;
	int32_t rc; /* 0, or -1 with err */
	struct err err;
	struct spawn_stats stats; /* STATS */
	char disk_backend[64];	  /* HELLO: which one, and why */
	uint32_t nsockets;	  /* SOCKETS */
	uint32_t ncut; /* CUT: of those asked for; the rest was gone already */
};

#endif
