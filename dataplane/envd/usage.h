/*
 * envd/usage.h - what all processes of the sandbox use together, as far as it
 * can be seen from inside: linux/usage.c, freebsd/usage.c.
 */
#ifndef ENVD_USAGE_H
#define ENVD_USAGE_H

#include <stdint.h>

struct usage {
	uint64_t cpu_us; /* of the living, and of whom they waited for */
	uint64_t memory; /* bytes; what several share counts once */
};

int usage_read(struct usage *u);   /* -1: it cannot be seen */
uint64_t usage_memory_total(void); /* of the machine; 0: unknown */

#endif
