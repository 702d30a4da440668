/*
 * envd/os.h - what envd wants of the system for itself: linux/os.c,
 * freebsd/os.c.
 */
#ifndef ENVD_OS_H
#define ENVD_OS_H

#include "base/err.h"

/* Before anything else: the sandbox's root must not read or trace us. */
void os_hide(void);
/* What is ignored stays so in our children. */
void os_ignore_nothing(void);
/* Large pieces of memory go back to the system as soon as they are freed. */
void os_memory_set_up(void);
/* What a burst has left lying about goes back as well. */
void os_memory_give_back(void);
/* Whoever has lost its parent in here becomes a child of ours. */
int os_adopt_orphans(struct err *e);

#endif
