#include "ctl/sandbox/fsm.h"

#include <string.h>

/* A cell that is not here is SB_NONE: the event is refused. */
static const enum sb_state edges[SB_NSTATES][EV_NEVENTS] = {
	[SB_WARMING] = {
		[EV_READY] = SB_WARM,
		[EV_FAILED] = SB_GONE,
		[EV_KILL] = SB_WARMING,
		[EV_DEAD] = SB_WARMING,
	},
	[SB_WARM] = {
		[EV_CLAIM] = SB_CREATING,
		[EV_KILL] = SB_KILLING,
		[EV_DEAD] = SB_KILLING,
	},
	[SB_CREATING] = {
		[EV_READY] = SB_RUNNING,
		[EV_FAILED] = SB_GONE,
		[EV_KILL] = SB_CREATING,
		[EV_DEAD] = SB_CREATING,
	},
	[SB_RUNNING] = {
		[EV_PAUSE] = SB_PAUSING,
		[EV_KILL] = SB_KILLING,
		[EV_DEAD] = SB_KILLING,
	},
	[SB_PAUSING] = {
		[EV_READY] = SB_PAUSED,
		[EV_FAILED] = SB_RUNNING,
		[EV_KILL] = SB_PAUSING,
		[EV_DEAD] = SB_PAUSING,
	},
	[SB_PAUSED] = {
		[EV_RESUME] = SB_RESUMING,
		[EV_KILL] = SB_KILLING,
		[EV_DEAD] = SB_KILLING,
	},
	[SB_RESUMING] = {
		[EV_READY] = SB_RUNNING,
		[EV_FAILED] = SB_PAUSED,
		[EV_KILL] = SB_RESUMING,
		[EV_DEAD] = SB_RESUMING,
	},
	[SB_KILLING] = {
		[EV_READY] = SB_GONE,
		[EV_KILL] = SB_KILLING,
		[EV_DEAD] = SB_KILLING,
	},
};

static const char *const states[SB_NSTATES] = {
	[SB_NONE] = "none",
	[SB_WARMING] = "warming",
	[SB_WARM] = "warm",
	[SB_CREATING] = "creating",
	[SB_RUNNING] = "running",
	[SB_PAUSING] = "pausing",
	[SB_PAUSED] = "paused",
	[SB_RESUMING] = "resuming",
	[SB_KILLING] = "killing",
	[SB_GONE] = "gone",
};

static const char *const events[EV_NEVENTS] = {
	[EV_READY] = "ready",
	[EV_FAILED] = "failed",
	[EV_CLAIM] = "claim",
	[EV_PAUSE] = "pause",
	[EV_RESUME] = "resume",
	[EV_KILL] = "kill",
	[EV_DEAD] = "dead",
};

enum sb_state
fsm_next(enum sb_state from, enum sb_event ev)
{
	return edges[from][ev];
}

const char *
fsm_state_name(enum sb_state s)
{
	return states[s];
}

const char *
fsm_event_name(enum sb_event ev)
{
	return events[ev];
}

int
fsm_state_from(const char *name, enum sb_state *out)
{
	for (unsigned s = SB_WARMING; s < SB_NSTATES; s++)
		if (strcmp(states[s], name) == 0) {
			*out = (enum sb_state)s;
			return 0;
		}
	return -1;
}

static const char *
cell(enum sb_state from, enum sb_event ev)
{
	enum sb_state to = edges[from][ev];

	if (to == SB_NONE)
		return "-";
	return to == from ? "(noted)" : states[to];
}

void
fsm_dump(FILE *to)
{
	fprintf(to, "| state |");
	for (unsigned ev = 0; ev < EV_NEVENTS; ev++)
		fprintf(to, " %s |", events[ev]);
	fprintf(to, "\n|---|");
	for (unsigned ev = 0; ev < EV_NEVENTS; ev++)
		fprintf(to, "---|");
	fprintf(to, "\n");
	for (unsigned s = SB_WARMING; s < SB_NSTATES; s++) {
		fprintf(to, "| %s |", states[s]);
		for (unsigned ev = 0; ev < EV_NEVENTS; ev++)
			fprintf(to, " %s |",
			    cell((enum sb_state)s, (enum sb_event)ev));
		fprintf(to, "\n");
	}
}
