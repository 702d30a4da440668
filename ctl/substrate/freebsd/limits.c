/*
 * limits.c - what one sandbox may have: processors by its jail's cpuset, the
 * rest by rules of rctl(4) on the tenant's jail.  (On the slot's they would
 * count, and hold nobody: the kernel asks for a process's own jail alone.)
 *
 * rctl cannot refuse a page to whoever touches it, and what it counts as
 * promised (swapuse) it forgets again.  So from memory_mb on the kernel pages
 * out, and at twice that it kills the one that grows: once a second, which is
 * when it looks.
 */
#include "sub_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/rctl.h>

#include "base/own.h"

enum {
	MIB = 1024 * 1024,
	OPEN_FILES = 65536,
	FILES_EACH = 128, /* what a process counts at least, open or not */
	TERMINALS = 256,  /* the host has some thousands for all */
	IPC_OBJECTS = 256,
};

static int
rule(const char *jail, const char *what, const char *action, uint64_t amount,
    struct err *e)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "jail:%s:%s:%s=%" PRIu64, jail, what,
	    action, amount);
	if (rctl_add_rule(text, strlen(text) + 1, NULL, 0) < 0)
		return err_sys(e, "limit %s", text);
	return 0;
}

static int
rules(const char *jail, const struct spawn_create *c, struct err *e)
{
	const uint64_t bytes = (uint64_t)c->memory_mb * MIB;
	const struct {
		const char *what, *action;
		uint64_t amount;
	} v[] = {
		{ "memoryuse", "deny", bytes },
		{ "memoryuse", "sigkill", 2 * bytes },
		{ "maxproc", "deny", c->pids_max },
		{ "nthr", "deny", c->pids_max },
		{ "openfiles", "deny",
		    OPEN_FILES + (uint64_t)c->pids_max * FILES_EACH },
		{ "pseudoterminals", "deny", TERMINALS },
		{ "shmsize", "deny", bytes },
		{ "nshm", "deny", IPC_OBJECTS },
		{ "nsem", "deny", IPC_OBJECTS },
		{ "nmsgq", "deny", IPC_OBJECTS },
	};

	for (size_t i = 0; i < countof(v); i++)
		if (rule(jail, v[i].what, v[i].action, v[i].amount, e) < 0)
			return -1;
	return 0;
}

/* n processors of ours, beginning at another one for each slot. */
static void
choose(const struct substrate *s, uint32_t slot, uint32_t n, cpuset_t *out)
{
	uint32_t skip = slot % (uint32_t)s->ncpus;

	if (n >= (uint32_t)s->ncpus) {
		*out = s->cpus;
		return;
	}
	CPU_ZERO(out);
	for (int i = 0; n > 0; i = (i + 1) % CPU_SETSIZE) {
		if (!CPU_ISSET(i, &s->cpus))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		CPU_SET(i, out);
		n--;
	}
}

int
limits_set(const struct substrate *s, const struct spawn_create *c, int jid,
    struct err *e)
{
	char jail[JAILS_NAME_MAX];
	cpuset_t cpus;

	choose(s, c->ref.slot, c->cpu_count, &cpus);
	/* The jail's own set: root inside may only choose among these. */
	if (cpuset_setaffinity(
		CPU_LEVEL_WHICH, CPU_WHICH_JAIL, jid, sizeof(cpus), &cpus) < 0)
		return err_sys(e, "processors of jail %d", jid);
	if (!s->racct)
		return 0;
	return rules(jails_tenant_name(&s->jails, c->ref, c->id, jail), c, e);
}

void
limits_forget(const struct substrate *s, struct spawn_ref r, const char *id)
{
	char jail[JAILS_NAME_MAX], text[JAILS_NAME_MAX + 8];

	if (!s->racct || id[0] == '\0')
		return;
	(void)snprintf(text, sizeof(text), "jail:%s",
	    jails_tenant_name(&s->jails, r, id, jail));
	/* ESRCH: there are none. */
	(void)rctl_remove_rule(text, strlen(text) + 1, NULL, 0);
}

void
limits_text(struct substrate *s)
{
	(void)snprintf(s->limits, sizeof(s->limits), "%s",
	    s->racct
		? "processors=cpuset memory=rctl processes=rctl"
		: "processors=cpuset memory=each-process processes=none: put "
		  "kern.racct.enable=1 into /boot/loader.conf and restart");
}
