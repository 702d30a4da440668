/*
 * envd/proc.h - process.Process: what runs on behalf of clients.
 *
 * A process is listed from its start until its `end` event.  It ends when it
 * has been reaped and its output has reached end of file; once it was told to
 * die, when it has been reaped.
 */
#ifndef ENVD_PROC_H
#define ENVD_PROC_H

#include "envd/connect.h"

enum {
	PROC_PIPE_CHUNK = 32 * 1024, /* one read, one event */
	PROC_PTY_CHUNK = 16 * 1024,
	/* What may wait for a slow reader, fewer of whom may have more each: */
	PROC_SUB_MOST = 256 * 1024, /* then its process has to wait */
	PROC_SUB_LEAST = 8 * 1024,
	PROC_SUB_ALL = 16 * 1024 * 1024,
	PROC_BEHIND_MOST = 4 * 1024 * 1024, /* behind the others: cut off */
	PROC_BEHIND_LEAST = 64 * 1024,
	PROC_BEHIND_ALL = 64 * 1024 * 1024,
	PROC_INPUT_MAX = 64 * 1024 * 1024,
	PROC_DRAIN_READS = 64, /* of what a dead process left in its pipes */
	PROC_ENDED_MS = 30000, /* how long an exit can still be asked for */
	PROC_ENDED_MAX = 1024,
	PROC_HELPERS_MAX = 256,
};

struct procs *procs_new(struct envd *d, struct err *e);
/* A child was reaped, whoever it was. */
void procs_reaped(struct procs *ps, pid_t pid, int status);

/*
 * A child of our own that is nobody's process: done() with its wait status.
 * -1 if it could not be started.
 */
int proc_helper(struct procs *ps, int (*run)(void *arg), void *arg,
    void (*done)(void *ctx, int status), void *ctx);

void proc_start(struct rpc *c, const json_t *in);
void proc_connect(struct rpc *c, const json_t *in);
void proc_list(struct rpc *c, const json_t *in);
void proc_update(struct rpc *c, const json_t *in);
void proc_send_input(struct rpc *c, const json_t *in);
bool proc_stream_input(struct rpc *c, const json_t *in);
void proc_close_stdin(struct rpc *c, const json_t *in);
void proc_send_signal(struct rpc *c, const json_t *in);

#endif
