/*
 * code/lang.h - what is particular about a language: names, the kernel that
 * runs it, and how its variables of the environment are set.
 */
#ifndef CODE_LANG_H
#define CODE_LANG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "code/jv.h"

enum { LANG_NAME_MAX = 64 };

struct lang {
	const char *name;     /* as clients know it */
	const char *kernel;   /* of its kernelspec */
	const char *packages; /* Debian's, that it needs */
	/* Code that sets a variable; value NULL: forgets it. */
	int (*put_var)(struct buf *b, const char *name, const char *value);
	bool properties;  /* those are no variables of the environment */
	const char *warm; /* run once, silently, before anybody waits */
};

/* Trimmed, in lower case, js and ts written out; "" becomes python. */
int lang_name(const char *asked, char to[LANG_NAME_MAX]);
/* NULL: one that we know nothing of; its name is its kernel's. */
const struct lang *lang_find(const char *name);

/* --- variables ------------------------------------------------------------*/

struct var {
	char *name;
	char *value; /* NULL: is not set */
};

struct varlist {
	struct var *v;
	size_t n;
};

enum { VARS_MAX = 4096 };

void varlist_free(struct varlist *l);
int varlist_set(struct varlist *l, const char *name, const char *value);
const struct var *varlist_get(const struct varlist *l, const char *name);
/* Names must be names, values strings; bad (if not NULL): which is not. */
int varlist_from(struct varlist *l, struct jv object, struct jv *bad);

#endif
