/*
 * sub_int.h - the jail driver's own.
 *
 * Three kinds of process run this code: `coppice-privd spawn` itself, the
 * helpers that it forks (slot.c, clean.c), and the one that becomes a
 * sandbox's envd (start.c).  A fourth is too short-lived to count: a visitor
 * in a slot's jail (link/freebsd/visit.h).
 *
 * In struct sub_unit, net is the number of the slot's jail and proc a kqueue,
 * which nobody ever reads: it stays readable once it was.
 */
#ifndef SUBSTRATE_SUB_INT_H
#define SUBSTRATE_SUB_INT_H

#include <sys/param.h>
#include <sys/cpuset.h>

#include "ctl/substrate/substrate.h"
#include "disk.h"
#include "jails.h"
#include "roots.h"

struct substrate {
	struct conf cf;
	struct jails jails;
	struct disk *disk;
	int envd; /* O_EXEC */
	int null;
	int capture; /* O_EXEC; or -1: it is not installed */
	int stopped; /* the directory of freeze.c's lists */
	bool ipv6;
	uint32_t mtu;
	int ncpus;
	cpuset_t cpus;		 /* that this process may use */
	char boot_id[UUID_TEXT]; /* the host's */
	bool racct;
	char limits[160];
	/* Of coppice-capture; 0: there is no such user. */
	uid_t capture_uid;
	gid_t capture_gid;
};

/* host.c: what the host must be, each with its sentence. */
int host_check(struct substrate *s, struct err *e);
int host_facts(struct substrate *s, struct err *e);

/*
 * helper.c: a child with nothing open but 0 to 2 and `keep` (which is sorted
 * for it), that ends when we do.
 */
pid_t helper_fork(int *keep, size_t n, struct err *e);
/* The same, that also has what the disk needs. */
pid_t helper_fork_disk(
    const struct substrate *s, const int *keep, size_t n, struct err *e);
/* From now on it may outlive us. */
int helper_release(struct err *e);
void helper_pause_ms(long ms);

/*
 * lock.c: one process at a time for a slot's jails and link, or for the files
 * of one sandbox.  Helpers only; until lock_release(), or their end.
 */
int lock_slot(const struct substrate *s, uint32_t slot, struct err *e);
int lock_files(const struct substrate *s, const char *id, struct err *e);
void lock_release(void);

/* slot.c: what a former incarnation has left, and what this one has. */
int slot_clear(const struct substrate *s, struct spawn_ref r, struct err *e);
/* A kqueue for sub_unit.proc. */
int slot_watch_new(struct err *e);
int slot_watch_pid(int kq, pid_t pid, struct err *e);

/* start.c: never returns. */
_Noreturn void start_main(const struct substrate *s, int slot_jid,
    const struct spawn_create *c, int ctl);

/* freeze.c: whether somebody before us froze it; what is half done is undone.
 */
bool freeze_adopt(const struct substrate *s, const struct sub_unit *u);
void freeze_forget(const struct substrate *s, struct spawn_ref r);

/* limits.c */
int limits_set(const struct substrate *s, const struct spawn_create *c,
    int tenant_jid, struct err *e);
/* The rules outlive the jail that they are about. */
void limits_forget(
    const struct substrate *s, struct spawn_ref r, const char *id);
void limits_text(struct substrate *s);

#endif
