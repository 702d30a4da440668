/*
 * code/code.h - the code interpreter's server: what its parts share.
 *
 * One process, one thread.  A request becomes an execution, which waits in
 * its context's queue; a context has one kernel, which does one thing at a
 * time.  Nobody is authenticated here: the way in does that.
 */
#ifndef CODE_CODE_H
#define CODE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "code/kernel.h"
#include "code/lang.h"
#include "http/client.h"
#include "http/server.h"
#include "io/loop.h"

enum {
	CODE_PORT = 49999,
	CODE_ENVD_PORT = 49983,
	CODE_CONNS_MAX = 2048,
	CODE_CONTEXTS_MAX = 512,
	CODE_BODY_MAX = 16 * 1024 * 1024,
	CODE_ENVS_MAX = 4 * 1024 * 1024,
	CODE_ENVS_MS = 2000,
	CODE_KEEPALIVE_MS = 5000,
	CODE_ID_TEXT = 37, /* of a context: a UUID */
};

#define CODE_HOME "/home/user"

struct ctx;
struct exec;

struct code {
	struct loop *loop;
	struct http_server *http;
	struct kernels kernels;
	uint16_t envd_port; /* 0: there is none */
	const char *home;   /* where contexts begin */
	struct ctx *first, *last;
	size_t nctx;
	/* The first kernel is ready, or will not be: serve. */
	void (*on_ready)(struct code *c);
};

/* --- stream.c: a reply of events ------------------------------------------*/

struct stream {
	struct http_req *r; /* NULL: the client is gone, or has it all */
	struct buf out;	    /* lines that HTTP has not taken yet */
	struct loop *loop;
	struct loop_timer keepalive;
	struct mono last; /* event */
	bool begun, full, ended;
	void (*on_room)(struct stream *s); /* it is not full any more */
	/* Nobody reads on, or all was sent: the last call.  Free it. */
	void (*on_gone)(struct stream *s);
};

/* The reply may begin later; r's data is the stream from here on. */
void stream_init(struct stream *s, struct loop *l, struct http_req *r);
void stream_fini(struct stream *s);
/* May call on_gone, if the client has left meanwhile. */
void stream_begin(struct stream *s);
/* Sends what was put into s->out; likewise. */
void stream_send(struct stream *s);
/* Adds the last line; on_gone follows when it is sent. */
void stream_end(struct stream *s);
/* For a stream that has not begun: this instead. */
void stream_refuse(struct stream *s, int status, const char *text);

/* --- exec.c: one execution ------------------------------------------------*/

struct exec {
	struct stream stream;
	struct exec *next;
	struct ctx *ctx; /* NULL: it only has to be sent to its end */
	char *code;	 /* a JSON string */
	size_t ncode;
	struct varlist vars;
	char *token; /* X-Access-Token, or NULL */
};

/* Takes vars. */
struct exec *exec_new(struct code *c, struct http_req *r, struct jv code,
    struct varlist *vars, const char *token);
void exec_free(struct exec *x);
/* Ends it, with an error before unless name is NULL.  x is gone then. */
void exec_finish(struct exec *x, const char *name, const char *value);

/* --- ctx.c: contexts ------------------------------------------------------*/

/* A context of its own; it is not started yet.  NULL: e says why. */
struct ctx *ctx_new(struct code *c, const char *language, const char *cwd,
    bool is_default, struct err *e);
struct ctx *ctx_find(struct code *c, const char *id);
/* The one that is used where only a language is named; made if need be. */
struct ctx *ctx_default(struct code *c, const char *language, struct err *e);
int ctx_put(struct buf *b, const struct ctx *c);
/* Of GET /contexts: what was ready once, or is to be there anyhow. */
bool ctx_listed(const struct ctx *c);
void ctx_list(struct ctx *c);
struct ctx *ctx_next(const struct ctx *c);

/* Its kernel is started, if it does not run. */
void ctx_start(struct ctx *c);
void ctx_add(struct ctx *c, struct exec *x);
/* r is answered when the kernel is ready, or will not be. */
void ctx_wait(struct ctx *c, struct http_req *r, bool created);
void ctx_restart(struct ctx *c);
void ctx_delete(struct ctx *c);

/* --- route.c --------------------------------------------------------------*/

void code_on_request(struct http_req *r, void *ctx);
void code_on_bad_request(
    int status, const char *why, struct buf *out, void *ctx);
void reply_text(struct http_req *r, int status, const char *text);
void reply_json(struct http_req *r, int status, const struct buf *b);

/* --- execute.c: what a body asks for --------------------------------------*/

struct execute {
	struct jv code;
	char *context_id, *language; /* NULL: not said */
	struct varlist vars;
};
/* -1: detail is the body of a 422. */
int execute_read(
    struct execute *x, const char *body, size_t n, struct buf *detail);
void execute_fini(struct execute *x);
int context_read(char **language, char **cwd, const char *body, size_t n,
    struct buf *detail);

#endif
