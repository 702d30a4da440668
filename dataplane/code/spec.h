/*
 * code/spec.h - kernelspecs: which program is the kernel of that name
 * (jupyter-client.readthedocs.io/en/stable/kernels.html).
 */
#ifndef CODE_SPEC_H
#define CODE_SPEC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	SPEC_BYTES_MAX = 256 * 1024,
	SPEC_WORDS_MAX = 256,
	SPEC_PACKAGES = 160,
};

struct spec {
	char *argv[SPEC_WORDS_MAX + 1];
	size_t nargv;
	char *env[SPEC_WORDS_MAX]; /* NAME=value */
	size_t nenv;
	char dir[PATH_MAX];
	/* Debian's, that it needs, as our own specs say; or "". */
	char packages[SPEC_PACKAGES];
	bool lines;	    /* our own kernels' transport, not ZeroMQ's */
	bool ask_interrupt; /* by message, not by signal */
};

/*
 * Looks for DIR/NAME/kernel.json in dirs, separated by ':'; the first whose
 * program is there.  ERR_NOTFOUND: there is none; only packages may be set.
 */
int spec_read(
    struct spec *s, const char *dirs, const char *name, struct err *e);
void spec_free(struct spec *s);
/* Word i with {connection_file} and {resource_dir} filled in; or NULL. */
char *spec_word(const struct spec *s, size_t i, const char *connection_file);

#endif
