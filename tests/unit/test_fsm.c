/* What every state must be able to do, and that the table is whole. */
#include "ctl/sandbox/fsm.h"

#include <stdio.h>
#include <string.h>

#include "tests/t.h"

/* Follows what can happen; true if `to` can be reached. */
static int
reaches(enum sb_state from, enum sb_state to)
{
	int seen[SB_NSTATES] = { 0 }, again = 1;

	seen[from] = 1;
	while (again) {
		again = 0;
		for (int s = SB_WARMING; s < SB_NSTATES; s++)
			for (int ev = 0; seen[s] && ev < EV_NEVENTS; ev++) {
				enum sb_state n = fsm_next(
				    (enum sb_state)s, (enum sb_event)ev);

				if (n != SB_NONE && !seen[n])
					seen[n] = again = 1;
			}
	}
	return seen[to];
}

static void
every_live_state_can_end(void)
{
	for (int s = SB_WARMING; s < SB_GONE; s++) {
		enum sb_state from = (enum sb_state)s;

		CHECK(fsm_next(from, EV_KILL) != SB_NONE);
		CHECK(fsm_next(from, EV_DEAD) != SB_NONE);
		CHECK(reaches(from, SB_GONE));
	}
	for (int ev = 0; ev < EV_NEVENTS; ev++)
		CHECK(fsm_next(SB_GONE, (enum sb_event)ev) == SB_NONE);
}

/* States with a plan under way end by its result; others know none. */
static void
plans_end(void)
{
	CHECK(fsm_next(SB_WARMING, EV_READY) == SB_WARM);
	CHECK(fsm_next(SB_WARMING, EV_FAILED) == SB_GONE);
	CHECK(fsm_next(SB_WARMING, EV_CLAIM) == SB_NONE);
	CHECK(fsm_next(SB_WARM, EV_CLAIM) == SB_CREATING);
	CHECK(fsm_next(SB_RUNNING, EV_CLAIM) == SB_NONE);
	CHECK(fsm_next(SB_CREATING, EV_READY) == SB_RUNNING);
	CHECK(fsm_next(SB_CREATING, EV_FAILED) == SB_GONE);
	CHECK(fsm_next(SB_PAUSING, EV_READY) == SB_PAUSED);
	CHECK(fsm_next(SB_PAUSING, EV_FAILED) == SB_RUNNING);
	CHECK(fsm_next(SB_RESUMING, EV_READY) == SB_RUNNING);
	CHECK(fsm_next(SB_RESUMING, EV_FAILED) == SB_PAUSED);
	CHECK(fsm_next(SB_KILLING, EV_READY) == SB_GONE);
	CHECK(fsm_next(SB_KILLING, EV_FAILED) == SB_NONE);
	CHECK(fsm_next(SB_RUNNING, EV_READY) == SB_NONE);
	CHECK(fsm_next(SB_PAUSED, EV_PAUSE) == SB_NONE);
	CHECK(fsm_next(SB_RUNNING, EV_RESUME) == SB_NONE);
	CHECK(fsm_next(SB_KILLING, EV_RESUME) == SB_NONE);
}

static void
names(void)
{
	for (int s = SB_WARMING; s < SB_NSTATES; s++) {
		enum sb_state back;

		CHECK(fsm_state_from(fsm_state_name((enum sb_state)s), &back) ==
		      0);
		CHECK((int)back == s);
	}
	enum sb_state none;

	CHECK(fsm_state_from("sleeping", &none) < 0);
}

/* docs/lifecycle.md holds the table as it is. */
static void
documented(void)
{
	static char doc[64 * 1024], table[8 * 1024];
	FILE *f = fopen("docs/lifecycle.md", "r"), *m;
	size_t n = 0;

	m = fmemopen(table, sizeof(table), "w");
	fsm_dump(m);
	(void)fclose(m);
	if (f != NULL) {
		n = fread(doc, 1, sizeof(doc) - 1, f);
		(void)fclose(f);
	}
	doc[n] = '\0';
	CHECK(strstr(doc, table) != NULL);
}

int
main(void)
{
	every_live_state_can_end();
	plans_end();
	names();
	documented();
	return t_end();
}
