/*
 * sandbox.h - the life of sandboxes: create, find, ask.
 *
 * One engine a process, in the loop's thread.  A request is answered once,
 * through its callback, now or later.  Sandboxes are named by id outside and
 * by struct sb_ref inside; a pointer is good until the callback returns.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "ctl/sandbox/denials.h"
#include "ctl/sandbox/metrics.h"
#include "ctl/sandbox/policy.h"
#include "ctl/sandbox/record.h"
#include "ctl/sandbox/store.h"
#include "ctl/sandbox/template.h"
#include "io/loop.h"
#include "netpolicy/site.h"

struct engine;
struct sandbox;

struct sb_ref {
	uint32_t index, gen;
};

struct engine_conf {
	uint32_t max_sandboxes, pool_slots, pids_max;
	uint32_t pool_size; /* sandboxes kept ready, of a silent template */
	uint64_t host_memory_mb;
	uint64_t max_life_s;
	bool policy_while_paused;
	char state_dir[256];
	uint32_t cpu_count, memory_mb, disk_mb; /* of silent templates */
	struct np_addr resolver4, resolver6;	/* n 0: there is none */
};

/* A request to a sandbox's envd, on a socket of the sandbox. */
struct envd_ask {
	const struct sb_record *r;
	struct sb_ref ref;
	const struct template *start; /* POST /start with what it says; NULL:
					 POST /init with what r says */
	int fd;			      /* fresh or connected; taken */
	bool keep;		      /* the connection is wanted back */
};

/* What came of it. */
struct envd_said {
	int status;	 /* of HTTP; 0: none came, and e says why */
	int fd;		 /* the connection; -1 if there is none; taken */
	struct err e;	 /* kind ERR_NONE unless status is 0 */
	const char *why; /* the answer's text, "" if none; a sandbox's words */
};

/* What the engine asks of whoever speaks HTTP. */
struct engine_calls {
	/*
	 * -1 only if it could not begin.  Then engine_envd_said() comes,
	 * once, and not from in here.
	 */
	int (*envd)(void *ctx, const struct envd_ask *q, struct err *e);
	/* What the operator denies to all, as of now; privd has the same. */
	int (*site)(void *ctx, struct np_site *out, struct err *e);
	/* Recovery is over: requests may come. */
	void (*on_ready)(void *ctx);
	/* A privd is gone; so shall we be. */
	void (*on_lost)(void *ctx, const char *which);
	void *ctx;
	/*
	 * GET /logs?after=SEQ of envd on such a socket, which is taken; NULL
	 * if it could not begin.  What comes is engine_logs_data()'s until
	 * engine_logs_end() or logs_stop().  May be NULL: nobody listens.
	 */
	void *(*logs)(void *ctx, const struct sb_record *r, struct sb_ref ref,
	    int fd, uint64_t after, struct err *e);
	void (*logs_stop)(void *ctx, void *conn);
};

struct engine_fds {
	int rules, spawn, route; /* taken; route may be -1 */
};

struct engine *engine_new(struct loop *l, const struct engine_conf *cf,
    const struct engine_calls *calls, struct engine_fds fds, struct err *e);
/* Leaves sandboxes as they are: the next one adopts them. */
void engine_free(struct engine *en);
/* Kills every sandbox there is; engine_count() tells when none is left. */
void engine_kill_all(struct engine *en);
bool engine_ready(const struct engine *en);
/* An end of a channel to egressd (denial_msg.h), whenever one is new; taken. */
void engine_denials(struct engine *en, int fd);
struct store *engine_store(struct engine *en);
struct templates *engine_templates(struct engine *en);
void engine_envd_said(
    struct engine *en, struct sb_ref ref, struct envd_said *said);

/* Hostile bytes: lines of envd's log. */
void engine_logs_data(
    struct engine *en, struct sb_ref ref, const char *p, size_t n);
void engine_logs_end(
    struct engine *en, struct sb_ref ref, const struct err *why);
/* Stores what has come, so that whoever reads the store sees it. */
void engine_logs_flush(struct engine *en);

/* --- looking
 * ----------------------------------------------------------------*/

/* NULL if there is none that a client may see. */
struct sandbox *engine_find(struct engine *en, const char *id);
const struct sb_record *sandbox_record(const struct sandbox *sb);
struct sb_metrics *sandbox_metrics(struct sandbox *sb);
/* What it was denied lately, judged and in order. */
const struct sb_denials *sandbox_denials(struct sandbox *sb);
/* Bytes that came and went by the way in, since coppice-proxyd counts. */
struct sb_carried {
	uint64_t received, sent; /* by the sandbox */
};
const struct sb_carried *sandbox_carried(const struct sandbox *sb);
/* Those that a client may see, in no order. */
void engine_each(
    struct engine *en, void (*each)(void *ctx, struct sandbox *sb), void *ctx);
/*
 * Room for an answer that was rendered; dropped when anything of the sandbox
 * changes.
 */
struct sb_cache {
	char *text;
	size_t n;
};
struct sb_cache *sandbox_cache(struct sandbox *sb);

struct engine_counts {
	uint32_t running, paused, other, ready_slots;
};
struct engine_counts engine_count(const struct engine *en);

/* --- asking
 * ------------------------------------------------------------------*/

struct sb_answer {
	struct err err;	    /* kind ERR_NONE: it went well */
	const char *code;   /* E2B's error_code, or NULL */
	struct sandbox *sb; /* NULL where it is gone */
	bool resumed;	    /* it was not running before */
	uint32_t gen;	    /* network: the policy's generation */
};
typedef void (*sb_done)(void *ctx, const struct sb_answer *a);

/*
 * r is complete but for id, tokens, secret, times, state and slot.  Takes
 * what r and p own.
 */
struct sb_create {
	struct sb_record r;
	struct sb_policy policy;
	bool secure;
	sb_done done;
	void *ctx;
};
void engine_create(struct engine *en, struct sb_create *c);

enum sb_op {
	OP_KILL,
	OP_PAUSE,
	OP_CONNECT,
	OP_RESUME,
	OP_TIMEOUT,
	OP_REFRESH,
	OP_WAKE, /* traffic: resumes what auto-resumes, extends nothing */
};

struct sb_call {
	enum sb_op op;
	uint64_t timeout_s;
	enum sb_choice auto_pause; /* OP_RESUME */
	bool no_memory;		   /* PAUSE, CONNECT, RESUME: its files alone */
	sb_done done;
	void *ctx;
};
void engine_call(struct engine *en, const char *id, const struct sb_call *c);

/* Replaces the egress policy.  Takes what net and p own. */
struct sb_net_call {
	struct sb_net net; /* internet SB_UNSAID: keeps what was said */
	struct sb_policy policy;
	sb_done done;
	void *ctx;
};
void engine_network(struct engine *en, const char *id, struct sb_net_call *c);

/*
 * Starts coppice-capture for a sandbox that runs: fd is a stream to it
 * (capture/capture_msg.h), the callee's; or -1 and why.
 */
typedef void (*sb_captured)(void *ctx, int fd, const struct err *e);
void engine_capture(
    struct engine *en, const char *id, sb_captured done, void *ctx);

/* `Sandbox "x" doesn't exist or you don't have access to it` */
int sb_not_found(const char *id, struct err *e);

#endif
