/*
 * pf/freebsd/verify.h - is what pf has what we mean?  And what does it mean?
 */
#ifndef PF_FREEBSD_VERIFY_H
#define PF_FREEBSD_VERIFY_H

#include "pf/freebsd/dev.h"

/*
 * Compares an anchor with the text that should be loaded there, and calls
 * `say` with a sentence for each difference, at most max of them.  Returns how
 * many there are, or -1 if it could not be read.  Counters, tickets and who
 * loaded it do not matter.
 */
struct pf_differences {
	void (*say)(struct pf_differences *d, const char *sentence);
	int n, max;
};

int pf_verify(struct pf_dev *d, const char *anchor, const char *text,
    size_t len, unsigned freebsd, struct pf_differences *say, struct err *e);
int pf_compare(const struct pf_found *is, const struct pfm_ruleset *want,
    struct pf_differences *say);

/*
 * Adoption: what may be reached through these tables and rules.  Origins are
 * not told.  `false` in *whole: no policy of ours has such rules.
 */
int pf_reach_of(const struct pf_conf *c, const struct pf_slot *slot,
    const struct pf_found *f, struct np_reach *out, bool *whole, struct err *e);

/*
 * The root rule set: every rule of pf_emit_root()'s must be there, in that
 * order; the operator's own may stand around them.  *missing: the lines that
 * are not, or stand in the wrong place, for a person to copy.  Returns how
 * many.  *before: rules of others that stand before ours and may decide.
 */
int pf_root_missing(const struct pf_found *root, const struct pf_conf *c,
    struct buf *missing, uint32_t *before, struct err *e);
/* The interface that our rules are loaded for; "": there are none. */
void pf_root_uplink(const struct pf_found *root, char to[PFM_IF]);

#endif
