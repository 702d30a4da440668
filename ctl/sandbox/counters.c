/* counters.c - numbers that are never given twice. */
#include "ctl/sandbox/sandbox_int.h"

enum { BLOCK = 4096 };

/*
 * The last generations: far above what a host reaches (a million updates a
 * day for eleven years), and then said, not wrapped.
 */
enum { LAST = 0xfffffff0u };

static const char *const names[STORE_NCOUNTERS] = {
	[STORE_GEN] = "generations",
	[STORE_INCARNATION] = "incarnations",
};

int
counter_init(
    struct engine *en, enum store_counter c, uint32_t first, struct err *e)
{
	uint32_t stored;

	if (store_counter_get(en->store, c, &stored, e) < 0)
		return -1;
	en->counter[c].next = stored > first ? stored : first;
	en->counter[c].reserved = en->counter[c].next;
	return 0;
}

uint32_t
counter_next(struct engine *en, enum store_counter c, struct err *e)
{
	uint32_t next = en->counter[c].next;

	if (next >= LAST) {
		err_set(e, ERR_SYS, "all %s are used up", names[c]);
		return 0;
	}
	if (next >= en->counter[c].reserved) {
		uint32_t upto =
		    next < (uint32_t)LAST - BLOCK ? next + BLOCK : LAST;

		if (store_counter_set(en->store, c, upto, e) < 0)
			return 0;
		en->counter[c].reserved = upto;
	}
	en->counter[c].next++;
	return next;
}
