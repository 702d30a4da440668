/*
 * jails.h - the two jails of a sandbox, by jail_set(2) and its like.
 *
 *	PREFIX-SLOT-INC		the slot's: owns the network, has no process
 *	PREFIX-SLOT-INC.ID	the tenant's, below it: the files, the processes
 *
 * The slot's jail also remembers who is in it, where no tenant can write: its
 * host.domainname is a line of text that is ours to fill.
 */
#ifndef SUBSTRATE_JAILS_H
#define SUBSTRATE_JAILS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "ctl/priv/spawn_msg.h"

enum { JAILS_PREFIX_MAX = 24, JAILS_NAME_MAX = 80 };

struct jails {
	char prefix[JAILS_PREFIX_MAX];
	char nowhere[512]; /* the slot jails' path: an empty directory */
	uint32_t ruleset;  /* of devfs */
};

/* What the slot's jail remembers of its tenant. */
struct jails_tenant {
	int jid;	   /* 0: it has had none */
	pid_t pid;	   /* its first process, */
	int64_t sec, usec; /* and when that was started */
	uint32_t memory_mb;
	char id[SPAWN_ID_MAX];
};

/* How a tenant's jail is to be. */
struct jails_spec {
	const char *id, *path, *uuid;
	uint32_t hostid;
};

const char *jails_name(
    const struct jails *j, struct spawn_ref r, char to[JAILS_NAME_MAX]);
/* The tenant's below it; the kernel counts and limits by this name. */
const char *jails_tenant_name(const struct jails *j, struct spawn_ref r,
    const char *id, char to[JAILS_NAME_MAX]);
/* Whose name it is; false: not one of our slots' jails. */
bool jails_ref(const struct jails *j, const char *name, struct spawn_ref *out);

/* All return the number of the jail, or -1. */
int jails_make_slot(const struct jails *j, struct spawn_ref r, struct err *e);
int jails_make_tenant(const struct jails *j, struct spawn_ref r,
    const struct jails_spec *s, struct err *e);
/* 0: there is none; one that has ended, but is held by something, is none. */
int jails_find(const char *name, struct err *e);

/* Kills every process in it and below; none is fine. */
int jails_remove(int jid, struct err *e);
/* Whether the number is still held by anything. */
bool jails_lingers(int jid);

int jails_remember(int jid, const struct jails_tenant *t, struct err *e);
int jails_recall(int jid, struct jails_tenant *t, struct err *e);

/* Each jail right below ours. */
int jails_each(
    void (*fn)(void *arg, int jid, const char *name), void *arg, struct err *e);

#endif
