/*
 * site.h - the always-denied ranges: those that are built in, those that the
 * operator adds, less those that the operator carves out.  No tenant can
 * overrule them.
 */
#ifndef NP_SITE_H
#define NP_SITE_H

#include "base/prefix.h"

enum np_site_src { NP_SITE_BUILTIN, NP_SITE_OPERATOR };

struct np_site_range {
	struct np_range range;
	enum np_family family;
	enum np_site_src src;
	uint32_t line; /* of coppiced.conf, where the operator wrote it */
};

struct np_site {
	struct np_site_range *v; /* sorted by family, lo; disjoint */
	size_t n;
	const char *file; /* where `line` is; NULL: coppiced.conf.  Borrowed */
};

void np_site_init(struct np_site *s);
void np_site_fini(struct np_site *s);
/* Adds the built-in ranges. */
int np_site_builtin(struct np_site *s, struct err *e);
int np_site_deny(
    struct np_site *s, const struct np_prefix *p, uint32_t line, struct err *e);
/* Opens a hole; wins over everything added before. */
int np_site_carve(struct np_site *s, const struct np_prefix *p, struct err *e);

#endif
