/*
 * slots.h - places for sandboxes, made ahead of need.
 *
 * A slot has one tenant in its life: it is stood up under a new incarnation,
 * taken, cleared (all processes gone, rules closed) and stood up again much
 * later.  Freed numbers wait in line until enough of them are there, so that
 * a number is reused late.
 */
#ifndef SANDBOX_SLOTS_H
#define SANDBOX_SLOTS_H

#include <stdbool.h>

#include "ctl/sandbox/chan.h"

enum {
	SLOTS_BATCH_MAX = 8,  /* stood up by one request */
	SLOTS_REST_MIN = 256, /* freed ones that wait before the first goes */
	SLOTS_SWEEP_MAX = 16,
	SLOTS_LULL_MS = 25,	/* how long making up for a take may wait */
	SLOTS_RETRY_MIN_MS = 5, /* doubled with each failure in a row */
	SLOTS_RETRY_MAX_MS = 1000,
};

enum slot_state {
	SLOT_NONE, /* nothing there */
	SLOT_MAKING,
	SLOT_READY,
	SLOT_TAKEN,
	SLOT_CLEARING,
};

struct slot {
	uint32_t incarnation;
	uint32_t next; /* in whichever line it stands; 0 = last */
	uint8_t state;
	bool stood; /* MAKING: privd spawn is done, rules are not */
	bool keep;  /* CLEARING: its files stay */
};

struct slot_line {
	uint32_t first, last, n;
};

struct slots {
	struct slot *v; /* 1..max */
	uint32_t max, target;
	uint32_t never_used; /* lowest number that never was */
	uint32_t rules_made, rules_asked;
	uint32_t swept, sweep_upto; /* see slots_sweep() */
	struct slot_line freed, ready, again;
	uint32_t nmaking, nclearing, ntaken, wanted;
	struct chan *rules, *spawn;
	struct loop *loop;
	struct loop_timer retry, lull;
	struct err last_error;
	unsigned failures, kill_failures; /* in a row */
	/* Numbers for new tenants; 0 and e if there are none. */
	uint32_t (*incarnation)(void *ctx, struct err *e);
	void (*on_ready)(void *ctx); /* a slot came, or will not come */
	/* The tenant is gone, and all that was its. */
	void (*on_cleared)(void *ctx, struct spawn_ref who);
	void *ctx;
};

/* Set rules, spawn, loop, target and the callbacks first. */
int slots_init(struct slots *s, uint32_t max, struct err *e);
void slots_fini(struct slots *s);
/* Once, at start: chains of 1..n are in the kernel. */
void slots_have_rules(struct slots *s, uint32_t n);

/* What was found at start: it is taken. */
void slots_adopt(struct slots *s, struct spawn_ref who);

/* Takes a ready one: 0, or 1 if one has to be waited for. */
int slots_take(struct slots *s, struct spawn_ref *out);
/* All are in use, and none is being cleared. */
bool slots_full(const struct slots *s);
/* So many are waited for, besides the target; makes what is missing. */
void slots_want(struct slots *s, uint32_t wanted);
/*
 * Closes the rules, kills the tenant; on_cleared when it is gone.  Its files
 * stay if keep.
 */
void slots_clear(struct slots *s, struct spawn_ref who, bool keep);
/* One without a tenant has died. */
void slots_lost(struct slots *s, struct spawn_ref who);
/*
 * After a start: a few more of the chains that nobody stands behind are shut,
 * if the last run did not come to it.  Called now and then.
 */
void slots_sweep(struct slots *s);
/* privd spawn says that one is ready, or failed. */
void slots_event(struct slots *s, const struct spawn_slot_ev *ev);

#endif
