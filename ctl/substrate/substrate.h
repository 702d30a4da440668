/*
 * substrate.h - what a sandbox is made of, behind a few functions.  One
 * driver a system, chosen by the directory it lies in: linux/ makes it of
 * namespaces.
 *
 * For `coppice-privd spawn` alone, and for its one thread.  Nothing here waits
 * for longer than a system call that is known to be short; what may take its
 * time is done by a helper process, which is forked and answers through a
 * descriptor or by ending.
 */
#ifndef SUBSTRATE_SUBSTRATE_H
#define SUBSTRATE_SUBSTRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "io/conf.h"
#include "ctl/priv/spawn_msg.h"

struct substrate;

/* A slot stood up: its parked init, or the sandbox that it became. */
struct sub_unit {
	struct spawn_ref ref;
	pid_t pid;
	int proc; /* readable when its last process is gone; or -1 */
	int net;  /* its network */
	int ctl;  /* to the parked init; -1 once that was started */
};

/* What a former process of ours left standing. */
struct sub_found {
	struct sub_unit unit; /* the descriptors are the callee's */
	char id[SPAWN_ID_MAX];
	char template_id[SPAWN_TEMPLATE_MAX];
	bool alive, frozen;
	bool pooled; /* no tenant has had it */
	bool kept;   /* files alone, which somebody may want again */
};

/* What is left of a sandbox: a helper clears it away. */
struct sub_scrap {
	struct spawn_ref ref;  /* slot 0: no groups */
	char id[SPAWN_ID_MAX]; /* "": no files */
};

/*
 * Needs every right that the process has.  envd_path: the program that
 * becomes a sandbox's first process.
 */
int sub_open(const struct conf *cf, const char *envd_path,
    struct substrate **out, struct err *e);
/* Calls found for each; what is neither alive nor kept is to be cleared. */
int sub_scan(struct substrate *s,
    void (*found)(void *arg, const struct sub_found *f), void *arg,
    struct err *e);
/* Gives up the rights that only the two above needed, and proves it. */
int sub_confine(struct substrate *s, struct err *e);
void sub_close(struct substrate *s);

/* Where files go, and why there. */
const char *sub_disk_text(const struct substrate *s);
/* How limits are held, for the log. */
const char *sub_limits_text(const struct substrate *s);

/*
 * Stands a slot up in a helper.  *answer becomes readable when it is done:
 * sub_made() then takes the unit, or the error.
 */
int sub_make(struct substrate *s, struct spawn_ref ref, int *answer,
    pid_t *helper, struct err *e);
int sub_made(int answer, struct sub_unit *u, struct err *e);

/*
 * Gives a parked unit its identity and starts it.  u->ctl becomes readable
 * when it runs or has failed, which sub_begun() tells.
 */
int sub_begin(struct substrate *s, struct sub_unit *u,
    const struct spawn_create *c, struct err *e);
int sub_begun(struct sub_unit *u, struct err *e);
/* Lets go of what the last sub_begin() no longer needs; may take its time. */
void sub_settle(struct substrate *s);

/* Descriptors of n TCP sockets that were made inside. */
int sub_sockets(struct substrate *s, const struct sub_unit *u, uint32_t family,
    uint32_t n, int *fds, struct err *e);
/*
 * The sockets inside that are connected to somewhere outside; *out is the
 * caller's to free.
 */
int sub_connected(struct substrate *s, const struct sub_unit *u,
    struct spawn_socket **out, uint32_t *n, struct err *e);
/* Ends these; *ncut says how many were still there. */
int sub_cut(struct substrate *s, const struct sub_unit *u,
    const struct spawn_socket *v, uint32_t n, uint32_t *ncut, struct err *e);
int sub_stats(struct substrate *s, const struct sub_unit *u, const char *id,
    struct spawn_stats *out, struct err *e);
/*
 * Starts coppice-capture on the unit's link: a child, and the stream to it.
 * It ends with its reader; SIGTERM tells it that the link is going away.
 */
int sub_capture(struct substrate *s, const struct sub_unit *u, const char *id,
    int *stream, pid_t *helper, struct err *e);

int sub_freeze(
    struct substrate *s, const struct sub_unit *u, bool freeze, struct err *e);
/* 1 once every process stands still, 0 while some do not. */
int sub_frozen(struct substrate *s, const struct sub_unit *u, struct err *e);

int sub_kill(struct substrate *s, const struct sub_unit *u, struct err *e);
/* u->proc was readable: takes what is left of the processes, closes all. */
void sub_reap(struct sub_unit *u);

/* Files of id are wanted after the end of its processes, or no more. */
int sub_keep(struct substrate *s, const char *id, bool keep, struct err *e);
/* In a helper, which ends when it is done. */
int sub_clean(struct substrate *s, const struct sub_scrap *scraps, size_t n,
    pid_t *helper, struct err *e);
/* Writes the files of a frozen sandbox to the disk, in a helper. */
int sub_sync(struct substrate *s, const char *id, pid_t *helper, struct err *e);

#endif
