/*
 * code/kernel.h - a kernel: one process that runs a language, and our
 * connection to it.  Two transports, one struct of operations.
 */
#ifndef CODE_KERNEL_H
#define CODE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "code/jv.h"
#include "code/msg.h"
#include "code/spec.h"
#include "io/loop.h"

enum {
	/* One message of a kernel; a longer one is left out, and said so. */
	KERNEL_MSG_MAX = 64 * 1024 * 1024,
	KERNEL_START_MS = 60000,
	KERNEL_END_MS = 2000, /* from being asked to being killed */
};

struct kernel;

enum kernel_end {
	KERNEL_DIED,  /* the process is gone */
	KERNEL_CUT,   /* it lives, but does not speak with us any more */
	KERNEL_STUCK, /* it did not get ready in time */
};

struct kernel_owner {
	void (*on_ready)(struct kernel *k); /* once: it takes executions */
	void (*on_msg)(struct kernel *k, const struct msg *m);
	void (*on_skipped)(struct kernel *k, uint64_t bytes);
	/* Free it: nothing more will come. */
	void (*on_end)(struct kernel *k, enum kernel_end how);
};

/* Where kernels are, and the list of them for who reaps. */
struct kernels {
	struct loop *loop;
	const char *dirs;    /* of kernelspecs */
	const char *sockets; /* a directory of our own */
	char *const *env;    /* our own; kernels get most of it */
	struct kernel *first;
	struct ended *ended; /* processes that are on their way out */
	unsigned nstarted;
};

/* ERR_NOTFOUND: no such kernel here.  Nothing is called before it returns. */
struct kernel *kernel_start(struct kernels *all, const char *name,
    const char *cwd, const struct kernel_owner *owner, void *data,
    struct err *e);
void *kernel_data(const struct kernel *k);
/* A variable of the environment that it was started with, or NULL. */
const char *kernel_getenv(const struct kernel *k, const char *name);
/* id: at least MSG_ID_TEXT bytes, filled in.  -1: it cannot be sent. */
int kernel_execute(
    struct kernel *k, struct jv code, enum msg_how how, char *id);
void kernel_interrupt(struct kernel *k);
/* Reads no more of what it says, until told to go on. */
void kernel_hold(struct kernel *k, bool hold);
/* Asks it to end, and kills it if it does not.  No callback comes. */
void kernel_free(struct kernel *k);

/* Of a child that was waited for. */
void kernels_reaped(struct kernels *all, pid_t pid, int status);
/* Removes what an earlier server left; the directory is made. */
int kernels_clean(struct kernels *all, struct err *e);

#endif
