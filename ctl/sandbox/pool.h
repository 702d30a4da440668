/*
 * pool.h - sandboxes of a template stood up ahead of need.
 *
 * A member is a real sandbox under its final id: slot, processes, envd that
 * has answered, start command ready, network closed.  It has no row, no route
 * and no policy, and no client sees it.  A create takes one, and gives it
 * what makes it somebody's.
 */
#ifndef SANDBOX_POOL_H
#define SANDBOX_POOL_H

#include "ctl/sandbox/sandbox.h"

enum {
	POOL_LULL_MS = 50,	  /* nothing was asked for so long: fill up */
	POOL_WAIT_MAX_MS = 500,	  /* ... or it waits so long already */
	POOL_LOOK_MS = 2000,	  /* between two looks at the templates */
	POOL_AGAIN_MIN_MS = 1000, /* after one failed or died; doubled */
	POOL_AGAIN_MAX_MS = 60000,
	POOL_MEMORY_FLOOR = 16 * 1024 * 1024, /* of one, until measured */
};

/* The members of one template. */
struct pool_line {
	char template_id[SPAWN_TEMPLATE_MAX];
	char build_id[40];
	struct sandbox *first, *last; /* ready ones, the oldest first */
	uint32_t nready, nwarming, target;
	int64_t wish; /* the target that was asked for; -1: none was */
	unsigned failures;
	struct mono not_before;
	uint64_t used; /* the greater the later */
	bool seen;
};

struct pool {
	struct pool_line *v;
	size_t n;
	bool on, off; /* recovery is over; it is the end */
	struct loop_timer tick;
	struct mono busy, looked, waiting;
	bool is_waiting;
	uint64_t uses;
	struct sb_ref warming; /* one at a time; index 0: none */
	uint32_t ngoing;       /* given up, and still with a slot */
};

/* --- for the API ----------------------------------------------------------*/

struct pool_status {
	uint32_t ready, warming, target;
	uint32_t in_use; /* sandboxes of the template that clients have */
};
void engine_pool_status(
    struct engine *en, const char *template_id, struct pool_status *out);
/* Keep `count` ready from now on; refused where there is no room for them. */
int engine_pool_warm(struct engine *en, const char *template_id, uint32_t count,
    const char **code, struct err *e);
/* Keep none; how many went. */
uint32_t engine_pool_drain(struct engine *en, const char *template_id);
/* No more of them: it is the end.  How many are left is _left(). */
void engine_pool_end(struct engine *en);
uint32_t engine_pool_left(const struct engine *en);

/* --- for the engine -------------------------------------------------------*/

void pool_init(struct engine *en);
void pool_fini(struct engine *en);
/* Somebody asks for something: filling up waits. */
void pool_busy(struct engine *en);
/* Takes a member for c, and what c owns; false if there is none to be had. */
bool pool_claim(struct engine *en, struct sb_create *c);
/* One of the two that a claim waits for has come; badly if e. */
void claim_half(struct sandbox *sb, const struct err *e);
/* The member was no good: once more, without the pool. */
void claim_failed(struct sandbox *sb);
/* Its plan has ended: it is ready, or gone if e. */
void pool_over(struct sandbox *sb, const struct err *e);
void pool_died(struct sandbox *sb);
/* It is being killed, and not to be had any more. */
void pool_leave(struct sandbox *sb);
void pool_forget(struct sandbox *sb);
/* Gives one up to make room; false if there is none. */
bool pool_give_up(struct engine *en);
uint32_t pool_going(const struct engine *en);

#endif
