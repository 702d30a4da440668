/* tests/t.h - the unit harness: a failing check prints and goes on. */
#ifndef T_H
#define T_H

#include <stdio.h>

static unsigned t_passed, t_failed;

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (cond) {                                                    \
			t_passed++;                                            \
		} else {                                                       \
			t_failed++;                                            \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);    \
		}                                                              \
	} while (0)

static inline int
t_end(void)
{
	printf("%u passed, %u failed\n", t_passed, t_failed);
	return t_failed != 0;
}

#endif
