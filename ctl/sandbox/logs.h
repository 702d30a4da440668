/*
 * logs.h - what is said inside: a connection to each running sandbox's envd,
 * its lines judged, counted and stored.
 */
#ifndef SANDBOX_LOGS_H
#define SANDBOX_LOGS_H

#include "base/buf.h"
#include "ctl/sandbox/log_line.h"
#include "io/loop.h"

/* Of one sandbox. */
struct sb_logs {
	void *conn;		 /* of whoever speaks HTTP; NULL: none */
	struct loop_timer again; /* connects, or tells what was dropped */
	unsigned tries;
	bool asked;    /* a socket is on its way */
	bool loaded;   /* seq and last_ms are those of the store, or later */
	bool skipping; /* the rest of a line that is too long */
	uint64_t seq;  /* of the last line that came */
	int64_t last_ms, floor_ms; /* of the last line; of the next, at least */
	uint32_t flush;		   /* after which floor_ms was made */
	struct buf part;	   /* of a line */
	struct mono filled;	   /* the bucket, when; 0: never */
	uint64_t lines, bytes;	   /* ... thousandths that it holds */
	uint64_t dropped;	   /* and nobody was told yet */
};

struct log_pending;

/* Of the engine: what waits to be stored. */
struct logs {
	struct log_pending *first, **last;
	uint32_t n;
	size_t bytes;
	uint32_t flush; /* how many there were */
	struct loop_timer timer;
};

#endif
