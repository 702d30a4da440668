/* code/kernel_int.h - what kernel.c and the transports share. */
#ifndef CODE_KERNEL_INT_H
#define CODE_KERNEL_INT_H

#include "code/kernel.h"
#include "code/peer.h"

enum { SOCKET_PATH = 104, KERNEL_ID_TEXT = 20 };

struct transport {
	/* Before the process is there: what it will find.  fd3: for it. */
	int (*prepare)(struct kernel *k, int *fd3, struct err *e);
	/* It runs; connect. */
	int (*open)(struct kernel *k, struct err *e);
	int (*request)(struct kernel *k, const char *type, const char *id,
	    const struct buf *content);
	void (*interrupt)(struct kernel *k);
	void (*hold)(struct kernel *k, bool hold);
	void (*close)(struct kernel *k);
};
extern const struct transport transport_zmq, transport_lines;

/* Over ZeroMQ. */
struct wire {
	struct peer shell, iopub, control;
	char prefix[SOCKET_PATH], file[SOCKET_PATH + 8];
	struct loop_timer nudge;
	char asked[MSG_ID_TEXT]; /* id of our kernel_info_request */
	bool replied, published;
	unsigned nudges;
};

/* Over a stream of lines. */
struct lines {
	struct loop_io io;
	struct buf in, out;
	size_t seen;	  /* of in: no line ends there */
	uint64_t skipped; /* of a line that is too long; 0: none is */
	bool held;
};

struct kernel {
	struct kernels *all;
	struct kernel *next;
	const struct transport *t;
	const struct kernel_owner *owner;
	void *data;
	struct spec spec;
	char **env; /* that it was started with */
	char id[KERNEL_ID_TEXT];
	unsigned nrequests;
	pid_t pid; /* -1: reaped */
	bool ready, exited, cut;
	struct loop_timer start, end; /* too slow; how it ended is clear */
	struct wire wire;
	struct lines lines;
};

void kernel_id(struct kernel *k, char to[MSG_ID_TEXT]);
/* What the transports tell. */
void kernel_is_ready(struct kernel *k);
void kernel_is_cut(struct kernel *k, const char *why);

/* linux/spawn.c: a process that dies with us; its pid, or -1. */
struct kernel_spawn {
	char *const *argv, *const *envp;
	const char *cwd;
	int fd3; /* -1: none */
};
pid_t kernel_spawn(const struct kernel_spawn *s, struct err *e);

#endif
