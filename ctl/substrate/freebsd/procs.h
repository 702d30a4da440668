/*
 * procs.h - the processes of a slot's jail, seen by a visitor in it: who is
 * not in there cannot be named, whatever its number.
 */
#ifndef SUBSTRATE_PROCS_H
#define SUBSTRATE_PROCS_H

#include <sys/types.h>
#include <sys/param.h>
#include <sys/user.h>
#include <stdbool.h>

#include "base/err.h"

enum procs_what { PROCS_EACH, PROCS_THREADS };

struct procs {
	struct kinfo_proc *v;
	size_t n, cap;
	int jid; /* of the slot: its visitors are not counted */
};

/* For a visitor; 1 if there is no room: procs_grow() and try again. */
int procs_list(struct procs *p, enum procs_what what, struct err *e);
int procs_grow(struct procs *p, struct err *e);
void procs_free(struct procs *p);
/* All of it for who is not in the jail; p is to be freed in any case. */
int procs_of(struct procs *p, int jid, enum procs_what what, struct err *e);

/* On the host: one process, if it is in that jail; false: it is not. */
bool procs_find(int jid, pid_t pid, struct kinfo_proc *out);
/* On the host: whether any is left in it. */
bool procs_left(int jid);

#endif
