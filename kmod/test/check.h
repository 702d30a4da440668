/* check - counts checks; one that fails says where, and the test goes on. */
#ifndef COP_KMOD_CHECK_H
#define COP_KMOD_CHECK_H

#include <stdbool.h>

struct tally {
	unsigned passed, failed, skipped;
};

#define CHECK(t, cond) check_that(t, cond, __FILE__, __LINE__, #cond)
/* Of calls that return 0 or an errno. */
#define CHECK_IS(t, call, error)                                               \
	check_error(t, call, error, __FILE__, __LINE__, #call)

bool check_that(
    struct tally *t, bool ok, const char *file, int line, const char *text);
bool check_error(struct tally *t, int got, int want, const char *file, int line,
    const char *text);

/* "N passed, N failed"; what main returns. */
int check_end(const struct tally *t);

#endif
