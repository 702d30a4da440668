/* envd/proc_int.h - what the files about processes share. */
#ifndef ENVD_PROC_INT_H
#define ENVD_PROC_INT_H

#include "envd/proc.h"

struct source {
	struct loop_io io; /* fd -1 once at its end */
	struct proc *p;
	const char *kind; /* stdout, stderr, pty */
	size_t chunk;
	uint64_t bytes; /* that came */
};

/* Bytes on their way into a process; whoever sent them waits. */
struct feeder {
	struct rpc *c;
	pid_t pid; /* client streams: which process, 0 before the start */
	struct input *waiting;
};

struct input {
	struct input *next;
	struct feeder *from; /* NULL: the client has gone */
	char *bytes;
	size_t n, off;
};

struct sub {
	struct rpc *c;
	struct proc *p;
	struct sub *prev, *next;
	struct loop_timer keepalive;
	struct mono last; /* event */
	bool full;
};

struct proc {
	struct procs *all;
	struct proc *prev, *next;
	pid_t pid;
	char *tag;    /* NULL: none */
	char *config; /* ProcessConfig, as it was asked for */
	bool pty;
	struct source src[2];
	struct loop_io in; /* fd -1: closed, or never there */
	struct input *inputs, **inputs_end;
	size_t input_bytes;
	bool in_closing;
	struct sub *subs;
	/* Whoever started it from in here; NULL if nobody cares. */
	void (*on_said)(void *ctx, const char *kind, const void *p, size_t n);
	void (*on_reaped)(void *ctx, int status);
	void *said_ctx, *reaped_ctx;
	struct loop_timer kill_at;
	bool reaped;
	bool ours; /* nobody asked for it but ourselves */
	bool cut;  /* told to die: do not wait for its output */
	int status;
};

/* An exit that may still be asked for. */
struct ended {
	struct ended *next;
	pid_t pid;
	char *tag;
	struct mono until;
	char event[]; /* the end event */
};

struct helper {
	struct helper *next;
	pid_t pid;
	void (*done)(void *ctx, int status);
	void *ctx;
};

struct procs {
	struct envd *d;
	struct proc *first;
	size_t n;
	size_t nsubs; /* of all of them together */
	struct ended *ended, **ended_end;
	size_t nended;
	struct loop_timer forget;
	struct helper *helpers;
	size_t nhelpers;
};

/* proc_table.c */
struct proc *proc_by_pid(struct procs *ps, pid_t pid);
struct proc *proc_by_tag(struct procs *ps, const char *tag);
void proc_add(struct procs *ps, struct proc *p);
/* Unlisted and freed; its event is kept for a while. */
void proc_remove(struct proc *p, const char *event);
/* tag NULL: by pid. */
const struct ended *ended_find(
    const struct procs *ps, pid_t pid, const char *tag);
void ended_drop(struct procs *ps, pid_t pid, const char *tag);

/* proc_spawn.c */
struct spawn {
	const char *cmd;
	char **argv; /* argv[-1] is free to be overwritten */
	char **envp;
	const char *path; /* to look cmd up in */
	const char *cwd;
	const struct user *u;
	const struct rlimit *nofile;
	int fd[3];
	bool tty;
	int err; /* out: what happened before the program was looked for */
};
/* The pid, or -1: s->err is 0 if even the fork failed. */
pid_t proc_spawn(struct spawn *s);
void proc_child(struct spawn *s) __attribute__((noreturn));

/* linux/proc_fork.c, freebsd/proc_fork.c */
/* Once, before the first.  oom_fd: our score, open both ways, or -1. */
int proc_fork_set_up(int oom_fd, struct err *e);
/* A child that runs proc_child(); -1 with errno. */
pid_t proc_fork(struct spawn *s);
/* In the child, where nothing of the parent's memory may change: a signal's
 * default, and the identity that it is to have. */
void proc_fork_default(int sig);
int proc_fork_become(const struct spawn *s);

/* linux/proc_ends.c, freebsd/proc_ends.c: -1 with errno. */
/* A terminal of the user's: our end, which does not block, and the other. */
int proc_tty(const struct user *u, int *ours, int *theirs);
/* That the user may open his own /dev/stdout. */
int proc_pipe_give(int fd, const struct user *u);

/* proc_start.c */
/* Runs what a StartRequest says, for nobody yet; NULL and why. */
struct proc *proc_begin(
    struct envd *d, const json_t *in, const struct user *u, struct err *e);

/* proc_io.c */
void proc_watch(struct proc *p);     /* begins to read and to write */
void proc_read_more(struct proc *p); /* a subscriber has room again */
void proc_drain(struct proc *p);
void proc_maybe_end(struct proc *p);
/* Takes bytes.  false: f's rpc has failed, and is gone. */
bool proc_feed(struct proc *p, struct feeder *f, char *bytes, size_t n);
/* Writes what it can, now; may answer, and so end, those who wait. */
void proc_write(struct proc *p);
void proc_close_in(struct proc *p);
void proc_fail_inputs(struct proc *p, const char *why);

/* proc_sub.c */
struct sub *sub_new(struct proc *p, struct rpc *c);
void subs_data(struct proc *p, const char *kind, const void *b, size_t n);
/* How much may wait for each of those who listen to anything. */
size_t subs_share(const struct procs *ps);
/* True if somebody listens and nobody of them has room. */
bool subs_all_full(const struct proc *p);
void sub_start_event(struct rpc *c, pid_t pid);

/* proc_select.c */
/* The process that the request names; else it has failed and NULL. */
struct proc *proc_selected(struct rpc *c, const json_t *in);

#endif
