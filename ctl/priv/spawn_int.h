/*
 * spawn_int.h - `coppice-privd spawn`: slots and what is asked of them.
 *
 * spawn.c owns the channels and checks what comes in; spawn_slot.c moves a
 * slot through its life; spawn_ops.c does what is asked of one, spawn_found.c
 * takes over what the last run left; spawn_helpers.c waits for the processes
 * that do the slow work.  Everything is in the loop's one thread.
 */
#ifndef PRIV_SPAWN_INT_H
#define PRIV_SPAWN_INT_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/substrate/substrate.h"
#include "io/conf.h"
#include "io/loop.h"
#include "io/seqpkt.h"
#include "spawn_msg.h"

enum {
	SPAWN_MAKERS = 3,	 /* slots made at the same time */
	SPAWN_HELPERS = 96,	 /* children that are waited for */
	SPAWN_CAPTURES = 32,	 /* of those, at most */
	SPAWN_CAPTURES_EACH = 4, /* of one sandbox */
	SPAWN_SCRAPS_MAX = 256,	 /* cleared by one helper */
	SPAWN_FREEZE_MS = 10000, /* for every process to stand still */
	SPAWN_TERM_MS = 5000,	 /* to clear away what nobody will use */
	SPAWN_ORPHAN_MS = 500,	 /* the same, when apid is gone */
};

enum slot_state {
	SLOT_EMPTY,
	SLOT_QUEUED,   /* is to be made */
	SLOT_MAKING,   /* a helper is at it */
	SLOT_READY,    /* its init is parked */
	SLOT_STARTING, /* was told to start; CREATE is not answered yet */
	SLOT_RUNNING,
	SLOT_KILLING, /* its processes are ending */
};

struct spawn;

struct slot {
	struct spawn *sp;
	enum slot_state state;
	struct sub_unit unit; /* from SLOT_READY on */
	struct spawn_ref ref;
	char id[SPAWN_ID_MAX]; /* "" until it is somebody's */
	char template_id[SPAWN_TEMPLATE_MAX];
	bool frozen, found, keep;
	bool marked; /* its files say that they are worth keeping */
	uint32_t create_seq, kill_seq, freeze_seq; /* to be answered; or 0 */
	struct mono freeze_from;
	struct loop_io proc, ctl; /* ctl: the helper's answer, then init's */
	struct loop_timer freezing;
	struct slot *next; /* SLOT_QUEUED */
};

struct scrap {
	struct scrap *next;
	struct sub_scrap what;
};

/* A child of ours, by what it was forked for. */
struct helper {
	pid_t pid; /* 0: free */
	enum { HELPER_MAKE, HELPER_CLEAN, HELPER_SYNC, HELPER_CAPTURE } kind;
	struct spawn_ref ref; /* SYNC, CAPTURE */
};

/* Files without a sandbox that somebody may want. */
struct kept {
	struct kept *next;
	struct spawn_found found;
};

struct spawn {
	const struct conf *cf;
	struct loop *loop;
	struct substrate *sub;
	struct seqpkt apid, proxyd, ctl;
	struct loop_signal child, term;
	struct slot *slots; /* [0] is nobody's */
	uint32_t nslots;
	struct slot *queue, **queue_end;
	unsigned nmaking;
	struct scrap *scraps, **scraps_end;
	bool cleaning;
	struct helper helpers[SPAWN_HELPERS];
	struct kept *kept;
	bool stopping;
	struct loop_timer patience;
	int rc; /* of spawn_main */
	struct err err;
};

/* --- spawn.c -------------------------------------------------------------- */

/* seq 0: nobody waits.  e NULL: success. */
void spawn_reply(struct spawn *sp, struct seqpkt *to, uint16_t type,
    uint32_t seq, const struct err *e, int *fds, size_t nfds);
void spawn_reply_stats(
    struct spawn *sp, uint32_t seq, const struct spawn_stats *stats);
/* r holds its seq; fd, unless -1, is taken. */
void spawn_reply_with(
    struct spawn *sp, uint16_t type, const struct spawn_reply *r, int fd);
void spawn_event(
    struct spawn *sp, uint16_t type, const void *body, uint32_t len);
/* Something ended: is there a reason to go on? */
void spawn_look_idle(struct spawn *sp);

/* --- spawn_slot.c --------------------------------------------------------- */

int slots_init(struct spawn *sp, struct err *e);
void slots_fini(struct spawn *sp);
/* Ends what no tenant has had. */
void slots_retire(struct spawn *sp);
bool slots_idle(const struct spawn *sp);
/* The running tenant that is meant, or NULL with e set. */
struct slot *slot_of(struct spawn *sp, struct spawn_ref r, struct err *e);
/* The same of whatever has processes. */
struct slot *slot_standing(struct spawn *sp, struct spawn_ref r, struct err *e);
/* Whose files those of id are, or NULL. */
const struct slot *slot_user(const struct spawn *sp, const char *id);
void slot_watch(struct slot *sl);	  /* for the end of its processes */
void slot_await(struct slot *sl, int fd); /* for the answer that comes there */
/* Kills; on_proc does the rest. */
int slot_end(struct slot *sl, struct err *e);
/* The same where nobody could be told of a failure. */
void slot_retire(struct slot *sl);
void slots_go(struct spawn *sp); /* makes what is wanted */

/* --- spawn_found.c, spawn_ops.c ------------------------------------------- */

/* Takes one of what sub_scan() finds. */
void slot_found(void *arg, const struct sub_found *f);

/* Each answers its request itself, once. */
void op_hello(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_slots(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_create(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_kill(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_freeze(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_thaw(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_stats(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_discard(struct spawn *sp, uint32_t seq, const void *body, bool keep);

/* --- spawn_sockets.c ------------------------------------------------------ */

void op_sockets(struct spawn *sp, uint32_t seq, const void *body, bool keep);
void op_cut(struct spawn *sp, uint32_t seq, const void *body, bool keep);

/* --- spawn_capture.c ------------------------------------------------------ */

void op_capture(struct spawn *sp, uint32_t seq, const void *body, bool keep);
/* The tenant is gone: its captures are to end, with whole files. */
void captures_end(struct spawn *sp, struct spawn_ref ref);

/* --- spawn_helpers.c ------------------------------------------------------ */

/* -1 if there are too many already. */
int helper_room(struct spawn *sp, struct err *e);
/* Kills those of a kind. */
void helpers_end(struct spawn *sp, int kind);
void helper_add(struct spawn *sp, pid_t pid, int kind, struct spawn_ref ref);
void helpers_reap(struct spawn *sp);
/* Clears groups and files away, when the helpers get to it. */
void scrap_add(struct spawn *sp, struct spawn_ref ref, const char *id);
void scraps_go(struct spawn *sp);

#endif
