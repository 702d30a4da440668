/* api_int.h - for this directory only. */
#ifndef API_API_INT_H
#define API_API_INT_H

#include <jansson.h>

#include "ctl/api/api.h"
#include "ctl/api/auth.h"
#include "ctl/api/query.h"

struct call;

enum route_body {
	BODY_NONE,     /* thrown away */
	BODY_OPTIONAL, /* none and empty are {} */
	BODY_REQUIRED,
};

enum { ROUTE_ARGS_MAX = 3, ROUTE_ARG_MAX = 512 };

struct route {
	const char *method;
	const char *path; /* `{}` stands for one segment */
	void (*handle)(struct call *c);
	enum route_body body;
	const char *missing; /* no handle: the sentence of the 501 */
};

extern const struct route routes[];
extern const size_t nroutes;

/* The answer to a path: a route, or the methods that would do. */
struct route_found {
	const struct route *route;
	char allow[64];		    /* "" if the path is unknown */
	char *args[ROUTE_ARGS_MAX]; /* into room, decoded */
	char room[ROUTE_ARGS_MAX * ROUTE_ARG_MAX];
	bool bad; /* a segment's encoding is broken */
};
void route_find(const char *method, const char *path, struct route_found *out);

/*
 * A request from its head to its answer.  It outlives the connection when
 * that goes first: then r is NULL, and the answer goes nowhere.
 */
struct call {
	struct http_req *r;
	struct api *api;
	const struct route *route;
	struct call *next, **prev; /* of all that are under way */
	char *arg;		   /* the path's first parameter */
	json_t *body;
	struct query query;
	char *idem_key; /* NULL: none */
	uint8_t idem_print[STORE_PRINT_LEN];
};

struct api {
	struct loop *loop;
	struct api_conf cf;
	struct auth auth;
	struct engine *en;
	struct http_server *http;
	struct call *calls;
	size_t ncalls;
	struct init *inits;	  /* envd_init.c */
	struct envd_logs *logs;	  /* envd_logs.c */
	struct capture *captures; /* sandbox_capture.c */
};

enum { API_BODY_MAX = 2 * 1024 * 1024, API_ANSWER_MAX = 64 * 1024 * 1024 };

/* reply.c: each ends the call. */
void call_ok(struct call *c, int status, struct buf *json); /* empties json */
void call_empty(struct call *c, int status);
void call_error(struct call *c, const struct err *e, const char *code);
void call_fail(
    struct call *c, int status, const char *code, const char *message);
/*
 * Ends the call with an answer in pieces, which has begun; NULL if the client
 * is gone.  Who gets the request sets its data and on_gone.
 */
struct http_req *call_stream(struct call *c, int status, const char *ctype);
/* Without a call: the head was bad, or no memory for one. */
void reply_error(struct http_req *r, int status, const char *message);
void error_body(struct buf *b, int status, const char *message,
    const char *where, const char *code);
void call_header(struct call *c, const char *name, const char *fmt, ...)
    PRINTF(3, 4);

/* Of the path; ends the call with 400 and is NULL if it is malformed. */
const char *call_sandbox_id(struct call *c);
/* The sandbox itself; ends the call with 404 where there is none. */
struct sandbox *call_sandbox(struct call *c);
/* The template of the path, likewise. */
const struct template *call_template(struct call *c);

/* json_out.c */
void out_string(struct buf *b, const char *s);
void out_time(struct buf *b, const char *name, int64_t ms);
void out_sandbox(
    struct buf *b, const struct api *api, const struct sandbox *sb);
void out_listed(struct buf *b, const struct sandbox *sb);
void out_detail(struct buf *b, const struct api *api, const struct sandbox *sb);

/* sandboxes_create.c */
int timeout_check(
    const struct api *api, int64_t s, int64_t least, struct err *e);

/* idempotency.c: 0 go on; -1 the call has been answered */
int idempotency_begin(
    struct call *c, const char *const *fields, size_t nfields);
void idempotency_end(struct call *c, int status, const char *body, size_t n);

/* envd_init.c */
void envd_init_drop(struct api *api);

/* envd_logs.c */
void envd_logs_drop(struct api *api);

/* sandbox_capture.c */
void captures_drop(struct api *api);

/* cors.c */
void cors_headers(const struct api *api, struct http_req *r);
void cors_preflight(const struct api *api, struct http_req *r);

/* handlers, by the file they are in */
void get_health(struct call *c);
void post_sandboxes(struct call *c);
void post_sandboxes_v2(struct call *c);
void get_sandboxes(struct call *c);
void get_sandboxes_v2(struct call *c);
void get_sandbox(struct call *c);
void delete_sandbox(struct call *c);
void post_pause(struct call *c);
void post_resume(struct call *c);
void post_connect(struct call *c);
void post_connect_v2(struct call *c);
void post_timeout(struct call *c);
void post_refreshes(struct call *c);
void put_network(struct call *c);
void get_network(struct call *c);
void get_denials(struct call *c);
void get_flows(struct call *c);
void post_explain(struct call *c);
void get_capture(struct call *c);
void get_metrics(struct call *c);
void get_metrics_batch(struct call *c);
void get_logs(struct call *c);
void get_logs_v2(struct call *c);
void get_templates(struct call *c);
void get_templates_v2(struct call *c);
void get_template(struct call *c);
void get_alias(struct call *c);
void get_pool(struct call *c);
void post_pool_warm(struct call *c);
void post_pool_drain(struct call *c);

#endif
