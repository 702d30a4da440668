/* machine_vmm - what tests of a real vmm need beside machine_ops. */
#ifndef COP_KMOD_MACHINE_VMM_H
#define COP_KMOD_MACHINE_VMM_H

#include "kmod/test/machine.h"

/* Why no machine can be made here, or NULL. */
const char *vmm_missing(void);

/* The machine's device, and where the host has a page of it mapped. */
int vmm_device(const struct machine *m);
void *vmm_host_at(struct machine *m, uint64_t gpa);

#endif
