/*
 * cgroup.h - the groups of a sandbox: PARENT/SLOT-INCARNATION in the v2
 * hierarchy and, where a host still mounts them, in v1 ones.
 *
 * v2 freezes and kills whatever controllers it has; each limit is held by
 * whichever hierarchy has its controller.
 */
#ifndef SUBSTRATE_CGROUP_H
#define SUBSTRATE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "ctl/priv/spawn_msg.h"

enum cg_ctl { CG_MEMORY, CG_PIDS, CG_CPU, CG_NCTLS };
enum { CG_TREES_MAX = 1 + CG_NCTLS, CG_PERIOD_US = 100000 };

struct cgroups {
	/* Our parent group in each hierarchy; [0] is v2, or -1. */
	int tree[CG_TREES_MAX];
	int top[CG_TREES_MAX]; /* that group is in here */
	char parent[32];
	size_t ntrees;
	/* Which tree holds a controller, -1 if none does. */
	int of[CG_NCTLS];
	char text[96];
};

struct cg_limits {
	uint32_t memory_mb, cpu_count, pids_max;
};

/* budget_mb: for all sandboxes together; 0 is four fifths of the host. */
int cg_open(
    struct cgroups *cg, const char *parent, uint32_t budget_mb, struct err *e);
/* Takes our parent groups away too, where nothing is left in them. */
void cg_close(struct cgroups *cg);

int cg_make(const struct cgroups *cg, struct spawn_ref r, struct err *e);
/* The calling process joins; its children begin there. */
int cg_join(const struct cgroups *cg, struct spawn_ref r, struct err *e);
/* Writes those that differ from `was`; NULL writes all. */
int cg_limit(const struct cgroups *cg, struct spawn_ref r,
    const struct cg_limits *l, const struct cg_limits *was, struct err *e);
/* 0 when the group is gone everywhere, 1 while processes are left in it. */
int cg_remove(const struct cgroups *cg, struct spawn_ref r, struct err *e);

int cg_kill(const struct cgroups *cg, struct spawn_ref r, struct err *e);
int cg_freeze(
    const struct cgroups *cg, struct spawn_ref r, bool freeze, struct err *e);
int cg_frozen(const struct cgroups *cg, struct spawn_ref r, struct err *e);
int cg_stats(const struct cgroups *cg, struct spawn_ref r,
    struct spawn_stats *out, struct err *e);

/* Every group that there is, once each, in no order. */
int cg_each(const struct cgroups *cg, void (*fn)(void *arg, struct spawn_ref r),
    void *arg, struct err *e);
/* Calls fn for the processes of a group, by host pid. */
int cg_procs(const struct cgroups *cg, struct spawn_ref r,
    void (*fn)(void *arg, pid_t pid), void *arg, struct err *e);

#endif
