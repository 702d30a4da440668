/* base/clock.h - monotonic time in a type of its own. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

struct mono {
	uint64_t ns; /* CLOCK_BOOTTIME, which also runs through a suspend */
};

#ifdef CLOCK_BOOTTIME
#define MONO_CLOCK CLOCK_BOOTTIME
#else
#define MONO_CLOCK CLOCK_MONOTONIC
#endif

static inline struct mono
mono_now(void)
{
	struct timespec t;

	(void)clock_gettime(MONO_CLOCK, &t);
	return (struct mono){ (uint64_t)t.tv_sec * 1000000000u +
			      (uint64_t)t.tv_nsec };
}

/* Milliseconds from a to b; 0 where b is earlier. */
static inline uint64_t
mono_ms(struct mono a, struct mono b)
{
	return b.ns > a.ns ? (b.ns - a.ns) / 1000000u : 0;
}

static inline struct mono
mono_after_ms(struct mono a, uint64_t ms)
{
	return (struct mono){ a.ns + ms * 1000000u };
}

/* Wall time, for JSON and the store alone: milliseconds since 1970. */
static inline int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
