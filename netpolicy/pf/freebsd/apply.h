/* pf/freebsd/apply.h - plans executed in pf. */
#ifndef PF_FREEBSD_APPLY_H
#define PF_FREEBSD_APPLY_H

#include "pf/freebsd/dev.h"
#include "pf/plan.h"

/*
 * All steps; if one fails, what came before is undone, and -1.  *undone false:
 * not even that went well, and nobody knows what the anchor has.  *killed:
 * states that went, added to what it was.
 */
struct pf_applied {
	uint32_t killed;
	bool undone;
};

int pf_apply(struct pf_dev *d, const struct pf_conf *c, const struct pf_plan *p,
    struct pf_applied *out, struct err *e);

/*
 * Every state that one of these addresses has, on any interface, whatever made
 * it: for a slot's next tenant.
 */
int pf_kill_addrs(struct pf_dev *d, const struct np_addr *v, size_t n,
    uint32_t *killed, struct err *e);
/* Those with an address of p, but for such as `stays` says. */
int pf_kill_strays(struct pf_dev *d, const struct np_prefix *p,
    bool (*stays)(void *arg, struct np_addr a), void *arg, uint32_t *killed,
    struct err *e);

#endif
