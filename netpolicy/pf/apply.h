/* pf/apply.h - plans executed in the model, as the driver does in pf. */
#ifndef PF_APPLY_H
#define PF_APPLY_H

#include "pf/model.h"
#include "pf/plan.h"

int pf_model_step(struct pf_model *m, const struct pf_plan *p,
    const struct pf_step *s, struct err *e);

/*
 * All steps.  fail_at: the step that fails before it does anything (SIZE_MAX:
 * none), as a device that is gone or a full pool would have it; then what
 * came before is undone, and -1.
 */
int pf_model_apply(
    struct pf_model *m, const struct pf_plan *p, size_t fail_at, struct err *e);

#endif
