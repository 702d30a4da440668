/*
 * fsm.h - the states of a sandbox and what may happen in each: one table,
 * printed by `coppice-apid --dump-fsm`.
 */
#ifndef SANDBOX_FSM_H
#define SANDBOX_FSM_H

#include <stdio.h>

enum sb_state {
	SB_NONE,    /* no such cell: the event is refused */
	SB_WARMING, /* nobody's yet: pool.c stands it up ahead of need */
	SB_WARM,
	SB_CREATING,
	SB_RUNNING,
	SB_PAUSING,
	SB_PAUSED,
	SB_RESUMING,
	SB_KILLING,
	SB_GONE,
	SB_NSTATES,
};

enum sb_event {
	EV_READY,  /* the plan under way has ended well */
	EV_FAILED, /* ... or badly, and is undone */
	EV_CLAIM,  /* a create takes it */
	EV_PAUSE,
	EV_RESUME,
	EV_KILL, /* asked for, or its time is over */
	EV_DEAD, /* its init ended by itself */
	EV_NEVENTS,
};

/*
 * SB_NONE if the event is refused.  The same state again means: noted, and
 * acted upon when the plan under way has ended.
 */
enum sb_state fsm_next(enum sb_state from, enum sb_event ev);

const char *fsm_state_name(enum sb_state s);
const char *fsm_event_name(enum sb_event ev);
/* -1 if there is no state of that name. */
int fsm_state_from(const char *name, enum sb_state *out);

/* As a Markdown table. */
void fsm_dump(FILE *to);

#endif
