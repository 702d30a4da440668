/*
 * route_msg.h - what coppice-apid tells coppice-proxyd about sandboxes, and
 * how much proxyd has carried for each.
 *
 * proxyd holds the whole table and asks nobody on a request.  It drains this
 * channel before each look-up, and apid sends before it answers its client,
 * so a client never sees a table older than the answer it got.
 */
#ifndef PROXY_ROUTE_MSG_H
#define PROXY_ROUTE_MSG_H

#include <stdint.h>

enum route_type {
	ROUTE_RESET, /* forget all: a new apid; SETs follow, then SYNCED */
	ROUTE_SYNCED,
	ROUTE_SET, /* struct route_set */
	ROUTE_DEL, /* struct route_del */
	/* proxyd -> apid, half a second after it changed at the latest */
	ROUTE_BYTES, /* struct route_bytes */
	/*
	 * proxyd -> apid: requests wait for a paused sandbox that traffic may
	 * wake.  apid answers with a WOKE, behind the SET that it has led to,
	 * or with a DEL; a new apid is asked again.
	 */
	ROUTE_WAKE, /* struct route_wake */
	ROUTE_WOKE, /* struct route_woke */
};

enum route_state { ROUTE_RUNNING, ROUTE_PAUSED, ROUTE_CHANGING };

struct route_hdr {
	uint16_t type;
	uint16_t len; /* of the body */
};

struct route_set {
	char id[32];
	uint32_t slot, incarnation;
	uint8_t state;		 /* enum route_state */
	uint8_t private_traffic; /* allowPublicTraffic: false */
	uint8_t auto_resume;	 /* a request may wake it: it has its memory */
	uint8_t pad;
	char traffic_token[72]; /* "" if none */
	char mask_host[256];	/* maskRequestHost, "" if none */
	/* What port 49983 asks of who wakes it; "" if it need not ask. */
	char envd_token[72];
};

struct route_del {
	char id[32];
};

struct route_wake {
	char id[32];
};

struct route_woke {
	char id[32];
	uint16_t status; /* 0, or what those who wait are answered with */
};

/* Since proxyd knows this life of the sandbox; heads and bodies. */
struct route_bytes {
	char id[32];
	uint32_t slot, incarnation;
	uint64_t received; /* by the sandbox */
	uint64_t sent;	   /* by the sandbox */
};

#endif
