/* code/ctx_int.h - what ctx.c, ctx_run.c and exec.c share. */
#ifndef CODE_CTX_INT_H
#define CODE_CTX_INT_H

#include "code/code.h"

enum ctx_step {
	STEP_OFF,   /* no kernel */
	STEP_START, /* the kernel gets ready */
	STEP_WARM,  /* it runs what a language wants run first */
	STEP_IDLE,
	STEP_FETCH,   /* current: envd is asked for variables */
	STEP_SET,     /* they are set */
	STEP_RUN,     /* the user's code */
	STEP_RESTORE, /* the variables of the last one are taken back */
};

struct wait; /* a request that is answered when the kernel is ready */

struct ctx {
	struct code *code;
	struct ctx *prev, *next;
	char id[CODE_ID_TEXT];
	char language[LANG_NAME_MAX];
	const struct lang *lang; /* NULL: one that we know nothing of */
	char *cwd;
	char packages[SPEC_PACKAGES];
	bool is_default, listed;
	struct kernel *kernel;
	struct mono started;
	unsigned fails; /* starts and short lives in a row */
	struct loop_timer again;
	struct wait *waits;

	enum ctx_step step;
	struct exec *current, *queue;
	char request[MSG_ID_TEXT]; /* what the kernel works on */
	bool accepted, idle, replied, aborted;
	bool interrupting; /* the current one's client has left */
	struct loop_timer nag, settle;
	struct varlist globals;
	bool globals_known, globals_set;
	struct varlist undo; /* what STEP_RESTORE sets */
	struct http_call call;
};

/* ctx_run.c */
extern const struct kernel_owner ctx_kernel_owner;
void run_init(struct ctx *c);
/* The kernel takes executions: the first thing to do. */
void run_begin(struct ctx *c);
/* Looks for the next execution, if none is under way. */
void run_next(struct ctx *c);
/* Whatever is under way ends here: the kernel is no more. */
void run_cancel(struct ctx *c, const char *name, const char *value);
/* And whatever waits. */
void run_refuse_all(struct ctx *c, const char *name, const char *value);

/* Told by an execution: its client is gone; it can take more. */
void ctx_left(struct ctx *c, struct exec *x);
void ctx_room(struct ctx *c, struct exec *x);

/* ctx.c, told by ctx_run.c */
void ctx_is_ready(struct ctx *c);
void ctx_lost_kernel(struct ctx *c, enum kernel_end how);

#endif
