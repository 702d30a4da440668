/* kernel_test - tests that only a FreeBSD kernel can be given. */
#ifndef COP_KMOD_KERNEL_TEST_H
#define COP_KMOD_KERNEL_TEST_H

#include "kmod/test/memseg_test.h"
#include "kmod/test/world.h"

void run_kernel_cases(const char *dir, const char *only, struct tally *t);

/* Unmounts the file system that DIR is on, by force in the end. */
void run_unmount(const char *dir, struct tally *t);

/* Pages, vnodes, VM objects: what a machine that leaks would eat. */
size_t kernel_meters(const struct meter **meters);

#endif
