#include "check.h"

#include <stdio.h>
#include <string.h>

bool
check_that(
    struct tally *t, bool ok, const char *file, int line, const char *text)
{
	if (ok) {
		t->passed++;
	} else {
		t->failed++;
		printf("# %s:%d: %s\n", file, line, text);
		(void)fflush(stdout);
	}
	return ok;
}

bool
check_error(struct tally *t, int got, int want, const char *file, int line,
    const char *text)
{
	if (got != want)
		printf("# %d (%s) instead of %d:\n", got, strerror(got), want);
	return check_that(t, got == want, file, line, text);
}

int
check_end(const struct tally *t)
{
	printf("%u passed, %u failed\n", t->passed, t->failed);
	return t->failed != 0;
}
