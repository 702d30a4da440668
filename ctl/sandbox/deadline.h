/*
 * deadline.h - who is due when: a heap on the monotonic clock.  Nothing in
 * here reads a clock; the owner has one timer.
 */
#ifndef SANDBOX_DEADLINE_H
#define SANDBOX_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"

/* In its owner's struct; zero it.  at > 0 while it is in a heap. */
struct deadline {
	struct mono when;
	size_t at;
};

struct deadlines {
	struct deadline **v; /* 1-based: v[1] is due first */
	size_t n, cap;
};

void deadlines_fini(struct deadlines *h);
/* Puts it in, or moves it. */
int deadline_set(
    struct deadlines *h, struct deadline *d, struct mono when, struct err *e);
void deadline_clear(struct deadlines *h, struct deadline *d);
/* Takes one that is due out of the heap, or NULL. */
struct deadline *deadline_due(struct deadlines *h, struct mono now);
/* False if there is none. */
bool deadline_first(const struct deadlines *h, struct mono *when);

#endif
