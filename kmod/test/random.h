/* random - both sides of a comparison, and the steps that files take. */
#ifndef COP_KMOD_RANDOM_H
#define COP_KMOD_RANDOM_H

#include "arrays.h"
#include "world.h"

#define FILES	  3
#define MACHINES  4
#define WRITERS	  2
#define GPA_PAGES 40

struct both {
	struct world w;
	uint64_t rnd, seed;
	unsigned step;
	unsigned long errors, answers; /* how many steps ended so */
	struct {
		char path[PATH_MAX];
		int fd;
		struct a_file *a;
		int writers[WRITERS]; /* descriptors; -1 */
	} files[FILES];
	struct {
		struct machine *m; /* NULL: not there */
		struct a_machine *a;
	} machines[MACHINES];
};

/* From 0 to n - 1. */
uint32_t below(struct both *x, uint32_t n);
/* What a step ended with, against what it must. */
void compare(struct both *x, const char *what, int got, int want);

void files_begin(struct both *x);
void files_end(struct both *x);
void step_replace(struct both *x);
void step_write_file(struct both *x);
void step_truncate(struct both *x);

#endif
