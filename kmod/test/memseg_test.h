/*
 * memseg_test - the tests of memory that a file backs, on any machine_ops.
 *
 * DIR is where they make their files: the file system that is tested.
 */
#ifndef COP_KMOD_MEMSEG_TEST_H
#define COP_KMOD_MEMSEG_TEST_H

#include "check.h"
#include "machine.h"

/* Everything that the header promises, case by case; ONLY: of that name. */
void run_cases(const struct machine_ops *ops, const char *dir, const char *only,
    struct tally *t);

/* The same random steps on the machine and on plain arrays of bytes. */
void run_random(const struct machine_ops *ops, const char *dir, uint64_t seed,
    unsigned steps, struct tally *t);

/* What must be the same, but for SLACK, after a thousand machines. */
struct meter {
	const char *name;
	long (*read)(void);
	long slack;
};

extern const struct meter meter_descriptors;

void run_rounds(const struct machine_ops *ops, const char *dir, unsigned rounds,
    const struct meter *meters, size_t nmeters, struct tally *t);

/* A table of what a page costs; it judges nothing. */
void run_costs(const struct machine_ops *ops, const char *dir, struct tally *t);

#endif
